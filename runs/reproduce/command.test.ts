/** @file How the commands of `runs` tell of what their user can mend. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { AppError } from "../../src/base/errors.ts";
import { inTurn } from "./command.ts";
import { trainCommand } from "./train-command.ts";

const root = join(import.meta.dirname, "../..");

test.each([
  ["runs/transformer2/train.ts", "--bogus", /bogus/],
  ["runs/transformer2/data.ts", "no-such-folder", /no-such-folder/],
  ["runs/reproduce/main.ts", "--bogus", /bogus/],
])("%s %s says what is wrong in one line, without a stack", { timeout: 120_000 }, (script, argument, expected) => {
  const { status, stderr } = spawnSync(process.execPath, ["--import", "tsx", script, argument], {
    cwd: root,
    encoding: "utf8",
  });
  expect(stderr).toMatch(expected);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(status).toBe(1);
});

const { argv, exitCode } = process;
afterEach(() => {
  vi.restoreAllMocks();
  Object.assign(process, { argv, exitCode });
});

test("a training that fails is told, and keeps no other from its turn", async () => {
  const said: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
  vi.spyOn(console, "log").mockImplementation((text: string) => void said.push(text));
  process.argv = [process.execPath, "train.ts"];
  const plan = ["one", "two", "three"].map((name) => ({ training: name, name, group: "G", line: name }));
  await trainCommand(
    () => plan,
    async (name) => {
      if (name === "two") throw new AppError("E_NAN", "loss is NaN");
      return `${name}: done`;
    },
  );
  expect(said).toEqual(["one: done, 0 s", "two failed: loss is NaN\n", "three: done, 0 s"]);
  expect(process.exitCode).toBe(1);
});

test("what is interrupted is gone on with by nobody", async () => {
  const stop = new AbortController();
  const done: number[] = [];
  const act = async (one: number) => {
    done.push(one);
    stop.abort();
    throw new AppError("E_INTERRUPTED", "stopped");
  };
  const all = inTurn([1, 2], stop.signal, { nameOf: String, act });
  await expect(all).rejects.toMatchObject({ code: "E_INTERRUPTED" });
  expect(done).toEqual([1]);
});
