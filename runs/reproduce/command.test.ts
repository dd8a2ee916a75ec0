/** @file How the commands of `runs` tell of what their user can mend. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

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
