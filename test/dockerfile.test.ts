/** @file The Dockerfile names what there is. It is not built here: that takes a network and a daemon. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { createProgram } from "../src/cli/program.ts";
import { routes } from "../src/server/app.ts";
import { recordingContext } from "./support/cli-context.ts";

const root = resolve(import.meta.dirname, "..");
const lines = readFileSync(join(root, "Dockerfile"), "utf8").split("\n");
const of = (instruction: string): string[] =>
  lines.filter((line) => line.startsWith(`${instruction} `)).map((line) => line.slice(instruction.length + 1));
const about = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  bin: { loragen: string };
  scripts: Record<string, string>;
  devDependencies: Record<string, string>;
};

test("what is copied is in the repository, let through by .dockerignore, or made by a stage before", () => {
  const allowed = readFileSync(join(root, ".dockerignore"), "utf8").split("\n");
  const copied = of("COPY").map((line) => line.split(" ").slice(0, -1));
  const own = copied.filter(([first]) => !first!.startsWith("--from")).flat();
  expect(own.length).toBeGreaterThan(5);
  for (const name of own) {
    expect(existsSync(join(root, name)), name).toBe(true);
    expect(allowed).toContain(`!${name}`);
  }
  const stages = of("FROM").flatMap((line) => / AS (\w+)$/.exec(line)?.[1] ?? []);
  for (const [from] of copied.filter(([first]) => first!.startsWith("--from")))
    expect(stages).toContain(from!.slice("--from=".length));
});

test("it runs the program that the package has, by commands and flags that there are", async () => {
  const json = (instruction: string) => JSON.parse(of(instruction)[0]!) as string[];
  expect(json("ENTRYPOINT")).toEqual(["node", about.bin.loragen]);
  const [name, ...flags] = json("CMD");
  const command = (await createProgram(recordingContext().context)).commands.find((each) => each.name() === name)!;
  const known = command.options.map(({ long }) => long);
  for (const flag of flags.filter((each) => each.startsWith("--"))) expect(known).toContain(flag);
  const scripts = of("RUN").flatMap((line) => [...line.matchAll(/npm run (\w+)/g)].map(([, script]) => script!));
  expect(scripts).toEqual(["build"]);
  for (const script of scripts) expect(about.scripts).toHaveProperty(script);
});

test("packages that it asks for are in it, though they are for development elsewhere", () => {
  const installs = of("RUN").filter((line) => line.startsWith("npm install "));
  const name = "@aws-sdk/client-s3";
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { version: string }>;
  };
  const { version } = lock.packages[`node_modules/${name}`]!;
  expect(installs.map((line) => line.split(" ").at(-1))).toEqual([`${name}@${version}`]); // what the tests ran with
  expect(about.devDependencies).toHaveProperty([name]);
  expect(installs[0]).toContain("--save-prod"); // without it npm leaves them out by --omit=dev, and says that all is well
});

test("it does not run as root, and its health is asked at a route and a port that it serves", () => {
  expect(of("USER").at(-1)).toBe("node");
  const lastStage = lines.findLastIndex((line) => line.startsWith("FROM "));
  expect(lines.findIndex((line) => line.startsWith("USER "))).toBeGreaterThan(lastStage);
  const [, port, path] = /127\.0\.0\.1:(\d+)(\/\w+)/.exec(of("HEALTHCHECK")[0]!)!;
  expect(routes.map((route) => route.path)).toContain(path);
  expect([of("EXPOSE")[0], JSON.parse(of("CMD")[0]!)]).toEqual([port, expect.arrayContaining(["--port", port])]);
});
