import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { createSampler, logSumExp, type Sampling } from "./sampling.ts";

const logits = Float32Array.from([1, 3, -2, 2.5, 0, 2.5, -1, -Infinity]);

/** The distribution that temperature, top-k and top-p describe, computed the plain way. */
function wantedShares({ temperature = 1, topK = 0, topP = 1 }: Sampling): number[] {
  const weights = [...logits].map((value) => Math.exp(value / temperature));
  const order = weights.map((_, id) => id).sort((a, b) => weights[b]! - weights[a]! || a - b);
  const first = topK === 0 ? order : order.slice(0, topK);
  const sumOf = (ids: readonly number[]) => ids.reduce((sum, id) => sum + weights[id]!, 0);
  let count = 1;
  while (count < first.length && sumOf(first.slice(0, count)) < topP * sumOf(first)) count++;
  const kept = first.slice(0, count);
  return weights.map((weight, id) => (kept.includes(id) ? weight / sumOf(kept) : 0));
}

const settings: readonly Sampling[] = [
  { temperature: 1 },
  { temperature: 0.5 },
  { temperature: 2 },
  { temperature: 1, topK: 1 },
  { temperature: 1, topK: 2 },
  { temperature: 1, topK: 3 },
  { temperature: 1, topK: 100 },
  { temperature: 1, topP: 0.3 },
  { temperature: 1.5, topP: 0.8 },
  { temperature: 1, topP: 0.999 },
  { temperature: 1, topK: 4, topP: 0.7 },
];

test.each(settings)("40,000 draws follow the distribution of %o", (sampling) => {
  const draws = 40_000;
  const sampler = createSampler(logits.length, { ...sampling, rng: createRng("draws") });
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < draws; i++) counts[sampler(logits)]!++;
  wantedShares(sampling).forEach((share, id) => {
    const deviation = Math.sqrt((share * (1 - share)) / draws);
    if (share === 0) expect(counts[id]).toBe(0);
    else expect(Math.abs(counts[id]! / draws - share)).toBeLessThanOrEqual(4.5 * deviation);
  });
});

test("the same seed draws the same tokens, another seed others", () => {
  const draw = (seed: number) => {
    const sampler = createSampler(logits.length, { temperature: 1, topP: 0.95, rng: createRng(seed) });
    return Array.from({ length: 50 }, () => sampler(logits)).join(" ");
  };
  expect(draw(1)).toBe(draw(1));
  expect(draw(1)).not.toBe(draw(2));
});

test("temperature 0 takes the first of the largest", () => {
  expect(createSampler(3)(Float32Array.from([1, 4, 4]))).toBe(1);
});

test("sampling leaves the logits as they are", () => {
  const copy = logits.slice();
  createSampler(logits.length, { temperature: 0.7, topK: 3, topP: 0.5, rng: createRng(1) })(copy);
  expect(copy).toEqual(logits);
});

test("one logit that is not a number, or infinite, is E_NAN naming its token, however the next token is chosen", () => {
  const rng = createRng(1);
  const choices: readonly Sampling[] = [{}, { temperature: 1, rng }, { temperature: 1, topK: 1, rng }];
  for (const [row, text] of [
    [[NaN, NaN], "found NaN for token 0"],
    [[NaN, 1], "found NaN for token 0"],
    [[1, NaN], "found NaN for token 1"],
    [[Infinity, 1], "found Infinity for token 0"],
    [[1, Infinity], "found Infinity for token 1"],
    [[-Infinity, -Infinity], "found none"],
  ] as const) {
    const refused = expect.objectContaining({ code: "E_NAN", message: expect.stringContaining(text) as unknown });
    for (const sampling of choices)
      expect(() => createSampler(2, sampling)(Float32Array.from(row)), text).toThrow(refused);
    expect(() => logSumExp(Float32Array.from(row)), text).toThrow(refused);
  }
});

test.each([
  { temperature: -1 },
  { temperature: NaN },
  { topK: 1.5 },
  { topK: -1 },
  { topP: 0 },
  { topP: 1.1 },
  { temperature: 1 },
])("%o is refused", (sampling) => {
  expect(() => createSampler(2, sampling)).toThrow(expect.objectContaining({ code: "E_USAGE" }));
});

test("logSumExp is exact and safe for large logits", () => {
  expect(logSumExp(Float32Array.from([Math.log(1), Math.log(2), Math.log(3)]))).toBeCloseTo(Math.log(6), 6);
  expect(logSumExp(Float32Array.from([1000, 1000]))).toBeCloseTo(1000 + Math.log(2), 9);
});
