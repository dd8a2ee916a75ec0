import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { version } from "../base/version.ts";

/** Sends the process a signal as it begins to load a module. */
const signalAt = (module: string, signal: string): string => {
  const hook = `export async function resolve(specifier, context, next) {
    if (specifier.endsWith(${JSON.stringify(module)})) process.kill(process.pid, ${JSON.stringify(signal)});
    return next(specifier, context);
  }`;
  const url = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;
  return url(`import { register } from "node:module"; register(${JSON.stringify(url(hook))});`);
};

const loragen = (...imports: string[]) =>
  spawnSync(
    process.execPath,
    [...["tsx", ...imports].flatMap((name) => ["--import", name]), join(import.meta.dirname, "main.ts"), "--version"],
    { encoding: "utf8" },
  );

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
])("%s while the command loads ends it at once, and one line says so", (signal, status) => {
  const stopped = loragen(signalAt("program.ts", signal));
  expect([stopped.status, stopped.stdout, stopped.stderr]).toEqual([status, "", "stopped before it began\n"]);
});

test("the command starts as a process of its own", () => {
  const { status, stdout, stderr } = loragen();
  expect([status, stdout, stderr]).toEqual([0, `${version}\n`, ""]);
});
