/** @file LoraHub on a constructed case: the answers are those of a mixture of the pool, which the search does not know. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { randomAdapter } from "../../test/support/random-adapter.ts";
import { talkativeModel, smallTokenizer as tokenizer } from "../../test/support/talkative-model.ts";
import { createRng } from "../base/rng.ts";
import type { EvalTask } from "../data/eval-task.ts";
import { createDecoder } from "../decode/decoder.ts";
import { mixed, stacked } from "../dispatch/factor-pool.ts";
import { encodeQuery } from "../eval/ask.ts";
import { createTeacherForcing } from "../eval/teacher-forcing.ts";
import { writePeft } from "../lora/peft-format.ts";
import { applyAdapter } from "../models/apply-adapter.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { type Example, encodeInput, SPECIAL_TOKEN_LAYOUT as layout } from "../text/prompt.ts";
import { findWeights } from "./lorahub.ts";
import type { Subject } from "./method.ts";
import { parseMethods } from "./table.ts";

const root = mkdtempSync(join(tmpdir(), "lorahub-"));
afterAll(() => rmSync(root, { recursive: true }));

const model = talkativeModel(1);
const subject: Subject = { name: "talker", sha256: "abc", model, tokenizer, layout };
const adapters = ["a", "b", "c"].map((name) => ({
  name,
  skill: randomAdapter(model.config, { seed: name, rank: 2, strength: 1.2, targets: ["up", "down"] }),
}));
const pool = stacked("pool", adapters);
const task: Omit<EvalTask, "samples"> = { name: "t", stratum: "tasks", kind: "task", systemPrompt: "?", examples: [] };

/** What a model says of inputs, six tokens each. */
async function answersOf(of: FrozenModel, inputs: readonly string[]): Promise<Example[]> {
  await using decoder = await createDecoder(of, { threads: 1 });
  const examples: Example[] = [];
  for (const input of inputs) {
    const { ids } = await decoder.generate(encodeInput(tokenizer, layout, input), { maxTokens: 6, stopIds: [] });
    examples.push({ input, target: tokenizer.decode([...ids], { skipSpecial: true }) });
  }
  return examples;
}

async function lossOf(of: FrozenModel, examples: readonly Example[]): Promise<number> {
  const queries = examples.map((one) => encodeQuery(subject, one, { choices: undefined, context: undefined }));
  await using forcing = await createTeacherForcing(of, { threads: 1, greedy: false });
  let sum = 0;
  for await (const { answers } of forcing.run(queries)) sum -= answers[0]!.logLikelihood;
  return sum;
}

const withWeights = (weights: readonly number[]) => applyAdapter(model, mixed(pool, weights));

test("weights found on a few examples are better on others than equal weights and than none, for at least 8 of 10 mixtures", async () => {
  let better = 0;
  for (let seed = 0; seed < 10; seed++) {
    const rng = createRng(`mixture ${seed}`);
    const secret = pool.names.map(() => (rng.next() < 0.5 ? -1 : 1) * (0.4 + 0.8 * rng.next()));
    const inputs = Array.from({ length: 12 }, () =>
      rng
        .shuffle([..."banana bandana"])
        .slice(0, 6)
        .join(""),
    );
    const all = await answersOf(await withWeights(secret), inputs);
    const [examples, others] = [all.slice(0, 5), all.slice(5)];
    const { weights } = await findWeights(subject, pool, { examples }, { threads: 1 });
    const losses = [weights, pool.names.map(() => 1 / 3), [0, 0, 0]];
    const [found, uniform, zero] = await Promise.all(losses.map(async (of) => lossOf(await withWeights(of), others)));
    if (found! < Math.min(uniform!, zero!)) better++;
  }
  expect(better).toBeGreaterThanOrEqual(8);
});

test("the method reads its pool from a folder, its examples from the task, and says what it took", async () => {
  const folder = join(root, "pool");
  for (const { name, skill } of adapters) await writePeft(join(folder, name), skill, { baseName: "base" });
  const examples = await answersOf(await withWeights([1, -1, 0.5]), ["ban", "dan", "ana"]);
  const [method] = parseMethods([`lorahub-2shot:${folder}`]);
  expect(method!.refuses!(subject, task)).toBe("needs 2 examples, found 0");
  const { cost, model: adapted } = await method!.prepare(subject, { ...task, examples }, { threads: 1 });
  // Three LoRAs of rank 2 on up and down in two layers, 4 bytes a number.
  expect(cost).toMatchObject({ examples: 2, bytes: 4 * 3 * 2 * 2 * 2 * (32 + 48) });
  expect(cost.flops).toBeGreaterThan(1e6);
  const changed = Object.keys(model.weights).filter((name) => adapted.weights[name] !== model.weights[name]);
  expect(changed).toHaveLength(4);
});

test("LoRAs that do not add up, a folder without one, and a model that has one already are refused", async () => {
  const other = { name: "odd", skill: randomAdapter(model.config, { rank: 3, targets: ["up", "down"] }) };
  expect(() => stacked("pool", [...adapters, other])).toThrow(expect.objectContaining({ code: "E_MISMATCH" }));
  const prepare = (of: Subject, folder: string) => parseMethods([`lorahub-1shot:${folder}`])[0]!.prepare(of, task);
  await expect(prepare(subject, root)).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  await expect(prepare(subject, join(root, "nowhere"))).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  const adapted = { ...subject, model: { ...model, adapter: adapters[0]!.skill } };
  await expect(prepare(adapted, root)).rejects.toMatchObject({ code: "E_MISMATCH" });
});

test("examples in plain text are read as their task asks: the loss is that of the text behind the input", async () => {
  const examples = ["banana", "a band an"].map((input) => ({ input, target: "an an" }));
  const { weights, loss } = await findWeights(subject, pool, { examples, layout: "text" }, { threads: 1 });
  const encode = (text: string) => tokenizer.encode(text, { addSpecial: true });
  const queries = examples.map(({ input, target }) => {
    const prompt = encode(input);
    return { prompt, answers: [encode(`${input} ${target}`).slice(prompt.length)] };
  });
  await using forcing = await createTeacherForcing(await withWeights(weights), { threads: 1, greedy: false });
  let sum = 0;
  for await (const { answers } of forcing.run(queries)) sum -= answers[0]!.logLikelihood;
  const tokens = queries.reduce((total, { answers }) => total + answers[0]!.length, 0);
  const norm = (0.05 / weights.length) * weights.reduce((total, w) => total + Math.abs(w), 0);
  expect(loss).toBeCloseTo(sum / tokens + norm, 4);
});
