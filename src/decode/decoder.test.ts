import { expect, test } from "vitest";
import { fullLogits, randomLlama } from "../../test/support/random-llama.ts";
import { createRng } from "../base/rng.ts";
import { createTokenizer } from "../text/tokenizer-file.ts";
import { type CachedModel, createCachedModel } from "./cached-model.ts";
import { createDecoder } from "./decoder.ts";
import { readPrompt } from "./generate.ts";
import { logSumExp } from "./sampling.ts";

const promptIds = [1, 17, 4, 33, 8, 8, 21];
const noStop = { stopIds: [] };

/** One letter per token: token id 0 is "a". */
const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX";
const letters = createTokenizer({
  decoder: { type: "Fuse" },
  model: { type: "BPE", vocab: Object.fromEntries([...alphabet].map((letter, id) => [letter, id])), merges: [] },
});

test("greedy generation equals full recomputation, token by token", async () => {
  const model = randomLlama();
  await using decoder = await createDecoder(model, { threads: 1 });
  const { ids, finish, inputTokens, outputTokens } = await decoder.generate(promptIds, { maxTokens: 20, ...noStop });
  expect({ finish, inputTokens, outputTokens }).toEqual({ finish: "length", inputTokens: 7, outputTokens: 20 });
  const wanted = [...promptIds];
  for (let i = 0; i < 20; i++) {
    const row = (await fullLogits(model, wanted)).at(-1)!;
    wanted.push(row.indexOf(Math.max(...row)));
  }
  expect(ids).toEqual(wanted.slice(promptIds.length));
});

test.each([NaN, Infinity])("one %s in the head is E_NAN, also where another token is likelier", async (damage) => {
  const { config, weights } = randomLlama();
  const head = (weights["lm_head.weight"] as { data: Float32Array }).data.slice();
  head[7 * config.hidden + 3] = damage;
  const model = { config, weights: { ...weights, "lm_head.weight": { kind: "data", data: head } as const } };
  await using decoder = await createDecoder(model, { threads: 1 });
  await expect(decoder.generate(promptIds, { maxTokens: 20, ...noStop })).rejects.toMatchObject({ code: "E_NAN" });
});

test("a prompt continued from the cache gives what a fresh one gives", async () => {
  const model = randomLlama({ seed: 3 });
  const prompts = [promptIds, [...promptIds, 5, 6, 7], [...promptIds.slice(0, 3), 9, 9], promptIds, [4]];
  await using reusing = await createDecoder(model, { threads: 1 });
  await using fresh = await createDecoder(model, { threads: 1, reusePrefix: false });
  for (const prompt of prompts) {
    const options = { maxTokens: 12, ...noStop };
    expect((await reusing.generate(prompt, options)).ids).toEqual((await fresh.generate(prompt, options)).ids);
  }
});

test("only what differs from the sequence before is fed, and all of it where that is asked for", async () => {
  await using cached = await createCachedModel(randomLlama(), { threads: 1 });
  const fed: number[] = [];
  const watched: CachedModel = {
    ...cached,
    feed: (ids) => {
      fed.push(ids.length);
      return cached.feed(ids);
    },
  };
  await readPrompt(watched, promptIds, { reuse: true });
  await readPrompt(watched, [...promptIds, 5, 6], { reuse: true });
  await readPrompt(watched, promptIds, { reuse: true }); // the last token is fed again for its logits
  await readPrompt(watched, promptIds, { reuse: false });
  expect(fed).toEqual([7, 2, 1, 7]);
});

test("sampling is decided by the seed", async () => {
  await using decoder = await createDecoder(randomLlama(), { threads: 1 });
  const sample = async (seed: number) =>
    (await decoder.generate(promptIds, { maxTokens: 30, temperature: 1, rng: createRng(seed), ...noStop })).ids;
  const first = await sample(1);
  expect(await sample(1)).toEqual(first);
  expect(await sample(2)).not.toEqual(first);
  await expect(decoder.generate(promptIds, { temperature: 1 })).rejects.toMatchObject({ code: "E_USAGE" });
});

test("a stop token ends the answer and is no part of it", async () => {
  await using decoder = await createDecoder(randomLlama(), { threads: 1 });
  const { ids } = await decoder.generate(promptIds, { maxTokens: 20, ...noStop });
  const stop = ids[6]!;
  const stopped = await decoder.generate(promptIds, { maxTokens: 20, stopIds: [stop] });
  const length = ids.indexOf(stop);
  expect(stopped).toMatchObject({ ids: ids.slice(0, length), finish: "stop", outputTokens: length + 1 });
});

test("streamed pieces together are the text, which ends before the stop string", async () => {
  await using decoder = await createDecoder(randomLlama({ seed: 5 }), { threads: 1 });
  const sampled = { maxTokens: 25, temperature: 1, tokenizer: letters, ...noStop };
  const { ids, text } = await decoder.generate(promptIds, { ...sampled, rng: createRng(4) });
  expect(text).toBe(ids.map((id) => alphabet[id]).join(""));
  const stop = text!.slice(9, 12);
  const pieces: string[] = [];
  const stopped = await decoder.generate(promptIds, {
    ...sampled,
    rng: createRng(4),
    stopStrings: ["??", stop],
    onText: (piece) => pieces.push(piece),
  });
  const end = text!.indexOf(stop);
  expect(stopped).toMatchObject({ text: text!.slice(0, end), ids: ids.slice(0, end + 3), finish: "stop" });
  expect(pieces.join("")).toBe(stopped.text);
  await expect(decoder.generate(promptIds, { stopStrings: ["x"] })).rejects.toMatchObject({ code: "E_USAGE" });
});

test("generation ends where the cache is full, and prompts beyond it are refused", async () => {
  const model = randomLlama();
  await using decoder = await createDecoder(model, { capacity: 10, threads: 1 });
  const full = await decoder.generate(promptIds, { maxTokens: 100, ...noStop });
  expect(full).toMatchObject({ finish: "length", outputTokens: 4 }); // the last token is never fed
  await using roomy = await createDecoder(model, { threads: 1 });
  expect((await roomy.generate(promptIds, { maxTokens: 4, ...noStop })).ids).toEqual(full.ids);
  expect((await decoder.generate(new Array(10).fill(3), noStop)).outputTokens).toBe(1);
  await expect(decoder.generate(new Array(11).fill(3))).rejects.toMatchObject({ code: "E_LIMIT" });
  await expect(decoder.generate([50])).rejects.toMatchObject({ code: "E_LIMIT" });
  await expect(decoder.generate([])).rejects.toMatchObject({ code: "E_PROMPT" });
  await expect(decoder.generate([1], { maxTokens: -1 })).rejects.toMatchObject({ code: "E_USAGE" });
  expect((await decoder.generate([1], { maxTokens: 0 })).ids).toEqual([]);
});

test("an abort ends generation with what there is, and the decoder goes on working", async () => {
  await using decoder = await createDecoder(randomLlama(), { threads: 1 });
  const controller = new AbortController();
  let shown = 0;
  const onText = () => {
    if (++shown === 5) controller.abort();
  };
  const options = { maxTokens: 40, tokenizer: letters, ...noStop };
  const aborted = await decoder.generate(promptIds, { ...options, onText, signal: controller.signal });
  expect(aborted).toMatchObject({ finish: "aborted", outputTokens: 5 });
  const whole = await decoder.generate(promptIds, options);
  expect(whole.ids.slice(0, 5)).toEqual(aborted.ids);
  const never = await decoder.generate(promptIds, { ...options, signal: AbortSignal.abort() });
  expect(never).toMatchObject({ ids: [], text: "", finish: "aborted" });
});

test("scores are the summed log-softmax of the full forward pass", async () => {
  const model = randomLlama({ seed: 9, tied: true });
  const continuations = [[5], [5, 6], [6, 40, 41, 2], [], [5, 6, 7, 8, 9, 10, 11], [49]];
  await using decoder = await createDecoder(model, { threads: 1 });
  for (let round = 0; round < 2; round++) {
    const scores = await decoder.score(promptIds, continuations);
    for (const [i, continuation] of continuations.entries()) {
      const rows = await fullLogits(model, [...promptIds, ...continuation]);
      const terms = continuation.map((id, t) => {
        const row = rows[promptIds.length - 1 + t]!;
        return row[id]! - logSumExp(row);
      });
      expect(scores[i]).toBeCloseTo(
        terms.reduce((a, b) => a + b, 0),
        4,
      );
    }
  }
});

test("one token and many tokens score the same behind a prompt as generation finds them likely", async () => {
  await using decoder = await createDecoder(randomLlama(), { threads: 1 });
  const { ids } = await decoder.generate(promptIds, { maxTokens: 1, ...noStop });
  const scores = await decoder.score(
    promptIds,
    Array.from({ length: 50 }, (_, id) => [id]),
  );
  expect(scores.indexOf(Math.max(...scores))).toBe(ids[0]);
  expect(scores.reduce((sum, value) => sum + Math.exp(value), 0)).toBeCloseTo(1, 6);
});

test("continuations beyond the capacity or of unknown tokens are refused before anything runs", async () => {
  await using decoder = await createDecoder(randomLlama(), { capacity: 10, threads: 1 });
  await expect(decoder.score(promptIds, [[1], [1, 2, 3, 4, 5]])).rejects.toMatchObject({ code: "E_LIMIT" });
  await expect(decoder.score(promptIds, [[1], [50]])).rejects.toMatchObject({ code: "E_LIMIT" });
  await expect(decoder.score([], [[1]])).rejects.toMatchObject({ code: "E_PROMPT" });
  expect(await decoder.score(promptIds, [[1, 2, 3, 4]])).toHaveLength(1);
});

test("calls made at once take turns and do not disturb each other", async () => {
  const model = randomLlama({ seed: 2 });
  const options = { maxTokens: 10, ...noStop };
  const prompts = [promptIds, [3, 3, 3], [9], promptIds.toReversed()];
  await using decoder = await createDecoder(model, { threads: 1 });
  const together = await Promise.all(prompts.map((prompt) => decoder.generate(prompt, options)));
  for (const [i, prompt] of prompts.entries())
    expect((await decoder.generate(prompt, options)).ids).toEqual(together[i]!.ids);
});

test("weights that are not numbers are E_NAN, and a decoder closes once and for all", async () => {
  const model = randomLlama();
  model.weights["model.norm.weight"] = { kind: "data", data: new Float32Array(32).fill(NaN) };
  const decoder = await createDecoder(model, { threads: 1 });
  await expect(decoder.generate(promptIds)).rejects.toMatchObject({ code: "E_NAN" });
  await expect(decoder.score(promptIds, [[1]])).rejects.toMatchObject({ code: "E_NAN" });
  await decoder.close();
  await decoder.close();
  await expect(decoder.generate(promptIds)).rejects.toThrow(/closed/);
});

test("times are read from the given clock", async () => {
  let ms = 0;
  await using decoder = await createDecoder(randomLlama(), { threads: 1, now: () => (ms += 10) });
  expect((await decoder.generate(promptIds, { maxTokens: 2 })).ms).toEqual({ prefill: 10, decode: 10 });
});
