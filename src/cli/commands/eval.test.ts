import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { writeTinyPair } from "../../../test/support/tiny-pair.ts";
import type { EvalReport } from "../../eval/summarize.ts";
import { runCli } from "../program.ts";

const folder = mkdtempSync(join(tmpdir(), "eval-command-"));
afterAll(() => rmSync(folder, { recursive: true }));
const pair = join(folder, "pair");
beforeAll(() => writeTinyPair(pair));

const sample = { input: "is it open", target: "yes", choices: ["yes", "no"] };
const example = { input: "is it far", target: "no" };

function writeTask(name: string, changes: object = {}): string {
  const path = join(folder, `${name}.json`);
  const task = { name, systemPrompt: `Answer yes or no about ${name}.`, samples: [sample, sample] };
  writeFileSync(path, JSON.stringify({ ...task, ...changes }));
  return path;
}

async function evaluate(...args: string[]) {
  const { context, written } = recordingContext();
  const status = await runCli(["eval", "--pair", pair, "--threads", "1", "--json", "--task-file", ...args], context);
  const lines = written.stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(1);
  return { status, stderr: written.stderr, value: JSON.parse(lines[0]!) as EvalReport };
}

test("one task file without examples is asked by the methods that it allows; the others are named once, with reasons", async () => {
  const { status, stderr, value } = await evaluate(writeTask("shop"));
  expect(status).toBe(0);
  expect(Object.keys(value.mean)).toEqual(["base", "prompted", "specialized"]);
  expect(value.leftOut).toEqual({
    "prompted-5shot": expect.stringMatching(/"shop".*needs examples/),
    "wrong-prompt": expect.stringMatching(/"shop".*needs a second task/),
  });
  expect(stderr.match(/^left out: .*$/gm)).toEqual([
    `left out: prompted-5shot (${value.leftOut!["prompted-5shot"]}), wrong-prompt (${value.leftOut!["wrong-prompt"]})`,
  ]);
});

test("nothing is left out of tasks that allow every default method", async () => {
  const files = ["alpha", "beta"].map((name) => writeTask(name, { examples: [example] }));
  const { status, stderr, value } = await evaluate(...files);
  expect(status).toBe(0);
  expect(Object.keys(value.mean)).toEqual(["base", "prompted", "prompted-5shot", "specialized", "wrong-prompt"]);
  expect(value).not.toHaveProperty("leftOut");
  expect(stderr).not.toContain("left out");
});

test("a method that was asked for by name is refused where the tasks do not allow it", async () => {
  const file = writeTask("named");
  for (const method of ["prompted-5shot", "wrong-prompt"]) {
    const { status, value } = await evaluate(file, "--methods", `base,${method}`);
    expect(status).toBe(1);
    expect(value).toEqual({ error: { code: "E_DATA", message: expect.stringContaining(method) as unknown } });
  }
});

test("what no method can ask is an error, not an empty report", async () => {
  const long = { ...sample, input: "open ".repeat(400) };
  const { status, value } = await evaluate(writeTask("long", { samples: [long] }));
  expect(status).toBe(1);
  expect(value).toMatchObject({ error: { code: "E_LIMIT" } });
});
