/** @file Merging: W̃ = W + Σ G·(α/r)·B·A by plain arithmetic, and back. */
import { expect, test } from "vitest";
import { openTinyPair, specializationOf } from "../../test/support/tiny-pair.ts";
import { expertTargets, type GeneratorConfig } from "../generator/config.ts";
import { parameterNames } from "../generator/parameters.ts";
import { linearSize } from "../models/parameters.ts";
import { readWeight } from "../runtime/read-weight.ts";
import { assembleLora, merge } from "./merge.ts";
import type { Pair } from "./pair-file.ts";

const gates = [
  [0.25, 0, 0.75, 0],
  [0, 1, 0, 0],
];

/** Of B, where it has gates of its own. */
const gatesOfB = [
  [-0.5, 0.5, 0, 0],
  [0, 0.25, 0, 0.75],
];

const weightsOf = (sources: Readonly<Record<string, Parameters<typeof readWeight>[0]>>, names: Iterable<string>) =>
  Promise.all([...names].map(async (name) => [name, await readWeight(sources[name]!)] as const));

const largestGap = (found: Float32Array, expected: (i: number) => number): number =>
  found.reduce((gap, value, i) => Math.max(gap, Math.abs(value - expected(i))), 0);

/** The change of one weight, number by number. */
function expectedChange(
  pair: Pair,
  target: keyof typeof expertTargets,
  layer: number,
  output: number,
  column: number,
): number {
  const { generator, edge } = pair.shape;
  const { inputs, outputs } = linearSize(edge, target);
  const pool = generator.poolScope === "shared" ? 0 : layer;
  const a = pair.generator.tensors.get(parameterNames.expert(pool, target, "A"))!;
  const b = pair.generator.tensors.get(parameterNames.expert(pool, target, "B"))!;
  const { rank } = generator;
  const at = (expert: number, k: number) => ({
    a: a[(expert * rank + k) * inputs + column]!,
    b: b[(expert * rank + k) * outputs + output]!,
  });
  let sum = 0;
  for (let k = 0; k < rank; k++) {
    const parts = gates[layer]!.map((gate, expert) => ({ gate, expert, ...at(expert, k) }));
    const ofB = (generator.compose === "factorsApart" ? gatesOfB : gates)[layer]!;
    if (generator.compose === "delta") for (const part of parts) sum += part.gate * part.b * part.a;
    else
      sum +=
        parts.reduce((s, { expert, b }) => s + ofB[expert]! * b, 0) * parts.reduce((s, { gate, a }) => s + gate * a, 0);
  }
  return (sum * generator.alpha) / rank;
}

test.each<Partial<GeneratorConfig>>([
  {},
  { poolScope: "layer", targets: ["q", "k", "v", "o", "gate", "up", "down"] },
  { compose: "factors" },
  { compose: "factorsApart" },
])("%o: merged weights are W + Σ G·(α/r)·B·A, and those without experts are the very same", async (generator) => {
  const pair = await openTinyPair({ generator });
  const { targets } = pair.shape.generator;
  const rows = generator.compose === "factorsApart" ? gates.map((row, i) => [...row, ...gatesOfB[i]!]) : gates;
  const { weights, config } = await merge(pair, specializationOf(pair, rows));
  expect(config).toBe(pair.edge.config);
  const changed = new Set<string>();
  for (const target of targets) {
    const { inputs } = linearSize(pair.shape.edge, target);
    for (let layer = 0; layer < 2; layer++) {
      const name = `model.layers.${layer}.${expertTargets[target]}.weight`;
      changed.add(name);
      const [before, after] = [await readWeight(pair.edge.weights[name]!), await readWeight(weights[name]!)];
      const change = Float64Array.from(before, (_, i) =>
        expectedChange(pair, target, layer, Math.floor(i / inputs), i % inputs),
      );
      expect(
        largestGap(after, (i) => before[i]! + change[i]!),
        name,
      ).toBeLessThan(1e-5);
      expect(Math.max(...change)).toBeGreaterThan(0.05); // the experts say something
    }
  }
  for (const [name, source] of Object.entries(weights))
    expect(source === pair.edge.weights[name]).toBe(!changed.has(name));
});

test("un-merging restores every weight bit for bit", async () => {
  const pair = await openTinyPair();
  const names = [...assembleLora(pair, specializationOf(pair, gates)).keys()];
  const base = await weightsOf(pair.edge.weights, names);
  expect(await weightsOf((await merge(pair, specializationOf(pair, gates))).unmerge(), names)).toEqual(base);
});

test.each([
  [Number.NaN, "E_USAGE"],
  [Number.POSITIVE_INFINITY, "E_USAGE"],
  [Number.NEGATIVE_INFINITY, "E_USAGE"],
  [100.5, "E_USAGE"],
  [0, "E_MISMATCH"],
  [-0, "E_MISMATCH"],
])("%d is no strength: %s, as on the command line", async (scale, code) => {
  const pair = await openTinyPair();
  const specialization = specializationOf(pair, gates);
  const refused = { code, message: expect.stringMatching(/^scale: .*, found (NaN|-?[\dI]\S*)$/) as unknown };
  await expect(merge(pair, specialization, { scale })).rejects.toMatchObject(refused);
  expect(() => assembleLora(pair, specialization, { scale })).toThrow(expect.objectContaining(refused));
});

test("at half the strength the change is half as large", async () => {
  const pair = await openTinyPair();
  const name = "model.layers.0.mlp.down_proj.weight";
  const at = async (scale: number) =>
    readWeight((await merge(pair, specializationOf(pair, gates), { scale })).weights[name]!);
  const none = await readWeight(pair.edge.weights[name]!);
  const [half, full] = [await at(0.5), await at(1)];
  expect(largestGap(half, (i) => (none[i]! + full[i]!) / 2)).toBeLessThan(1e-6);
});

test("a layer without experts keeps its weights; the rank follows the number of experts in use", async () => {
  const pair = await openTinyPair();
  const specialization = specializationOf(pair, [[0, 0, 0, 0], gates[0]!]);
  const lora = assembleLora(pair, specialization);
  expect([...lora.values()].map(({ rank }) => rank)).toEqual([0, 0, 0, 8, 8, 8]);
  const { weights } = await merge(pair, specialization);
  const name = "model.layers.0.mlp.up_proj.weight";
  expect(weights[name]).toBe(pair.edge.weights[name]);
});

test("a specialisation of another pair is refused", async () => {
  const pair = await openTinyPair();
  const other = { ...specializationOf(pair, gates), edgeSha256: "f".repeat(64) };
  await expect(merge(pair, other)).rejects.toMatchObject({ code: "E_MISMATCH" });
});
