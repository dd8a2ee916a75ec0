import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { constant, input } from "../graph/build.ts";
import { interpret } from "../graph/interpret.ts";
import { numbersOf, tensor } from "../graph/tensor.ts";
import { type AdamWConfig, adamw, adamwScalars } from "./adamw.ts";

const config: AdamWConfig = { beta1: 0.9, beta2: 0.95, epsilon: 1e-6, weightDecay: 0.1 };

/** AdamW as Loshchilov & Hutter write it (algorithm 2), one number at a time. */
function plainAdamW(p: number, gradients: readonly number[], rates: readonly number[], decay: number): number {
  let [value, m, v] = [p, 0, 0];
  gradients.forEach((g, i) => {
    m = config.beta1 * m + (1 - config.beta1) * g;
    v = config.beta2 * v + (1 - config.beta2) * g * g;
    const unbiasedM = m / (1 - config.beta1 ** (i + 1));
    const unbiasedV = v / (1 - config.beta2 ** (i + 1));
    value -= rates[i]! * (unbiasedM / (Math.sqrt(unbiasedV) + config.epsilon) + decay * value);
  });
  return value;
}

/** The same by the graph, which gets its clip factor apart from the gradient. */
function graphAdamW(shape: readonly number[], p: number[], gradients: number[][], rates: number[], clip: number) {
  const scalar = (name: string) => input(name, []);
  const node = (name: string) => input(name, shape);
  const scalars = { keep: scalar("keep"), stepSize: scalar("stepSize"), epsilon: scalar("epsilon") };
  const next = adamw({
    parameter: node("p"),
    gradient: node("g"),
    moments: { m: node("m"), v: node("v") },
    clip: constant(clip),
    scalars,
    config,
  });
  let state = { p, m: p.map(() => 0), v: p.map(() => 0) };
  gradients.forEach((g, i) => {
    const scalarValues = Object.entries(adamwScalars(i + 1, rates[i]!, config)).map(([name, value]) => [
      name,
      tensor([], [value]),
    ]);
    const arrays = Object.entries({ ...state, g }).map(([name, values]) => [name, tensor(shape, values)]);
    const results = interpret({ outputs: next }, { inputs: Object.fromEntries([...scalarValues, ...arrays]) });
    state = { p: numbersOf(results["p"]!), m: numbersOf(results["m"]!), v: numbersOf(results["v"]!) };
  });
  return state.p;
}

const rng = createRng("adamw");
const draw = (count: number) => Array.from({ length: count }, () => rng.normal());

test.each([
  { title: "a matrix, decayed", shape: [2, 3], decay: 0.1 },
  { title: "a vector of gains, not decayed", shape: [6], decay: 0 },
])("five steps on $title equal plain AdamW, clipping folded in", ({ shape, decay }) => {
  const start = draw(6);
  const gradients = Array.from({ length: 5 }, () => draw(6));
  const rates = [0.1, 0.3, 0.2, 0.05, 0.01];
  const clip = 0.25;
  const expected = start.map((p, i) =>
    plainAdamW(
      p,
      gradients.map((g) => clip * g[i]!),
      rates,
      decay,
    ),
  );
  const actual = graphAdamW(shape, start, gradients, rates, clip);
  actual.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 12);
  });
});

test("decay pulls a matrix towards zero even where the gradient is zero", () => {
  expect(graphAdamW([1, 1], [2], [[0]], [0.5], 1)[0]).toBeCloseTo(2 * (1 - 0.5 * 0.1), 12);
});
