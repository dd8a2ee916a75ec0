/** @file The examples run as they are, on a tiny pair. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answer, createAnswerer } from "../../src/pair/answer.ts";
import { loadEdgePair } from "../../src/pair/edge-pair.ts";
import { loadPair, writePairFile } from "../../src/pair/pair-file.ts";
import { parseSpecialization } from "../../src/pair/specialization.ts";
import { specialize } from "../../src/pair/specialize.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../../src/text/prompt.ts";
import { writeGgufCopy } from "../support/gguf-copy.ts";
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

test("browser/prepare.ts writes a pair over a GGUF file as one that a page reads, with the same answers", async () => {
  const [source, out] = [join(folder, "gguf"), join(folder, "page")];
  await cp(join(pair, "generator"), join(source, "generator"), { recursive: true });
  await writeGgufCopy(join(source, "model.gguf"), join(pair, "edge"), { tokenizer: testTokenizer, type: "F16" });
  const file = { name: "gguf", cloud: "model.gguf", edge: "model.gguf", layout: SPECIAL_TOKEN_LAYOUT };
  await writePairFile(source, file);
  expect(await example("browser/prepare", source, out)).toMatch(/^orders: \d+ tokens of prompt became \d+ bytes$/m);

  const page = await loadEdgePair((path) => readFile(join(out, "pair", path)));
  const json = await readFile(join(out, "tasks/orders/specialization.json"), "utf8");
  const prepared = parseSpecialization(json, "orders");
  const { constraint } = prepared; // the prompt demands JSON
  expect(constraint?.kind).toBe("schema");
  await using answerer = await createAnswerer(page, { specialization: prepared, threads: 1 });
  const tasks = JSON.parse(await readFile(join(out, "tasks.json"), "utf8")) as { name: string; prompt: string }[];
  const { prompt } = tasks.find(({ name }) => name === "orders")!;
  const whole = await loadPair(source);
  const specialization = await specialize(whole, prompt, { threads: 1 });
  for (const input of ["please send 5 roses", "Größe: 7½ — 東京"]) {
    const { ids } = await answer(whole, input, { specialization, constraint, maxTokens: 12, threads: 1 });
    expect((await answerer.answer(input, { maxTokens: 12 })).ids).toEqual(ids);
  }
});

test.each(["edge", "tokenizer.gguf"])(
  "browser/prepare.ts decides by model what to write, whatever it is called, and leaves no weights of the cloud: edge %s",
  async (edge) => {
    const [source, out] = [join(folder, `two-${edge}`), join(folder, `page-${edge}`)];
    for (const name of ["generator", "edge"]) await cp(join(pair, name), join(source, name), { recursive: true });
    for (const [name, model] of [
      ["generator.gguf", "cloud"],
      ["tokenizer.gguf", "edge"],
    ] as const)
      await writeGgufCopy(join(source, name), join(pair, model), { tokenizer: testTokenizer, type: "F16" });
    await cp(testTokenizer, join(source, "words"), { recursive: true });
    const file = { name: "two", cloud: "generator.gguf", edge, tokenizer: "words", layout: SPECIAL_TOKEN_LAYOUT };
    await writePairFile(source, file);
    await example("browser/prepare", source, out);

    expect(await readdir(join(out, "pair/cloud"))).toEqual(["config.json"]);
    const page = await loadEdgePair((path) => readFile(join(out, "pair", path)));
    const json = await readFile(join(out, "tasks/orders/specialization.json"), "utf8");
    await using answerer = await createAnswerer(page, {
      specialization: parseSpecialization(json, "orders"),
      threads: 1,
    });
    expect((await answerer.answer("please send 5 roses", { maxTokens: 4 })).ids).not.toEqual([]);
  },
);
