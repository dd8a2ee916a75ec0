/** @file Reverse-mode differentiation: one vector–Jacobian rule per op, each itself a graph. */
import { AppError } from "../base/errors.ts";
import {
  add,
  broadcast,
  cast,
  constant,
  dequantize,
  div,
  equal,
  flattenRows,
  gather,
  iota,
  less,
  matmul,
  mean,
  mul,
  neg,
  pad,
  reshape,
  rope,
  scale as scaleBy,
  scatterAdd,
  sigmoid,
  slice,
  softmax,
  sqrt,
  sub,
  sum,
  transpose,
  where,
} from "./build.ts";
import { sameShape } from "./dims.ts";
import { after, recomputeBetween } from "./recompute.ts";
import { topological } from "./tree.ts";
import { type Dim, isOp, type Node, type Op, type Shape } from "./types.ts";

/** dL/d(inputs) from dL/d(node). `undefined` where nothing flows. `needs[i]` tells whether input i is wanted. */
type Vjp<P extends Op> = (dy: Node, node: Node<P>, needs: readonly boolean[]) => readonly (Node | undefined)[];

const one = constant(1);

/** Sums a gradient down to the shape that was broadcast. */
function unbroadcast(dy: Node, shape: Shape): Node {
  if (sameShape(dy.shape, shape)) return dy;
  const lead = dy.shape.length - shape.length;
  const axes = dy.shape.map((_, i) => i).filter((i) => i < lead || (shape[i - lead] === 1 && dy.shape[i] !== 1));
  return reshape(sum(dy, axes), shape);
}

/** dL/da and dL/db of alpha · op(a) op(b), the sum over broadcast leading axes folded into one product where b is a plain matrix. */
function matmulVjp(dy: Node, node: Node<"matmul">, needs: readonly boolean[]): readonly (Node | undefined)[] {
  const [a, b] = node.inputs as [Node, Node];
  const { transA, transB, alpha } = node.params;
  const da = () => {
    const product = transA
      ? matmul(b, dy, { transA: transB, transB: true, alpha })
      : matmul(dy, b, { transB: !transB, alpha });
    return unbroadcast(product, a.shape);
  };
  const db = () => {
    if (b.shape.length === 2 && a.shape.length > 2 && !transA) {
      const [x, g] = [flattenRows(a), flattenRows(dy)];
      return transB ? matmul(g, x, { transA: true, alpha }) : matmul(x, g, { transA: true, alpha });
    }
    const product = transB
      ? matmul(dy, a, { transA: true, transB: transA, alpha })
      : matmul(a, dy, { transA: !transA, alpha });
    return unbroadcast(product, b.shape);
  };
  return [needs[0] ? da() : undefined, needs[1] ? db() : undefined];
}

/** y = x·s·w with s = 1/sqrt(mean(x²)+ε): dx = s·(dy·w − x·s²·mean(dy·w·x)). */
function rmsNormVjp(
  dy: Node,
  { inputs, params }: Node<"rmsNorm">,
  needs: readonly boolean[],
): readonly (Node | undefined)[] {
  const [x, w] = inputs as [Node, Node];
  const s = div(one, sqrt(add(mean(mul(x, x), [-1], { keepDims: true }), constant(params.epsilon))));
  const g = mul(dy, w);
  const pull = mul(mul(s, s), mean(mul(g, x), [-1], { keepDims: true }));
  const dx = () => mul(s, sub(g, mul(x, pull)));
  return [needs[0] ? dx() : undefined, needs[1] ? unbroadcast(mul(dy, mul(x, s)), w.shape) : undefined];
}

/** y = u·w + b with u = (x − μ)·s: dx = s·(g − mean(g) − u·mean(g·u)), g = dy·w. */
function layerNormVjp(
  dy: Node,
  { inputs, params }: Node<"layerNorm">,
  needs: readonly boolean[],
): readonly (Node | undefined)[] {
  const [x, w, b] = inputs as [Node, Node, Node];
  const overRow = (y: Node) => mean(y, [-1], { keepDims: true });
  const centred = sub(x, overRow(x));
  const s = div(one, sqrt(add(overRow(mul(centred, centred)), constant(params.epsilon))));
  const u = mul(centred, s);
  const g = mul(dy, w);
  const dx = () => mul(s, sub(sub(g, overRow(g)), mul(u, overRow(mul(g, u)))));
  return [
    needs[0] ? dx() : undefined,
    needs[1] ? unbroadcast(mul(dy, u), w.shape) : undefined,
    needs[2] ? unbroadcast(dy, b.shape) : undefined,
  ];
}

/** y = x·σ(v) with v = c·(x + a·x³), which is the tanh form: dy/dx = σ(v) + y·(1 − σ(v))·c·(1 + 3a·x²). */
function geluVjp(dy: Node, node: Node<"gelu">): Node {
  const [x] = node.inputs as [Node];
  const [c, a] = [2 * Math.sqrt(2 / Math.PI), 0.044715];
  const square = mul(x, x);
  const sigma = sigmoid(mul(x, add(constant(c), scaleBy(square, c * a))));
  const slope = add(constant(c), scaleBy(square, 3 * c * a));
  return mul(dy, add(sigma, mul(mul(node, sub(one, sigma)), slope)));
}

/**
 * y·(dy − r) with r the sum of dy·y over each row. Behind a softmax stands a product z = y b, whose gradient is dy = dz bᵀ: then r is
 * the sum of dz·z, which is as wide as the values, not as the keys, and z is there already (FlashAttention, appendix B.2).
 */
function softmaxVjp(dy: Node, node: Node<"softmax">): Node {
  const overRow = (x: Node) => sum(x, [-1], { keepDims: true });
  const product = isOp(dy, "reshape") ? dy.inputs[0]! : dy;
  const rowSums = () => {
    const isProduct = isOp(product, "matmul") && product.shape.at(-1) === node.shape.at(-1);
    if (!isProduct || product.params.transA) return overRow(mul(dy, node));
    const [dz, b] = product.inputs as [Node, Node];
    const { transB, alpha } = product.params;
    const z = matmul(reshaped(node, product.shape), b, { transB: !transB, alpha });
    return reshaped(overRow(mul(dz, z)), [...node.shape.slice(0, -1), 1]);
  };
  return mul(node, sub(dy, rowSums()));
}

const reshaped = (x: Node, shape: Shape): Node => (sameShape(x.shape, shape) ? x : reshape(x, shape));

/** (softmax(logits) − onehot(targets)) · dy */
function crossEntropyVjp(dy: Node, [logits, targets]: readonly Node[]): Node {
  const [rows, classes] = logits!.shape as [Dim, Dim];
  const isTarget = equal(reshape(iota(classes), [1, classes]), reshape(targets!, [rows, 1]));
  return mul(reshape(dy, [rows, 1]), sub(softmax(logits!), cast(isTarget, "f32")));
}

const blocked = (op: string) => (): readonly [] => {
  throw new AppError("E_RUNTIME", `${op} has no gradient: use the differentiable form of this layer for training`);
};

export const vjps: { readonly [P in Op]: Vjp<P> } = {
  input: () => [],
  weight: () => [],
  constant: () => [],
  add: (dy, { inputs: [a, b] }) => [unbroadcast(dy, a!.shape), unbroadcast(dy, b!.shape)],
  sub: (dy, { inputs: [a, b] }, needs) => [
    unbroadcast(dy, a!.shape),
    needs[1] ? unbroadcast(neg(dy), b!.shape) : undefined,
  ],
  mul: (dy, { inputs: [a, b] }, needs) => [
    needs[0] ? unbroadcast(mul(dy, b!), a!.shape) : undefined,
    needs[1] ? unbroadcast(mul(dy, a!), b!.shape) : undefined,
  ],
  div: (dy, { inputs: [a, b] }, needs) => [
    needs[0] ? unbroadcast(div(dy, b!), a!.shape) : undefined,
    needs[1] ? unbroadcast(neg(div(mul(dy, a!), mul(b!, b!))), b!.shape) : undefined,
  ],
  neg: (dy) => [neg(dy)],
  exp: (dy, node) => [mul(dy, node)],
  log: (dy, { inputs: [x] }) => [div(dy, x!)],
  sqrt: (dy, node) => [div(dy, scaleBy(node, 2))],
  sigmoid: (dy, node) => [mul(dy, mul(node, sub(one, node)))],
  // silu' = σ + y(1 − σ) = y + σ(1 − y)
  silu: (dy, node) => [mul(dy, add(node, mul(sigmoid(node.inputs[0]!), sub(one, node))))],
  gelu: (dy, node) => [geluVjp(dy, node)],
  relu: (dy, { inputs: [x] }) => [where(less(constant(0), x!), dy, constant(0))],
  clamp: (dy, { inputs: [x], params: { low, high } }) => {
    const isBelow = less(x!, constant(high));
    return [where(less(constant(low), x!), where(isBelow, dy, constant(0)), constant(0))];
  },
  less: () => [],
  equal: () => [],
  where: (dy, { inputs: [condition, a, b] }, needs) => [
    undefined,
    needs[1] ? unbroadcast(where(condition!, dy, constant(0)), a!.shape) : undefined,
    needs[2] ? unbroadcast(where(condition!, constant(0), dy), b!.shape) : undefined,
  ],
  cast: (dy, { inputs: [x] }) => [x!.dtype === "f32" ? dy : undefined],
  sum: (dy, { inputs: [x], params }) => [
    broadcast(params.keepDims ? dy : reshape(dy, keptShape(x!.shape, params.axes)), x!.shape),
  ],
  max: (dy, node) => {
    const { axes } = node.params;
    const [x] = node.inputs as [Node];
    const kept = keptShape(x.shape, axes);
    const isMax = where(less(x, reshape(node, kept)), constant(0), one); // ties share the gradient
    return [mul(reshape(dy, kept), div(isMax, sum(isMax, axes, { keepDims: true })))];
  },
  reshape: (dy, { inputs: [x] }) => [reshape(dy, x!.shape)],
  transpose: (dy, { params }) => [
    transpose(
      dy,
      params.perm.map((_, i) => params.perm.indexOf(i)),
    ),
  ],
  broadcast: (dy, { inputs: [x] }) => [unbroadcast(dy, x!.shape)],
  concat: (dy, { inputs, params: { axis } }, needs) => {
    let start = 0;
    return inputs.map((part, i) => {
      const width = part.shape[axis] as number;
      start += width;
      return needs[i] ? slice(dy, axis, start - width, start) : undefined;
    });
  },
  slice: (dy, { inputs: [x], params: { axis, start, end } }) => [
    pad(dy, axis, start, (x!.shape[axis] as number) - end),
  ],
  pad: (dy, { inputs: [x], params: { axis, before } }) => [
    slice(dy, axis, before, before + (x!.shape[axis] as number)),
  ],
  iota: () => [],
  size: () => [],
  gather: (dy, { inputs: [table, indices] }) => [scatterAdd(indices!, dy, table!.shape[0]!), undefined],
  scatterAdd: (dy, { inputs: [indices] }) => [undefined, gather(dy, indices!)],
  topKMask: () => [undefined],
  matmul: matmulVjp,
  matmulNBits: (dy, { inputs: [, ...packed], params }, [, ...needsPacked]) =>
    needsPacked.includes(true)
      ? blocked("the weight of matmulNBits")()
      : [matmul(dy, dequantize([packed[0]!, after(packed[1]!, [dy]), ...packed.slice(2)], params))],
  dequantize: blocked("dequantize"),
  softmax: (dy, node) => [softmaxVjp(dy, node)],
  rmsNorm: rmsNormVjp,
  layerNorm: layerNormVjp,
  rope: (dy, { inputs: [, positions, cos, sin] }, [, , needsCos, needsSin]) =>
    needsCos || needsSin ? blocked("the table of rope")() : [rope(dy, positions!, cos!, neg(sin!))],
  crossEntropy: (dy, { inputs }) => [crossEntropyVjp(dy, inputs), undefined],
  cachedAttention: blocked("cachedAttention"),
  result: blocked("result"),
};

/** Ops whose result does not change with a small change of their inputs: no gradient goes through them. */
const steps: ReadonlySet<Op> = new Set<Op>(["less", "equal", "iota", "size", "topKMask"]);

function keptShape(shape: Shape, axes: readonly number[]): Shape {
  return shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
}

export type GradOptions = {
  /**
   * Values that lead from one part of the network to the next. The backward pass finishes a part, with its gradients by
   * `wrt`, before it begins the part before, so that what only this part needs is freed.
   */
  readonly cuts?: readonly Node[];
  /** Keeps nothing between the cuts: the backward pass computes each part again. */
  readonly recompute?: boolean;
};

/**
 * The gradients of a scalar with respect to nodes. Options change when values are computed, never the values.
 * @param loss a scalar f32 node
 * @param wrt the nodes to differentiate by; those the loss does not depend on get zeros of their shape
 */
export function grad(loss: Node, wrt: readonly Node[], { cuts = [], recompute = false }: GradOptions = {}): Node[] {
  if (loss.shape.length !== 0) throw new AppError("E_SHAPE", `grad: the loss must be a scalar, got [${loss.shape}]`);
  const order = topological([loss]);
  const wanted = new Set(wrt);
  const flows = new Set<Node>(); // nodes through which a wanted node is reached
  for (const node of order) {
    const reaches = !steps.has(node.op) && node.inputs.some((input) => flows.has(input));
    if (reaches || wanted.has(node)) flows.add(node);
  }
  const isCut = new Set(cuts);
  const viewOf = recompute ? recomputeBetween(isCut, order) : (node: Node) => node;
  const gradients = new Map<Node, Node>([[loss, one]]);
  const fresh = new Set<Node>(); // wanted nodes whose gradient grew since the last cut
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]!;
    let dy = gradients.get(node);
    if (dy === undefined || !flows.has(node) || node.inputs.length === 0) continue;
    const needs = node.inputs.map((input) => flows.has(input));
    if (!needs.some(Boolean)) continue;
    if (isCut.has(node)) {
      dy = after(
        dy,
        [...fresh].map((leaf) => gradients.get(leaf)!),
      );
      gradients.set(node, dy);
      fresh.clear();
    }
    const parts = (vjps[node.op] as Vjp<Op>)(dy, viewOf(node, dy), needs);
    node.inputs.forEach((input, j) => {
      const part = parts[j];
      if (!needs[j] || part === undefined) return;
      const before = gradients.get(input);
      gradients.set(input, before === undefined ? part : add(before, part));
      if (wanted.has(input)) fresh.add(input);
    });
  }
  return wrt.map((node) => gradients.get(node) ?? broadcast(constant(0), node.shape));
}
