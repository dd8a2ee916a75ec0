/** @file The balance losses against sums written out. */
import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { input } from "../graph/build.ts";
import { grad } from "../graph/grad.ts";
import { interpret } from "../graph/interpret.ts";
import { numbersOf, tensor } from "../graph/tensor.ts";
import { balanceLoss } from "./balance.ts";
import { GeneratorConfig, gateSets } from "./config.ts";

const [prompts, layers, experts, topK] = [5, 3, 4, 2];
const rows = prompts * layers;

type Rows = readonly (readonly number[])[];

/** The loss, and its gradients by the gates and by the probabilities where they are given apart. */
function run(
  auxForm: GeneratorConfig["auxForm"],
  gates: Rows,
  probabilities: Rows,
  changes: Partial<GeneratorConfig> = {},
) {
  const config = GeneratorConfig.parse({ experts, topK, auxForm, auxCoefficient: 1, ...changes });
  const shape = [prompts, layers, gateSets(config) * experts];
  const nodes = { gates: input("gates", shape), probabilities: input("probabilities", shape) };
  const loss = balanceLoss(config, nodes);
  const [byProbability] = grad(loss, [nodes.probabilities]);
  const inputs = { gates: tensor(shape, gates.flat()), probabilities: tensor(shape, probabilities.flat()) };
  const results = interpret({ outputs: { loss, byProbability: byProbability! } }, { inputs });
  return { loss: numbersOf(results["loss"]!)[0]!, byProbability: numbersOf(results["byProbability"]!) };
}

function randomRows(): { gates: number[][]; probabilities: number[][] } {
  const rng = createRng("rows");
  const probabilities = Array.from({ length: rows }, () => {
    const powers = Array.from({ length: experts }, () => Math.exp(rng.normal()));
    return powers.map((power) => power / powers.reduce((a, b) => a + b));
  });
  const gates = probabilities.map((row) => {
    const least = row.toSorted((a, b) => b - a)[topK - 1]!;
    const kept = row.map((p) => (p >= least ? p : 0));
    return kept.map((p) => p / kept.reduce((a, b) => a + b));
  });
  return { gates, probabilities };
}

test("elementwise: the unbiased variance of all gates by their squared mean; n/K − 1 at least, at equal kept gates, whoever is kept", () => {
  const { gates, probabilities } = randomRows();
  const flat = gates.flat();
  const mu = flat.reduce((a, b) => a + b) / flat.length;
  const variance = flat.reduce((sum, gate) => sum + (gate - mu) ** 2, 0) / (flat.length - 1);
  expect(run("elementwise", gates, probabilities).loss).toBeCloseTo(variance / mu ** 2, 6);
  const always = gates.map(() => [0.5, 0.5, 0, 0]);
  const count = rows * experts;
  expect(run("elementwise", always, probabilities).loss).toBeCloseTo(((experts / topK - 1) * count) / (count - 1), 6);
});

test("switch: n·Σ share of places · mean probability, written out", () => {
  const { gates, probabilities } = randomRows();
  let expected = 0;
  for (let j = 0; j < experts; j++) {
    const share = gates.filter((row) => row[j]! > 0).length / (rows * topK);
    expected += experts * share * (probabilities.reduce((sum, row) => sum + row[j]!, 0) / rows);
  }
  const { loss, byProbability } = run("switch", gates, probabilities);
  expect(loss).toBeCloseTo(expected, 6);
  // Only the mean probability has a gradient: n · f_j / rows, in every row the same.
  for (let at = 0; at < rows * experts; at++) {
    const share = gates.filter((row) => row[at % experts]! > 0).length / (rows * topK);
    expect(byProbability[at]).toBeCloseTo((experts * share) / rows, 6);
  }
});

test("signed coefficients: the load is their squares, so a sign is none and opposite signs do not cancel", () => {
  const { gates, probabilities } = randomRows();
  const signed = gates.map((row, i) => row.map((gate, j) => ((i + j) % 2 === 0 ? gate : -gate)));
  const energy = Array.from({ length: experts }, (_, j) => gates.reduce((sum, row) => sum + row[j]! ** 2, 0));
  const mu = energy.reduce((a, b) => a + b) / experts;
  const expected = energy.reduce((sum, value) => sum + (value - mu) ** 2, 0) / experts / mu ** 2;
  for (const rows of [gates, signed])
    expect(run("batch", rows, probabilities, { strategy: "linear" }).loss).toBeCloseTo(expected, 6);
  const layerwise = run("perLayer", signed, probabilities, { strategy: "linear" }).loss;
  expect(layerwise).toBeGreaterThan(expected);
});

test("switch: gates of A and of B are kept apart; 1 for even use of both", () => {
  const even = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: experts }, (_, j) => (Math.floor(j / 2) === row % 2 ? 0.25 + 1e-9 : 0.25 - 1e-9)),
  );
  const same = Array.from({ length: rows }, () => [0.5, 0.5, 0, 0]);
  const both = (a: Rows, b: Rows) => a.map((row, i) => [...row, ...b[i]!]);
  const loss = (ofB: Rows) => run("switch", both(even, ofB), both(even, ofB), { compose: "factorsApart" }).loss;
  expect(loss(even)).toBeCloseTo(1, 6);
  expect(loss(same)).toBeCloseTo((1 + experts / topK) / 2, 6);
});

test("switch: 1 for even use, n/K where the same K are always certain", () => {
  const even = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: experts }, (_, j) => (Math.floor(j / 2) === row % 2 ? 0.25 + 1e-9 : 0.25 - 1e-9)),
  );
  expect(run("switch", even, even).loss).toBeCloseTo(1, 6);
  const same = Array.from({ length: rows }, () => [0.5, 0.5, 0, 0]);
  expect(run("switch", same, same).loss).toBeCloseTo(experts / topK, 6);
});
