/** @file Random graphs of small tensors for property tests: every step picks an op and operands from what exists already. */
import fc from "fast-check";
import { AppError } from "../../src/base/errors.ts";
import {
  add,
  broadcast,
  cast,
  clamp,
  concat,
  constant,
  div,
  exp,
  input,
  less,
  log,
  matmul,
  max,
  mul,
  neg,
  pad,
  relu,
  reshape,
  sigmoid,
  silu,
  slice,
  softmax,
  sqrt,
  sub,
  sum,
  transpose,
  weight,
  where,
} from "../../src/graph/build.ts";
import { dimFactors, sizeOf } from "../../src/graph/dims.ts";
import type { Graph, Node } from "../../src/graph/types.ts";
import type { Sizes } from "./numeric.ts";

export type RandomGraph = { readonly graph: Graph; readonly sizes: Sizes };

/** One step: which op, on which earlier values, with which detail. Taken modulo what there is. */
type Step = { readonly op: number; readonly a: number; readonly b: number; readonly detail: number };

const bounded = sigmoid; // keeps what could grow or vanish within (0, 1)

type Maker = (a: Node, b: Node, detail: number) => Node | undefined;

const rotate = (rank: number, by: number): number[] => Array.from({ length: rank }, (_, i) => (i + by) % rank);
const swapLast = (rank: number): number[] =>
  Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
const weightMatrix = weight("w", [4, 4]);
const factors = [0, 1, -1, 2, 0.5, -3, 1e-20];

/** Steps that often undo, repeat or do nothing: what a simplifier is for. Undefined where the operands do not fit. */
const makers: readonly Maker[] = [
  (a, b) => add(a, b),
  (a, b) => sub(a, b),
  (a, b) => mul(a, b),
  (a, b) => div(a, add(bounded(b), constant(1))),
  (a) => neg(a),
  (a) => exp(bounded(a)),
  (a) => log(add(bounded(a), constant(0.5))),
  (a) => sqrt(bounded(a)),
  (a) => sigmoid(a),
  (a) => silu(a),
  (a) => relu(a),
  (a) => clamp(a, -0.5, 1.5),
  (a) => (a.shape.length > 0 ? softmax(a) : undefined),
  (a, b) => where(less(a, b), a, b), // continuous, so that rounding cannot change the branch's value
  (a, _, detail) => mul(a, constant(factors[detail % factors.length]!)),
  (a, _, detail) => mul(constant(factors[detail % factors.length]!), a),
  (a, _, detail) => div(a, constant([1, 2, -4][detail % 3]!)),
  (a, _, detail) => add(a, constant(factors[detail % factors.length]!)),
  (a) => sub(a, constant(0)),
  (a) => cast(cast(less(a, constant(0.2537)), "f32"), "f32"),
  (a, _, detail) =>
    a.shape.length > 0 ? sum(a, [detail % a.shape.length], { keepDims: detail % 2 === 0 }) : undefined,
  (a, _, detail) => (a.shape.length > 0 ? max(a, [detail % a.shape.length], { keepDims: true }) : undefined),
  (a) => reshape(a, a.shape),
  (a) => reshape(a, [sizeOf(a.shape)]),
  (a, b) => (sizeOf(a.shape) === sizeOf(b.shape) ? reshape(a, b.shape) : undefined),
  (a) => reshape(a, [1, ...a.shape]),
  (a, _, detail) => (a.shape.length > 1 ? transpose(a, rotate(a.shape.length, detail)) : undefined),
  (a) => (a.shape.length > 1 ? transpose(a, swapLast(a.shape.length)) : undefined),
  (a, b) => broadcast(a, b.shape),
  (a) => broadcast(a, a.shape),
  (a, b) => concat([a, b], 0),
  (a) => (typeof a.shape[0] === "number" ? slice(a, 0, 0, a.shape[0] as number) : undefined),
  (a) => (Number(a.shape.at(-1)) > 1 ? slice(a, a.shape.length - 1, 1, a.shape.at(-1) as number) : undefined),
  (a, _, detail) => (typeof a.shape.at(-1) === "number" ? pad(a, a.shape.length - 1, detail % 2, 0) : undefined),
  (a) => matmul(a, weightMatrix),
  (a) => matmul(transpose(a, swapLast(a.shape.length)), weightMatrix, { transA: true }),
  (a) => matmul(weightMatrix, neg(a)),
  (a, b, detail) =>
    matmul(a, b, { transA: detail % 2 === 1, transB: detail % 3 === 1, alpha: detail % 5 === 1 ? 0.5 : 1 }),
];

/** Larger values are left out, to keep interpretation fast. Symbols count as 1. */
const volumeLimit = 300;
const volume = (node: Node): number =>
  node.shape.reduce((count: number, dim) => count * dimFactors(dim).coefficient, 1);

/** The value a step makes, or undefined where its operands do not fit. */
function attempt(maker: Maker, a: Node, b: Node, detail: number): Node | undefined {
  try {
    const made = maker(a, b, detail);
    return made !== undefined && made.shape.length <= 4 && volume(made) <= volumeLimit ? made : undefined;
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

function build(steps: readonly Step[], results: readonly number[]): Graph {
  const x = input("x", ["batch", 4]);
  const values: Node[] = [
    x,
    input("y", [4, 4]),
    input("row", [4]),
    weightMatrix,
    constant(2),
    constant([1, 1, 1, 1], [4]),
    constant([0, 0], [2, 1]),
    constant([1, -2, 3, -4, 5, -6, 7, -8], [2, 4]),
  ];
  for (const { op, a, b, detail } of steps) {
    // Half of the operands are among the newest values, so that chains grow.
    const operand = (pick: number): Node => values.at(pick % 2 === 0 ? -1 - ((pick / 2) % 3) : pick % values.length)!;
    const made = attempt(makers[op % makers.length]!, operand(a), operand(b), detail);
    if (made !== undefined) values.push(made);
  }
  // The newest value, which most steps lead to, and some others. x gives "batch" its size.
  const chosen = [values.at(-1)!, ...results.map((result) => values[result % values.length]!), x];
  return { outputs: Object.fromEntries(chosen.map((node, i) => [`result ${i}`, node])) };
}

const number = fc.nat(1000);
const step = fc.record<Step>({ op: number, a: number, b: number, detail: number });

/** Graphs of up to `maxSteps` steps over inputs of symbolic and known shapes, a weight and literals, and a size for the symbol. */
export const randomGraph = (maxSteps = 25): fc.Arbitrary<RandomGraph> =>
  fc
    .tuple(
      fc.array(step, { minLength: 1, maxLength: maxSteps, size: "max" }),
      fc.array(number, { maxLength: 3 }),
      fc.integer({ min: 1, max: 3 }),
    )
    .map(([steps, results, batch]) => ({ graph: build(steps, results), sizes: { batch } }));
