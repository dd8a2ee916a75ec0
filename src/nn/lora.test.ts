import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { input, matmul, scale as scaleBy } from "../graph/build.ts";
import { interpret } from "../graph/interpret.ts";
import { numbersOf, type Tensor, tensor } from "../graph/tensor.ts";
import type { Node } from "../graph/types.ts";
import { rankGates, withLora, withMixedFactors, withMixture } from "./lora.ts";
import type { Linear } from "./parts.ts";

const [batch, time, inputs, outputs, experts, rank, scale] = [2, 3, 5, 4, 3, 2, 0.7];
const rng = createRng("lora");
const draw = (shape: readonly number[]): Tensor =>
  tensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
  );

const values = {
  x: draw([batch, time, inputs]),
  w: draw([outputs, inputs]),
  a: draw([experts * rank, inputs]),
  b: draw([experts * rank, outputs]),
  gates: tensor([batch, experts], [0.25, 0.75, 0, 0, 0.4, 0.6]),
  loraA: draw([rank, inputs]),
  loraB: draw([outputs, rank]),
};
const nodes = Object.fromEntries(Object.entries(values).map(([name, { shape }]) => [name, input(name, shape)])) as {
  readonly [name in keyof typeof values]: Node;
};
const plain: Linear = (x) => matmul(x, nodes.w, { transB: true });

const evaluate = (linear: Linear): number[] =>
  numbersOf(interpret({ outputs: { y: linear(nodes.x) } }, { inputs: values })["y"]!);

/** y[b, t, o] = Σ_i (W + ΔW_b)[o, i] · x[b, t, i] */
function withChange(change: (sample: number, o: number, i: number) => number): number[] {
  const at = ({ data, shape }: Tensor, ...index: number[]) => data[index.reduce((p, v, d) => p * shape[d]! + v, 0)]!;
  return Array.from({ length: batch * time * outputs }, (_, k) => {
    const [sample, t, o] = [Math.floor(k / (time * outputs)), Math.floor(k / outputs) % time, k % outputs];
    let y = 0;
    for (let i = 0; i < inputs; i++)
      y += (Number(at(values.w, o, i)) + change(sample, o, i)) * Number(at(values.x, sample, t, i));
    return y;
  });
}
const sum = (count: number, term: (i: number) => number) =>
  Array.from({ length: count }, (_, i) => term(i)).reduce((a, b) => a + b, 0);
const number = ({ data }: Tensor, i: number) => Number(data[i]);

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 10);
  });
}

test("LoRA adds scale · B A to the weight", () => {
  const change = (_: number, o: number, i: number) =>
    scale * sum(rank, (r) => number(values.loraB, o * rank + r) * number(values.loraA, r * inputs + i));
  expectClose(evaluate(withLora(plain, { a: nodes.loraA, b: nodes.loraB }, scale)), withChange(change));
});

test("a mixture adds Σ G_j · scale · B_j A_j, another G for every sample", () => {
  const change = (sample: number, o: number, i: number) =>
    sum(experts * rank, (k) => {
      const gate = number(values.gates, sample * experts + Math.floor(k / rank));
      return gate * scale * number(values.a, k * inputs + i) * number(values.b, k * outputs + o);
    });
  const mixture = withMixture(plain, { a: nodes.a, b: nodes.b, experts }, rankGates(nodes.gates, rank, scale));
  expectClose(evaluate(mixture), withChange(change));
});

test.each([
  ["G_j", 1],
  ["H_j", -2],
])("mixed factors add scale · (Σ %s B_j)(Σ G_j A_j)", (_, timesG) => {
  const mixed = (factor: Tensor, times: number, width: number, sample: number, r: number, column: number) =>
    sum(
      experts,
      (j) => times * number(values.gates, sample * experts + j) * number(factor, (j * rank + r) * width + column),
    );
  const change = (sample: number, o: number, i: number) =>
    scale * sum(rank, (r) => mixed(values.b, timesG, outputs, sample, r, o) * mixed(values.a, 1, inputs, sample, r, i));
  const gates = { a: nodes.gates, b: timesG === 1 ? nodes.gates : scaleBy(nodes.gates, timesG) };
  const linear = withMixedFactors(plain, { a: nodes.a, b: nodes.b, experts }, gates, scale);
  expectClose(evaluate(linear), withChange(change));
});
