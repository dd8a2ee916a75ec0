import { expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { createRng } from "../base/rng.ts";
import { createDecoder } from "../decode/decoder.ts";
import { createTeacherForcing, type ForcedRow } from "./teacher-forcing.ts";

const randomRows = (seed: number, count: number): ForcedRow[] => {
  const rng = createRng(seed);
  const ids = (most: number) => Array.from({ length: 1 + rng.int(most) }, () => rng.int(50));
  return Array.from({ length: count }, () => ({ prompt: ids(40), answer: ids(12) }));
};

test("log-likelihoods are the decoder's, whatever the batch", async () => {
  const model = randomLlama({ seed: 2, tied: false });
  await using forcing = await createTeacherForcing(model, { padId: 0, threads: 1 });
  await using decoder = await createDecoder(model, { threads: 1 });
  const rows = randomRows(3, 150);
  const results = await forcing.run(rows);
  for (const [i, { prompt, answer }] of rows.entries()) {
    const [wanted] = await decoder.score(prompt, [answer]);
    expect(results[i]!.logLikelihood).toBeCloseTo(wanted!, 3);
  }
});

test("the greedy token behind each beginning of an answer is the one the decoder says", async () => {
  const model = randomLlama({ seed: 4 });
  await using forcing = await createTeacherForcing(model, { padId: 0, threads: 1 });
  await using decoder = await createDecoder(model, { threads: 1 });
  for (const row of randomRows(5, 20)) {
    const [{ greedy }] = (await forcing.run([row])) as [Awaited<ReturnType<typeof forcing.run>>[number]];
    const said: number[] = [];
    for (let t = 0; t < row.answer.length; t++) {
      const before = [...row.prompt, ...row.answer.slice(0, t)];
      said.push(...(await decoder.generate(before, { maxTokens: 1, stopIds: [] })).ids);
    }
    expect(greedy).toEqual(said);
  }
});

test("a row beyond the context, NaN weights and an abort are named", async () => {
  const model = randomLlama();
  await using forcing = await createTeacherForcing(model, { padId: 0, threads: 1 });
  const row = { prompt: new Array<number>(60).fill(3), answer: [4, 5, 6, 7, 8] };
  await expect(forcing.run([row])).resolves.toHaveLength(1); // 64 positions: the last token is not read
  await expect(forcing.run([{ ...row, answer: [...row.answer, 9] }])).rejects.toMatchObject({ code: "E_LIMIT" });
  await expect(forcing.run([row], AbortSignal.abort())).rejects.toMatchObject({ code: "E_INTERRUPTED" });
  const broken = {
    ...model.weights,
    "model.norm.weight": { kind: "data", data: new Float32Array(32).fill(Number.NaN) },
  } as const;
  await using spoilt = await createTeacherForcing({ ...model, weights: broken }, { padId: 0, threads: 1 });
  await expect(spoilt.run([row])).rejects.toMatchObject({ code: "E_NAN" });
});
