import { expect, test } from "vitest";
import { input, reshape } from "../graph/build.ts";
import { grad } from "../graph/grad.ts";
import { interpret } from "../graph/interpret.ts";
import { numbersOf, type Tensor, tensor } from "../graph/tensor.ts";
import type { Node } from "../graph/types.ts";
import { cvSquared, klPerRow, logSoftmax, meanCrossEntropy } from "./loss.ts";

const evaluate = (node: Node, inputs: Record<string, Tensor>): number[] =>
  numbersOf(interpret({ outputs: { y: node } }, { inputs })["y"]!);
const floats = (shape: readonly number[], values: number[]) => tensor(shape, values);

test("cross-entropy is the mean of −log p(target), computed without overflow", () => {
  const loss = meanCrossEntropy(input("logits", ["n", 2]), input("targets", ["n"], "i64"));
  const logits = floats([2, 2], [1000, 1000 - Math.log(3), 0, Math.log(9)]); // p(target) = 3/4 and 9/10
  const [value] = evaluate(loss, { logits, targets: tensor([2], [0, 1], "i64") });
  expect(value).toBeCloseTo(-(Math.log(3 / 4) + Math.log(9 / 10)) / 2, 12);
});

test("KL in either direction is that of its sum over the vocabulary, and pulls what is trained by its gradient", () => {
  const [policy, base] = [input("policy", [1, 3]), input("base", [1, 3])];
  const values = { policy: [0.3, -0.2, 0.9], base: [0.1, 0.4, -0.5] };
  const share = (logits: readonly number[]) => {
    const total = logits.reduce((sum, value) => sum + Math.exp(value), 0);
    return logits.map((value) => Math.exp(value) / total);
  };
  const divergence = (from: readonly number[], to: readonly number[]) => {
    const [p, q] = [share(from), share(to)];
    return p.reduce((sum, value, i) => sum + value * Math.log(value / q[i]!), 0);
  };
  const feeds = { policy: floats([1, 3], values.policy), base: floats([1, 3], values.base) };
  for (const [kl, of] of [
    [klPerRow(policy, base), (logits: readonly number[]) => divergence(logits, values.base)],
    [klPerRow(base, policy), (logits: readonly number[]) => divergence(values.base, logits)],
  ] as const) {
    expect(evaluate(kl, feeds)[0]).toBeCloseTo(of(values.policy), 12);
    const [gradient] = grad(reshape(kl, []), [policy]);
    evaluate(gradient!, feeds).forEach((value, i) => {
      const moved = (by: number) => of(values.policy.map((logit, k) => (k === i ? logit + by : logit)));
      expect(value).toBeCloseTo((moved(1e-6) - moved(-1e-6)) / 2e-6, 8);
    });
  }
});

test("KL(teacher ‖ student) is Σ p log(p/q), zero only where they agree, whatever is added to the logits", () => {
  const kl = klPerRow(input("p", [2, 3]), input("q", [2, 3]));
  const [p, q] = [
    [0.5, 0.25, 0.25],
    [0.2, 0.2, 0.6],
  ] as const;
  const expected = p.reduce((sum, value, i) => sum + value * Math.log(value / q[i]!), 0);
  const logs = (values: readonly number[], shift: number) => values.map((value) => Math.log(value) + shift);
  const [differ, agree] = evaluate(kl, {
    p: floats([2, 3], [...logs(p, 7), ...logs(p, 0)]),
    q: floats([2, 3], [...logs(q, -3), ...logs(p, 40)]),
  });
  expect(differ).toBeCloseTo(expected, 12);
  expect(agree).toBeCloseTo(0, 12);
});

test("the gradient of KL by the student's logits is q − p", () => {
  const student = input("q", [1, 3]);
  const kl = klPerRow(input("p", [1, 3]), student);
  const [gradient] = grad(reshape(kl, []), [student]);
  const [p, q] = [floats([1, 3], [0, 1, 2]), floats([1, 3], [2, 0, -1])];
  const softmax = (logits: Tensor) => evaluate(logSoftmax(input("x", [1, 3])), { x: logits }).map(Math.exp);
  const [sp, sq] = [softmax(p), softmax(q)];
  evaluate(gradient!, { p, q }).forEach((value, i) => {
    expect(value).toBeCloseTo(sq[i]! - sp[i]!, 12);
  });
});

const cv = (importance: number[]): number =>
  evaluate(cvSquared(input("i", [importance.length])), { i: floats([importance.length], importance) })[0]!;

test("T5: CV² is 0 for uniform use and n − 1 where one expert has all of it", () => {
  for (const n of [2, 4, 8]) {
    expect(cv(new Array(n).fill(3))).toBeCloseTo(0, 9);
    expect(cv([5, ...new Array(n - 1).fill(0)])).toBeCloseTo(n - 1, 6);
  }
});

test("T5: CV² grows as use moves from one expert to another, and does not depend on the amount of use", () => {
  const shifted = [0, 0.5, 1, 1.5, 2].map((by) => cv([2 + by, 2 - by, 2, 2]));
  for (let i = 1; i < shifted.length; i++) expect(shifted[i]!).toBeGreaterThan(shifted[i - 1]!);
  expect(cv([30, 10, 20])).toBeCloseTo(cv([3, 1, 2]), 9);
});
