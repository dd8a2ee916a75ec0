import { expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { randomLogits } from "../../test/support/random-logits.ts";
import { createRng } from "../base/rng.ts";
import type { Constraint } from "./constraint.ts";
import { createDecoder } from "./decoder.ts";
import { generate } from "./generate.ts";
import { logSumExp } from "./sampling.ts";

const promptIds = [1, 17, 4];
const endId = 9;

/** Even tokens, then 7, then the end. */
const evenThenSeven: Constraint = (soFar) => {
  if (soFar.at(-1) === 7) return [endId];
  return soFar.length < 3 ? [0, 2, 4, 6] : [7];
};

const defaults = { vocab: 50, eosIds: [endId], reusePrefix: true, now: () => 0 };

test.each([
  { name: "greedy", sampling: {} },
  { name: "hot", sampling: { temperature: 2 } },
  { name: "of the likeliest", sampling: { temperature: 1, topK: 40, topP: 0.9 } },
])("$name answers hold only what the constraint allows", async ({ sampling }) => {
  for (let seed = 0; seed < 200; seed++) {
    const options = { ...sampling, rng: createRng(seed), constraint: evenThenSeven };
    const { ids, finish, outputTokens } = await generate(randomLogits(50, seed), promptIds, defaults, options);
    expect(finish).toBe("stop");
    expect(ids.join(" ")).toMatch(/^([0246] ){3}7$/);
    expect(outputTokens).toBe(5);
  }
});

test("the likeliest of the allowed tokens is taken, with its share of their probability", async () => {
  await using decoder = await createDecoder(randomLlama(), { threads: 1 });
  const continuations = [[3], [12], [30]];
  const scores = await decoder.score(promptIds, continuations);
  const answer = await decoder.generate(promptIds, {
    constraint: (soFar) => (soFar.length === 0 ? [3, 12, 30] : []),
    confidenceTemperature: 1,
  });
  const best = scores.indexOf(Math.max(...scores));
  expect(answer).toMatchObject({ ids: continuations[best], finish: "stop", outputTokens: 1 });
  expect(answer.confidence).toBeCloseTo(Math.exp(scores[best]! - logSumExp(Float32Array.from(scores))), 4);
});

test("tokens that cannot be otherwise are read together, and change no later token", async () => {
  const model = randomLlama();
  await using decoder = await createDecoder(model, { threads: 1 });
  const forced = [5, 6, 7, 8];
  const constraint: Constraint = (soFar) =>
    soFar.length < forced.length ? [forced[soFar.length]!] : Array.from({ length: 50 }, (_, id) => id);
  const options = { maxTokens: 12, stopIds: [] };
  const { ids } = await decoder.generate(promptIds, { ...options, constraint });
  const rest = await decoder.generate([...promptIds, ...forced], { ...options, maxTokens: 8 });
  expect(ids).toEqual([...forced, ...rest.ids]);
  const counted = randomLogits(50, 1);
  await generate(counted, promptIds, defaults, { ...options, constraint });
  expect(counted.fed()).toBe(1 + 8); // the prompt, then one step for each token that was open
});

test("an answer that is complete ends without another step of the model", async () => {
  const model = randomLogits(50, 1);
  const constraint: Constraint = (soFar) => (soFar.length === 0 ? [1, 2] : [endId]);
  expect(await generate(model, promptIds, defaults, { constraint })).toMatchObject({ finish: "stop", outputTokens: 2 });
  expect(model.fed()).toBe(1);
});

test("an aborted answer stops between steps under a constraint too", async () => {
  const abort = new AbortController();
  const constraint: Constraint = (soFar) => {
    if (soFar.length === 3) abort.abort();
    return [1, 2];
  };
  const answer = await generate(randomLogits(50, 1), promptIds, defaults, { constraint, signal: abort.signal });
  expect(answer).toMatchObject({ finish: "aborted", ids: expect.objectContaining({ length: 3 }) as unknown });
});

test.each([0, -1, Number.NaN, Infinity])("a temperature of %s for the confidence is refused", async (value) => {
  const asked = generate(randomLogits(50, 1), promptIds, defaults, { confidenceTemperature: value });
  await expect(asked).rejects.toMatchObject({ code: "E_USAGE" });
});
