import { expect, test } from "vitest";
import { nearModels } from "../../test/support/near-models.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { createRng } from "../base/rng.ts";
import { createBatchDecoder } from "../decode/batch-decoder.ts";
import { createDecoder } from "../decode/decoder.ts";
import { readPrefix } from "../decode/prefix.ts";
import type { ForcedQuery } from "./packing.ts";
import { createTeacherForcing, type ForcedAnswer, type TeacherForcing } from "./teacher-forcing.ts";

async function runAll(forcing: TeacherForcing, queries: readonly ForcedQuery[], signal?: AbortSignal) {
  const results: ForcedAnswer[][] = [];
  for await (const { index, answers } of forcing.run(queries, signal)) results[index] = answers;
  return results;
}

/** Queries behind a common beginning, with one or several answers each. */
function randomQueries(seed: number, count: number, { shared = 0, choices = 1 } = {}): ForcedQuery[] {
  const rng = createRng(seed);
  const ids = (length: number) => Array.from({ length }, () => rng.int(50));
  const beginning = ids(shared);
  return Array.from({ length: count }, () => ({
    prompt: [...beginning, ...ids(1 + rng.int(20))],
    answers: Array.from({ length: 1 + rng.int(choices) }, () => ids(1 + rng.int(12))),
  }));
}

test.each([
  ["behind nothing in common", { shared: 0, choices: 1 }],
  ["behind a common prompt", { shared: 30, choices: 1 }],
  ["with choices", { shared: 7, choices: 5 }],
])("log-likelihoods of many packed queries %s are the decoder's", async (_, kind) => {
  const model = randomLlama({ seed: 2, tied: false });
  await using forcing = await createTeacherForcing(model, { threads: 1 });
  await using decoder = await createDecoder(model, { threads: 1 });
  const queries = randomQueries(3, 60, kind);
  const results = await runAll(forcing, queries);
  for (const [i, { prompt, answers }] of queries.entries()) {
    const wanted = await decoder.score(prompt, answers);
    for (const [j, { logLikelihood }] of results[i]!.entries()) expect(logLikelihood).toBeCloseTo(wanted[j]!, 3);
  }
});

test("the greedy token behind each beginning of an answer is the one the decoder says", async () => {
  const model = randomLlama({ seed: 4 });
  await using forcing = await createTeacherForcing(model, { threads: 1 });
  await using decoder = await createDecoder(model, { threads: 1 });
  const queries = randomQueries(5, 12, { shared: 5, choices: 3 });
  const results = await runAll(forcing, queries);
  for (const [i, { prompt, answers }] of queries.entries()) {
    for (const [j, answer] of answers.entries()) {
      const said: number[] = [];
      for (let t = 0; t < answer.length; t++) {
        const before = [...prompt, ...answer.slice(0, t)];
        said.push(...(await decoder.generate(before, { maxTokens: 1, stopIds: [] })).ids);
      }
      expect(results[i]![j]!.greedy).toEqual(said);
    }
  }
});

test.each<[string, Parameters<typeof randomLlama>[0], number]>([
  ["keys and values", {}, 0],
  ["keys and values that stand further in front", {}, 9],
  ["a window that ends among them", { windows: [6, 0] }, 4],
  [
    "what convolutions read",
    { modelType: "lfm2", layers: 3, convolution: { width: 4, layers: [true, false, true] } },
    0,
  ],
])(
  "behind a prefix, %s, packed choices and greedy tokens are those of the decoder one by one",
  async (_, changes, gap) => {
    const model = randomLlama({ seed: 6, tied: false, ...changes });
    const read = await readPrefix(model, { tokens: [7, 3, 11, 30, 2] }, { threads: 1 });
    const prefix = { ...read, next: read.positions + gap };
    await using forcing = await createTeacherForcing(model, { threads: 1, prefix });
    await using decoder = await createDecoder(model, { threads: 1, prefix });
    const queries = randomQueries(7, 40, { shared: 3, choices: 4 });
    const results = await runAll(forcing, queries);
    for (const [i, { prompt, answers }] of queries.entries()) {
      const [wanted, found] = [await decoder.score(prompt, answers), results[i]!];
      for (const [j, { logLikelihood }] of found.entries())
        expect(Math.abs(logLikelihood - wanted[j]!)).toBeLessThan(1e-4);
      const best = (values: readonly number[]) => values.indexOf(Math.max(...values));
      expect(best(found.map(({ logLikelihood }) => logLikelihood))).toBe(best(wanted));
      const said = await decoder.generate(prompt, { maxTokens: 1, stopIds: [] });
      expect(found.map(({ greedy }) => greedy[0])).toEqual(answers.map(() => said.ids[0]));
    }
    const long = { prompt: new Array<number>(60 - gap).fill(3), answers: [[4]] };
    await expect(runAll(forcing, [long])).rejects.toMatchObject({ code: "E_LIMIT" });
    const other = randomLlama({ layers: 5 });
    await expect(createTeacherForcing(other, { prefix })).rejects.toMatchObject({ code: "E_SHAPE" });
  },
);

test.each([["all positions", {}] as const, ...nearModels])(
  "an answer goes on from any of its tokens as if it had been read alone: %s",
  async (_, changes) => {
    const model = randomLlama({ seed: 8, tied: false, ...changes, context: 200 });
    await using forcing = await createTeacherForcing(model, { threads: 1, holds: true });
    await using many = await createBatchDecoder(model, { threads: 1 });
    await using decoder = await createDecoder(model, { threads: 1 });
    const queries = randomQueries(9, 30, { shared: 25, choices: 3 });
    const results = await runAll(forcing, queries);
    const options = { maxTokens: 6, stopIds: [] };
    const found: Promise<readonly number[]>[] = [];
    const wanted: (readonly number[])[] = [];
    for (const [i, { prompt, answers }] of queries.entries())
      for (const [j, answer] of answers.entries()) {
        const read = (3 * i + j) % answer.length;
        const ids = [...prompt, ...answer.slice(0, read + 1)];
        const held = () => results[i]![j]!.held!(read);
        expect(held().positions).toBe(ids.length - 1);
        found.push(many.generate(ids, { ...options, held }).then((said) => said.ids));
        wanted.push((await decoder.generate(ids, options)).ids);
      }
    expect(await Promise.all(found)).toEqual(wanted);
  },
);

test("a query beyond the context, NaN weights and an abort are named", async () => {
  const model = randomLlama();
  await using forcing = await createTeacherForcing(model, { threads: 1 });
  const query = { prompt: new Array<number>(60).fill(3), answers: [[4, 5, 6, 7, 8]] };
  await expect(runAll(forcing, [query])).resolves.toHaveLength(1); // 64 positions: the last token is not read
  await expect(runAll(forcing, [{ ...query, answers: [[4], [4, 5, 6, 7, 8, 9]] }])).rejects.toMatchObject({
    code: "E_LIMIT",
  });
  await expect(runAll(forcing, [query], AbortSignal.abort())).rejects.toMatchObject({ code: "E_INTERRUPTED" });
  const nan = { kind: "data", data: new Float32Array(32).fill(Number.NaN) } as const;
  const broken = { config: model.config, weights: { ...model.weights, "model.norm.weight": nan } };
  await using spoilt = await createTeacherForcing(broken, { threads: 1 });
  await expect(runAll(spoilt, [query])).rejects.toMatchObject({ code: "E_NAN" });
});
