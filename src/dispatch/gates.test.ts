import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTinyPair, specializationOf } from "../../test/support/tiny-pair.ts";
import type { Pair } from "../pair/pair-file.ts";
import type { Specialization } from "../pair/specialization.ts";
import { readSpecialization, writeSpecialization } from "../pair/specialization-file.ts";
import { specializedEdge } from "../pair/specialized-edge.ts";
import { specializeFromExamples, splitExamples } from "./gates.ts";
import { createShotScorer } from "./shots.ts";

const folder = mkdtempSync(join(tmpdir(), "gates-"));
afterAll(() => rmSync(folder, { recursive: true }));

const examples = ["cat", "dog", "bird", "band", "the cat", "the dog", "a bird", "a band"].map((input) => ({
  input,
  target: input.startsWith("the") ? "no" : "yes",
}));
const split = splitExamples(examples, 3);
let pair: Pair;
let start: Specialization;
beforeAll(async () => {
  pair = await openTinyPair();
  start = specializationOf(pair, [
    [0.5, 0, 0.5, 0],
    [0, 0.25, 0, 0.75],
  ]);
});

/** What a specialisation scores merged into the model, on the examples set aside. */
async function mergedScore(specialization: Specialization) {
  const model = await specializedEdge(pair, specialization);
  const { tokenizer, layout } = pair;
  await using scorer = createShotScorer({ model, tokenizer, layout }, { examples: split.heldOut, scorer: "exact" });
  return await scorer.score();
}

describe.each(["searched", "learnt"] as const)("gates %s from examples", (way) => {
  const options = { way, generations: 3, population: 8, steps: 20, threads: 1 };

  test("are better on examples set aside than the predicted ones, in the same file, merged too", async () => {
    const found = await specializeFromExamples(pair, { ...start, unlike: true }, split, options);
    const { kept, tried, specialization } = found;
    expect([found.fitted, found.heldOut]).toEqual([6, 2]);
    expect(tried[0]!.at).toBe(0);
    expect(kept.at).toBeGreaterThan(0);
    expect(kept.heldOut.logLikelihood).toBeGreaterThan(tried[0]!.heldOut.logLikelihood);
    expect(specialization.found).toEqual({ way, examples: 8 });
    expect(specialization).not.toHaveProperty("unlike"); // which was said of the gates that were predicted
    const { file, bytes } = await writeSpecialization(join(folder, way), specialization);
    expect(bytes).toBeLessThan(600);
    const read = await readSpecialization(file, pair);
    expect(read.gates).toEqual(specialization.gates);
    expect(read.found).toEqual(specialization.found);
    const { logLikelihood } = await mergedScore(read);
    expect(Math.abs(logLikelihood - kept.heldOut.logLikelihood)).toBeLessThan(1e-3);
  });
});

test("where nothing is better on the examples set aside, the predicted gates stay as they are", async () => {
  const options = { way: "learnt", steps: 2, learningRate: 300, threads: 1 } as const; // far too fast
  const found = await specializeFromExamples(pair, start, split, options);
  expect(found.tried.map(({ at }) => at)).toEqual([0, 1, 2]);
  expect(found.kept.at).toBe(0);
  expect(found.specialization).toBe(start);
});

test("one example is too few; a pair whose generator makes LoRA has no gates; experts that do nothing have nothing to choose by", async () => {
  expect(() => splitExamples(examples.slice(0, 1))).toThrow(expect.objectContaining({ code: "E_DATA" }));
  const direct = await openTinyPair({ generator: { generation: "direct" } });
  await expect(specializeFromExamples(direct, start, split)).rejects.toMatchObject({ code: "E_CONFIG" });
  const tensors = new Map(
    [...pair.generator.tensors].map(([name, values]) => [name, /\.B$/.test(name) ? values.map(() => 0) : values]),
  );
  const idle = { ...pair, generator: { ...pair.generator, tensors } };
  const options = { generations: 2, population: 4, threads: 1 };
  await expect(specializeFromExamples(idle, start, split, options)).rejects.toMatchObject({ code: "E_DATA" });
});

test.each(["factors", "factorsApart"] as const)("gates of %s are found too", async (compose) => {
  const mixing = await openTinyPair({ generator: { compose } });
  const width = compose === "factorsApart" ? 8 : 4;
  const predicted = specializationOf(
    mixing,
    [0, 1].map(() => Array.from({ length: width }, (_, i) => Number(i % 4 < 2) / 2)),
  );
  for (const way of ["searched", "learnt"] as const) {
    const options = { way, generations: 1, population: 4, steps: 4, threads: 1 };
    const { kept, tried } = await specializeFromExamples(mixing, predicted, split, options);
    expect(kept.heldOut.logLikelihood).toBeGreaterThanOrEqual(tried[0]!.heldOut.logLikelihood);
    expect(tried.length).toBeGreaterThan(way === "learnt" ? 3 : 0);
  }
});
