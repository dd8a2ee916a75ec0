import { expect, test } from "vitest";
import { tinyGenerator } from "../../test/support/tiny-generator.ts";
import { createRng } from "../base/rng.ts";
import { input } from "../graph/build.ts";
import { interpret } from "../graph/interpret.ts";
import { numbersOf, type Tensor, tensor } from "../graph/tensor.ts";
import { leavesOf } from "../graph/tree.ts";
import { keepTopK } from "../nn/gates.ts";
import type { GeneratorConfig } from "./config.ts";
import { generatorBuffers, generatorParameters, parameterNames } from "./parameters.ts";
import { type Routing, route, routerInputs } from "./router.ts";

const prompts = 6;
const experts = 4;

type Values = Record<string, Tensor>;
const normal = (shape: readonly number[], label: string): Tensor => {
  const rng = createRng(label);
  return tensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
  );
};
const filled = (shape: readonly number[], value: number): Tensor =>
  tensor(shape, new Array(shape.reduce((a, b) => a * b, 1)).fill(value));

/** The router over random hidden states and weights; `given` replaces values by name. */
function runRouter(changes: Partial<GeneratorConfig>, training: boolean, given: Values = {}): Values {
  const { pair } = tinyGenerator({ experts, ...changes });
  const infos = new Map([...generatorParameters(pair), ...generatorBuffers(pair)]);
  const parameters = (name: string) => input(name, infos.get(name)!.shape);
  const buffers = Object.fromEntries([...generatorBuffers(pair).keys()].map((name) => [name, parameters(name)]));
  const hidden = input("hidden", [prompts, pair.edge.layers, pair.cloud.hidden]);
  const routing: Routing = route(pair, parameters, hidden, { training, buffers });
  const outputs = { gates: routing.gates, probabilities: routing.probabilities, ...routing.buffers };
  const inputs: Values = {};
  for (const [name, { shape }] of leavesOf({ outputs }, "input"))
    inputs[name] = given[name] ?? (name === variance ? filled(one, 2) : normal(shape as readonly number[], name));
  return interpret({ outputs }, { inputs });
}

const mean = parameterNames.router("norm.mean");
const variance = parameterNames.router("norm.variance");
const shift = parameterNames.router("norm.bias");
const one = [1, 1, experts] as const;

test("in training, logits are normed over the batch and layers: what is added to all of them has no effect", () => {
  const bias = parameterNames.router("f2.bias");
  const moved = runRouter({}, true, { [bias]: filled(one, 100) });
  const before = runRouter({}, true, { [bias]: filled(one, 0) });
  numbersOf(moved["gates"]!).forEach((gate, i) => {
    expect(gate).toBeCloseTo(numbersOf(before["gates"]!)[i]!, 9);
  });
});

test("running statistics move towards the batch's by the momentum; they alone decide at inference", () => {
  const start = { [mean]: filled(one, 5), [variance]: filled(one, 3) };
  const whole = runRouter({ routerMomentum: 1 }, true, start); // the batch's own statistics
  const tenth = runRouter({ routerMomentum: 0.1 }, true, start);
  for (const [name, before] of [
    [mean, 5],
    [variance, 3],
  ] as const)
    numbersOf(tenth[name]!).forEach((value, i) => {
      expect(value).toBeCloseTo(0.9 * before + 0.1 * numbersOf(whole[name]!)[i]!, 12);
    });
  // With the batch's statistics as the running ones, inference repeats what training gave. The running variance is unbiased.
  const rows = prompts * tinyGenerator().pair.edge.layers;
  const population = numbersOf(whole[variance]!).map((value) => (value * (rows - 1)) / rows);
  const inference = runRouter({}, false, { [mean]: whole[mean]!, [variance]: tensor(one, population) });
  expect(inference[mean]).toBeUndefined();
  numbersOf(inference["gates"]!).forEach((gate, i) => {
    expect(gate).toBeCloseTo(numbersOf(whole["gates"]!)[i]!, 9);
  });
});

test("with running statistics training gives what inference gives, and they stay as they are", () => {
  const start = { [mean]: filled(one, 0.3), [variance]: filled(one, 2) };
  const training = runRouter({ routerStatistics: "running" }, true, start);
  const inference = runRouter({}, false, start);
  for (const name of ["gates", "probabilities"])
    expect(numbersOf(training[name]!)).toEqual(numbersOf(inference[name]!));
  for (const [name, before] of Object.entries(start)) expect(numbersOf(training[name]!)).toEqual(numbersOf(before));
  expect(numbersOf(runRouter({}, true, start)["gates"]!)).not.toEqual(numbersOf(training["gates"]!));
});

test("statistics are over batch and layers, per layer where each has its own router", () => {
  const { layers } = tinyGenerator().pair.edge;
  const perLayer = { [variance]: filled([layers, 1, experts], 1) };
  const layer = runRouter({ routerScope: "layer", routerMomentum: 1 }, true, perLayer);
  expect(layer[mean]!.shape).toEqual([layers, 1, experts]);
  expect(runRouter({ routerMomentum: 1 }, true)[mean]!.shape).toEqual([1, 1, experts]);
});

/** The logits' norm computed row by row in plain numbers: f2's input is (p, L, width) SiLU states. */
function referenceLogits(values: Values, form: GeneratorConfig["routerNorm"], scope: "shared" | "layer"): number[][] {
  const { layers } = tinyGenerator().pair.edge;
  const of = (name: Parameters<typeof parameterNames.router>[0]) => numbersOf(values[parameterNames.router(name)]!);
  const affine = (rows: number[][], weight: number[], bias: number[]) =>
    rows.map((row) => bias.map((b, j) => row.reduce((sum, x, i) => sum + x * weight[j * row.length + i]!, b)));
  const hiddenRows = numbersOf(values["hidden"]!);
  const width = hiddenRows.length / (prompts * layers);
  const rows = Array.from({ length: prompts * layers }, (_, i) => hiddenRows.slice(i * width, (i + 1) * width));
  const states = affine(rows, of("f1.weight"), of("f1.bias")).map((row) => row.map((x) => x / (1 + Math.exp(-x))));
  const standard = (xs: number[]) => {
    const mu = xs.reduce((a, b) => a + b) / xs.length;
    const variance = xs.reduce((sum, x) => sum + (x - mu) ** 2, 0) / xs.length;
    return xs.map((x) => (x - mu) / Math.sqrt(variance + 1e-5));
  };
  const [gain, shift] = [of("norm.weight"), of("norm.bias")];
  const normed = (input: number[][]): number[][] => {
    const features = input[0]!.length;
    const place = (row: number, feature: number) => (scope === "layer" ? (row % layers) * features : 0) + feature;
    const out = input.map((row) => (form === "layer" ? standard(row) : [...row]));
    if (form !== "layer")
      for (let feature = 0; feature < features; feature++)
        for (let group = 0; group < (scope === "layer" ? layers : 1); group++) {
          const members = [...input.keys()].filter((row) => scope === "shared" || row % layers === group);
          const values = standard(members.map((row) => input[row]![feature]!));
          members.forEach((row, i) => {
            out[row]![feature] = values[i]!;
          });
        }
    return out.map((row, r) => row.map((x, f) => x * gain[place(r, f)]! + shift[place(r, f)]!));
  };
  const second = (input: number[][]) => affine(input, of("f2.weight"), of("f2.bias"));
  return form === "batchHidden" ? second(normed(states)) : normed(second(states));
}

test.each(
  (["batch", "batchHidden", "layer"] as const).flatMap((routerNorm) =>
    (["shared", "layer"] as const).map((routerNormScope) => ({ routerNorm, routerNormScope })),
  ),
)("$routerNorm norm, $routerNormScope: gates are those of the norm computed number by number", (changes) => {
  const { pair } = tinyGenerator({ experts, ...changes });
  const given: Values = { hidden: normal([prompts, pair.edge.layers, pair.cloud.hidden], "hidden") };
  for (const [name, { shape }] of generatorParameters(pair))
    if (name.startsWith("router.")) given[name] = normal(shape, name);
  for (const [name, { shape }] of generatorBuffers(pair)) given[name] = filled(shape, 2);
  const { probabilities } = runRouter(changes, true, given);
  const expected = referenceLogits(given, changes.routerNorm, changes.routerNormScope).flatMap((row) => {
    const powers = row.map((x) => Math.exp(x - Math.max(...row)));
    return powers.map((power) => power / powers.reduce((a, b) => a + b));
  });
  numbersOf(probabilities!).forEach((probability, i) => {
    expect(probability).toBeCloseTo(expected[i]!, 9);
  });
});

test("running statistics are of each layer where the norm's are, with one router for all; a LayerNorm has none", () => {
  const { layers } = tinyGenerator().pair.edge;
  const start = { [variance]: filled([layers, 1, experts], 1) };
  const results = runRouter({ routerNormScope: "layer", routerMomentum: 1 }, true, start);
  expect(results[mean]!.shape).toEqual([layers, 1, experts]);
  expect(results[variance]!.shape).toEqual([layers, 1, experts]);
  expect(Object.keys(runRouter({ routerNorm: "layer" }, true)).sort()).toEqual(["gates", "probabilities"]);
});

test("Gumbel noise decides in training and is not there at inference", () => {
  const { pair } = tinyGenerator({ experts });
  const noise = new Array(prompts * pair.edge.layers * experts).fill(0);
  for (let row = 0; row < prompts * pair.edge.layers; row++) noise[row * experts + 2] = 1e3;
  const given = { [routerInputs.gumbel]: tensor([prompts, pair.edge.layers, experts], noise) };
  const gates = numbersOf(runRouter({ strategy: "gumbel" }, true, given)["gates"]!);
  for (let row = 0; row < prompts * pair.edge.layers; row++) expect(gates[row * experts + 2]).toBeCloseTo(1, 12);
  const quiet = numbersOf(runRouter({ strategy: "gumbel" }, false)["gates"]!);
  expect(quiet).toEqual(numbersOf(runRouter({}, false)["gates"]!));
  const always = runRouter({ strategy: "gumbel", gumbelNoise: "always" }, false, given);
  for (let row = 0; row < prompts * pair.edge.layers; row++)
    expect(numbersOf(always["gates"]!)[row * experts + 2]).toBeCloseTo(1, 12);
});

test("annealing blends dense gates into kept ones", () => {
  const blended = (blend: number) =>
    runRouter({ annealSteps: 10 }, true, { [routerInputs.blend]: tensor([], [blend]) });
  const [dense, half, kept] = [0, 0.5, 1].map((blend) => numbersOf(blended(blend)["gates"]!)) as [
    number[],
    number[],
    number[],
  ];
  expect(dense).toEqual(numbersOf(blended(0)["probabilities"]!));
  expect(kept).toEqual(numbersOf(runRouter({}, true)["gates"]!));
  half.forEach((gate, i) => {
    expect(gate).toBeCloseTo((dense[i]! + kept[i]!) / 2, 12);
  });
});

test("gates without renormalisation are the probabilities themselves, cut", () => {
  const { gates, probabilities } = runRouter({ renormalize: false }, false);
  const kept = numbersOf(gates!).map((gate, i) => [gate, numbersOf(probabilities!)[i]!] as const);
  expect(kept.filter(([gate]) => gate !== 0)).toHaveLength(kept.length / 2);
  for (const [gate, probability] of kept) if (gate !== 0) expect(gate).toBe(probability);
});

test("KeepTop-K gives dropped experts exactly zero, however close the logits are", () => {
  const gates = keepTopK(input("logits", [1, 4]), 2);
  const logits = tensor([1, 4], [1, 1 + 1e-9, 1 - 1e-9, -50]);
  const values = numbersOf(interpret({ outputs: { gates } }, { inputs: { logits } })["gates"]!);
  expect(values.slice(2)).toEqual([0, 0]);
  expect(values[0]! + values[1]!).toBeCloseTo(1, 12);
});

test("the shift of the norm decides where the logits are equal", () => {
  const hidden = filled([prompts, 2, 24], 0);
  const { gates } = runRouter({ topK: 1 }, false, {
    hidden,
    [shift]: tensor(one, [0, 9, 0, 0]),
    [mean]: filled(one, 0),
    [variance]: filled(one, 1),
    [parameterNames.router("f2.bias")]: filled(one, 0),
    [parameterNames.router("f1.bias")]: filled([1, 1, 6], 0),
  });
  for (let row = 0; row < prompts * 2; row++)
    expect(numbersOf(gates!).slice(row * 4, row * 4 + 4)).toEqual([0, 1, 0, 0]);
});

test("linear: gates are the normed logits by √n, signed, none left out", () => {
  const { layers } = tinyGenerator().pair.edge;
  for (const routerNorm of ["batch", "layer", "none"] as const) {
    const given = { [parameterNames.router("norm.weight")]: filled(one, 1), [shift]: filled(one, 0) };
    const gates = numbersOf(runRouter({ strategy: "linear", routerNorm }, true, given)["gates"]!);
    expect(gates).toHaveLength(prompts * layers * experts);
    expect(gates.some((gate) => gate < 0) && gates.some((gate) => gate > 0)).toBe(true);
    expect(gates.every((gate) => gate !== 0)).toBe(true);
    // Normed logits have a mean square of 1: a layer's n coefficients a length of 1.
    const meanLength = gates.reduce((sum, gate) => sum + gate ** 2, 0) / (prompts * layers);
    if (routerNorm !== "none") expect(meanLength).toBeCloseTo(1, 3);
  }
});

test("linear: coefficients start around 1/√n, whatever the norm", () => {
  for (const routerNorm of ["batch", "batchHidden", "layer", "none"] as const) {
    const { pair } = tinyGenerator({ experts, strategy: "linear", routerNorm });
    const starts = [...generatorParameters(pair)].filter(([, { start }]) => start === "one").map(([name]) => name);
    const isLogitNorm = routerNorm === "batch" || routerNorm === "layer";
    expect(starts).toContain(isLogitNorm ? shift : parameterNames.router("f2.bias"));
  }
});

test("factors apart: two rows of gates a layer, each K of n that add up to 1, and not the same", () => {
  const two = [1, 1, 2 * experts];
  const wide = { [mean]: filled(two, 0), [variance]: filled(two, 1) };
  for (const strategy of ["keepTopK", "gumbel", "dense"] as const) {
    const { gates } = runRouter({ compose: "factorsApart", topK: 2, strategy }, true, wide);
    const { layers } = tinyGenerator().pair.edge;
    expect(gates!.shape).toEqual([prompts, layers, 2 * experts]);
    const all = numbersOf(gates!);
    const halves = Array.from({ length: all.length / experts }, (_, i) => all.slice(i * experts, (i + 1) * experts));
    for (const half of halves) {
      expect(half.filter((gate) => gate > 0)).toHaveLength(strategy === "dense" ? experts : 2);
      expect(half.reduce((a, b) => a + b)).toBeCloseTo(1, 9);
    }
    expect(halves[0]).not.toEqual(halves[1]);
  }
});
