import { expect, test } from "vitest";
import { fullLogits } from "../../test/support/random-llama.ts";
import { talkativeModel, smallTokenizer as tokenizer } from "../../test/support/talkative-model.ts";
import { createRng } from "../base/rng.ts";
import { logSumExp } from "../decode/sampling.ts";
import { SPECIAL_TOKEN_LAYOUT as layout } from "../text/prompt.ts";
import type { Subject, Task } from "./method.ts";
import { mostSurprising } from "./shortened.ts";
import { parseMethods } from "./table.ts";

const model = talkativeModel(1);
const subject: Subject = {
  name: "talker",
  sha256: "0",
  model,
  tokenizer,
  layout,
  specialize: async (prompt) => ({ model: { ...model }, bytes: prompt.length, flops: 1, seconds: 0 }),
};
const task: Task = {
  name: "t",
  stratum: "tasks",
  kind: "task",
  systemPrompt: "banana bandana and a band, an ananas",
  examples: [],
};
const prepare = async (name: string, of: Task = task) => {
  const prepared = await parseMethods([name])[0]!.prepare(subject, of, { threads: 1 });
  return { ...prepared, reads: await prepared.context?.(of.systemPrompt) };
};

test("truncation keeps the first tokens, one at least", async () => {
  const ids = tokenizer.encode(task.systemPrompt);
  expect((await prepare("truncated-1x")).reads).toBe(task.systemPrompt);
  const { reads } = await prepare("truncated-3x");
  expect(tokenizer.encode(reads!)).toEqual(ids.slice(0, Math.floor(ids.length / 3)));
  expect((await prepare("truncated-99x")).reads).toBe(tokenizer.decode(ids.slice(0, 1)));
});

test("of each 200 tokens those stay that the model expects least behind what stayed of the tokens before", async () => {
  const { context, vocab } = model.config;
  const rng = createRng("prompt");
  const long = Array.from({ length: 130 }, () => 10 + rng.int(vocab - 10));
  const before = [5];
  const logits = await fullLogits(model, [...before, ...long]);
  const surprisal = long.map((id, i) => logSumExp(logits[i]!) - logits[i]![id]!);
  const threshold = [...surprisal].sort((a, b) => b - a)[Math.floor(long.length / 5) - 1]!;
  const kept = await mostSurprising(subject, { before, ids: long }, 5, { threads: 1 });
  expect(kept).toEqual(long.filter((_, i) => surprisal[i]! >= threshold));
  expect(context).toBeLessThan(200); // so that a segment alone may not fit
  const first = await mostSurprising(subject, { before: [], ids: long.slice(0, 10) }, 10, { threads: 1 });
  expect(first).toEqual(long.slice(0, 1));
});

test("what stays is read as text in front of the input, and its cost is one pass over the prompt", async () => {
  const { reads, prompt, cost } = await prepare("llmlingua-2x");
  const [some, all] = [tokenizer.encode(reads!).length, tokenizer.encode(task.systemPrompt).length];
  expect(some).toBeLessThan(0.7 * all);
  expect(prompt).toBe(reads);
  expect(cost).toMatchObject({ bytes: Buffer.byteLength(reads!), examples: 0 });
  expect(cost.flops).toBeGreaterThan(1e5);
  const tooLong = { ...task, systemPrompt: "banana ".repeat(200) };
  await expect(prepare("llmlingua-2x", tooLong)).rejects.toMatchObject({ code: "E_LIMIT" });
  await expect(prepare("truncated-2x", { ...task, systemPrompt: " " })).rejects.toMatchObject({ code: "E_PROMPT" });
});

test("the general prompt is the same whatever the task, in the context and as what specialises", async () => {
  const other = { ...task, systemPrompt: "something else" };
  const [one, two] = [await prepare("prompted-general"), await prepare("prompted-general", other)];
  expect(one.reads).toBe(two.reads);
  expect(one.reads).toMatch(/helpful assistant/);
  expect((await prepare("specialized-general")).prompt).toBe(one.reads);
  expect(
    parseMethods(["specialized-general"])[0]!.refuses!({ ...subject, specialize: undefined as never }, task),
  ).toMatch(/generator/);
});
