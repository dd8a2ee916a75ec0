/** @file The examples run as they are, on a tiny pair. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "../support/loragen.ts";
import { testTokenizer, writeTinyPair } from "../support/tiny-pair.ts";

let folder: string;
let pair: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "loragen-examples-"));
  pair = join(folder, "pair");
  await writeTinyPair(pair);
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function example(name: string, ...args: string[]): Promise<string> {
  const script = join(root, "examples", `${name}.ts`);
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", script, ...args], { cwd: root });
  return stdout;
}

test("specialize.ts writes a specialisation", async () => {
  expect(await example("specialize", pair, join(folder, "out"))).toMatch(
    /\d+ tokens of prompt became \d{3} bytes: .*specialization\.json\nlayer 0: /,
  );
});

test("answer.ts answers with and without the prompt", async () => {
  const [, specialised, prompted] = /^specialised, (\d+) tokens[\s\S]*^prompted, (\d+) tokens/m.exec(
    await example("answer", pair),
  )!;
  expect(Number(specialised)).toBeLessThan(Number(prompted));
});

test("eval.ts prints accuracies by method", async () => {
  expect(await example("eval", pair)).toMatch(/base[\s\S]*prompted[\s\S]*specialized/);
});

test("train.ts trains a model that is better than chance", async () => {
  const [, loss] = /validation loss ([\d.]+)/.exec(await example("train", testTokenizer))!;
  expect(Number(loss)).toBeLessThan(Math.log(4096) / 2); // chance: ln of the vocabulary
});

test("skills.ts mixes two skills as examples say, and answers", async () => {
  expect(await example("skills", pair)).toMatch(/^calm, lively: [\d.]+, [\d.]+\nanswer after \d+ ms: /);
});
