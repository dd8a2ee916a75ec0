/** @file Ctrl-C during commands that write folders: said, ended as E_INTERRUPTED, nothing left. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CliContext } from "../../src/cli/context.ts";
import { runCli } from "../../src/cli/program.ts";
import { recordingContext } from "../support/cli-context.ts";
import { writeTinyPair } from "../support/tiny-pair.ts";

let root: string;
let pair: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "interrupt-"));
  pair = join(root, "pair");
  await writeTinyPair(pair);
  const args = ["specialize", "--pair", pair, "--prompt", "Say what it is about.", "--out", join(root, "about")];
  expect(await runCli(args, recordingContext().context)).toBe(0);
});
afterAll(() => rmSync(root, { recursive: true }));

const interrupt = () => process.emit("SIGINT", "SIGINT");

/** Runs a command line that Ctrl-C stops. */
async function stopped(args: readonly string[], change: (context: CliContext) => Partial<CliContext>) {
  const { context, written } = recordingContext();
  const before = readdirSync(root).sort();
  const listening = process.listenerCount("SIGINT");
  const out = join(root, "stopped");
  expect(await runCli([...args, "--out", out, "--json"], { ...context, ...change(context) })).toBe(1);
  expect(written.stderr).toContain("\nstopping after this step; Ctrl-C again ends at once\n");
  expect(JSON.parse(written.stdout)).toMatchObject({ error: { code: "E_INTERRUPTED" } });
  expect(readdirSync(root).sort()).toEqual(before);
  expect(process.listenerCount("SIGINT")).toBe(listening);
}

test("quantize", () =>
  stopped(["quantize", "--model", join(pair, "edge")], () => ({
    resolveModel: async (name) => {
      interrupt();
      return name;
    },
  })));

test("unmerge", async () => {
  const merged = join(root, "merged");
  const args = ["merge", "--pair", pair, "--specialization", join(root, "about"), "--out", merged];
  expect(await runCli(args, recordingContext().context)).toBe(0);
  await stopped(["unmerge", "--model", merged, "--base", join(pair, "edge")], () => ({
    resolveModel: async (name) => {
      interrupt();
      return name;
    },
  }));
});

test.each([["merge"], ["export", "--format", "peft"]])("%s", (...command) =>
  stopped([...command, "--pair", pair, "--specialization", join(root, "about")], ({ stderr, isTerminal }) => ({
    isTerminal: { ...isTerminal, stderr: true },
    stderr: {
      ...stderr,
      write: (text) => {
        stderr.write(text);
        if (text === "merge …\n") interrupt();
      },
    },
  })),
);
