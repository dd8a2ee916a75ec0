/** @file An independent oracle: gradients by jax-js, in float64, of every op and of models written anew in its own functions. */
import { defaultDevice, init, grad as jaxGrad, lax, nn, numpy as np } from "@jax-js/jax";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { bindDims, evaluateDim } from "../../src/graph/bind.ts";
import { grad } from "../../src/graph/grad.ts";
import { dequantized } from "../../src/graph/interpret-fused.ts";
import { numbersOf, type Tensor } from "../../src/graph/tensor.ts";
import { leavesOf, topological } from "../../src/graph/tree.ts";
import type { Node, Op } from "../../src/graph/types.ts";
import { attentionShape, composedGraphs, mixtureShape } from "../support/composed-graphs.ts";
import { distance, leavesByName, probed, run, sampleLeaves, type Values } from "../support/numeric.ts";
import { allCases, opCases } from "../support/ops-cases.ts";

type Arrays = Readonly<Record<string, np.Array>>;

beforeAll(async () => {
  // jax-js asks whether data is a Float16Array, a class Node has from version 24 on. Nothing here uses it.
  if (!("Float16Array" in globalThis)) vi.stubGlobal("Float16Array", class {});
  await init("cpu");
  defaultDevice("cpu"); // its WebAssembly exp and log are exact to fp32 only
});
afterAll(() => vi.unstubAllGlobals());

/** f32 as float64, so that rounding hides nothing; whole numbers as int32; truth values as bool. */
function toJax({ shape, dtype, data }: Tensor): np.Array {
  const dims = { shape: [...shape] };
  if (data instanceof Float64Array) return np.array(Float64Array.from(data), { ...dims, dtype: np.float64 });
  return np.array(Int32Array.from(data as ArrayLike<number>, Number), {
    ...dims,
    dtype: dtype === "bool" ? np.bool : np.int32,
  });
}

const float = (value: number): np.Array => np.array([value], { dtype: np.float64, shape: [] });
const wholes = (values: readonly number[]): np.Array => np.array(Int32Array.from(values));
const range = (count: number): np.Array => wholes(Array.from({ length: count }, (_, i) => i));
const oneHot = (indices: np.Array, classes: number): np.Array => nn.oneHot(indices, classes).astype(np.float64);
const along = (rank: number, axis: number, pair: [number, number]) =>
  Array.from({ length: rank }, (_, i): [number, number] | [] => (i === axis ? pair : []));

/** The tanh form, by the definition; that of jax-js has a rounded constant. */
function gelu(x: np.Array): np.Array {
  const cube = x.ref.mul(x.ref).mul(x.ref).mul(float(0.044715));
  const inner = x.ref.add(cube).mul(float(Math.sqrt(2 / Math.PI)));
  return x.mul(np.tanh(inner).add(float(1))).mul(float(0.5));
}

/** x / rms(x) · scale, as a model's author would write it. */
function rmsNorm(x: np.Array, scale: np.Array, epsilon: number): np.Array {
  const meanSquare = np.mean(np.square(x.ref), -1, { keepdims: true });
  return x.div(np.sqrt(meanSquare.add(float(epsilon)))).mul(scale);
}

/** The same of what differs from the row's mean, plus a bias. */
function layerNorm(x: np.Array, scale: np.Array, bias: np.Array, epsilon: number): np.Array {
  const centred = x.ref.sub(np.mean(x, -1, { keepdims: true }));
  return rmsNorm(centred, scale, epsilon).add(bias);
}

/** Positions turned: x (b, heads, t, d), tables taken at the positions (b, t). */
function rope(x: np.Array, positions: np.Array, cos: np.Array, sin: np.Array): np.Array {
  if (x.shape.length === 3) {
    const [batch, time, hidden] = x.shape as [number, number, number];
    const width = 2 * cos.shape[1]!;
    const split = x.reshape([batch, time, hidden / width, width]).transpose([0, 2, 1, 3]);
    return rope(split, positions, cos, sin).transpose([0, 2, 1, 3]).reshape([batch, time, hidden]);
  }
  const [batch, , time, width] = x.shape as [number, number, number, number];
  const table = (from: np.Array) => np.take(from, positions.ref, 0).reshape([batch, 1, time, width / 2]);
  const [c, s] = [table(cos), table(sin)];
  positions.dispose();
  const [a, b] = [x.ref.slice([], [], [], [0, width / 2]), x.slice([], [], [], [width / 2, width])];
  return np.concatenate([a.ref.mul(c.ref).sub(b.ref.mul(s.ref)), b.mul(c).add(a.mul(s))], -1);
}

type Context = {
  readonly shape: number[];
  readonly leaf: (name: string) => np.Array;
  readonly sizes: ReadonlyMap<string, number>;
};
type JaxRule<P extends Op> = (inputs: np.Array[], node: Node<P>, context: Context) => np.Array;
/** Ops that are not differentiated, with the reason. */
type Without = { readonly without: string };

const binary =
  (apply: (a: np.Array, b: np.Array) => np.Array) =>
  ([a, b]: np.Array[]) =>
    apply(a!, b!);
const unary =
  (apply: (x: np.Array) => np.Array) =>
  ([x]: np.Array[]) =>
    apply(x!);
const dtypes = { f32: np.float64, i64: np.int32, u8: np.int32, bool: np.bool } as const;

const rules: { readonly [P in Op]: JaxRule<P> | Without } = {
  input: (_, { params }, { leaf }) => leaf(params.name),
  weight: (_, { params }, { leaf }) => leaf(params.name),
  constant: (_, { params, dtype }, { shape }) => {
    const floats = np.array(Float64Array.from(params.data), { shape, dtype: np.float64 });
    return dtype === "f32" ? floats : floats.astype(dtypes[dtype]);
  },
  add: binary(np.add),
  sub: binary(np.subtract),
  mul: binary(np.multiply),
  div: binary(np.divide),
  neg: unary(np.negative),
  exp: unary(np.exp),
  log: unary(np.log),
  sqrt: unary(np.sqrt),
  sigmoid: unary(nn.sigmoid),
  silu: unary(nn.silu),
  gelu: unary(gelu),
  relu: unary(nn.relu),
  clamp: ([x], { params: { low, high } }) => np.clip(x!, low, high),
  less: binary(np.less),
  equal: binary(np.equal),
  where: ([condition, a, b]) => np.where(condition!, a!, b!),
  cast: ([x], { dtype, inputs }) => {
    if (dtype === "bool") return np.notEqual(x!, np.zeros(x!.shape, { dtype: x!.dtype }));
    return (inputs[0]!.dtype === "f32" && dtype === "i64" ? np.trunc(lax.stopGradient(x!)) : x!).astype(dtypes[dtype]);
  },
  sum: ([x], { params }) => np.sum(x!, [...params.axes], { keepdims: params.keepDims }),
  max: ([x], { params }) => np.max(x!, [...params.axes], { keepdims: params.keepDims }),
  reshape: ([x], _, { shape }) => x!.reshape(shape),
  transpose: ([x], { params }) => np.transpose(x!, [...params.perm]),
  broadcast: ([x], _, { shape }) => np.broadcastTo(x!, shape),
  concat: (inputs, { params }) => np.concatenate(inputs, params.axis),
  slice: ([x], { params: { axis, start, end } }) => x!.slice(...along(x!.ndim, axis, [start, end])),
  pad: ([x], { params: { axis, before, after } }) => np.pad(x!, { [axis]: [before, after] }),
  iota: (_, __, { shape }) => range(shape[0]!),
  size: (_, { params }, { sizes }) =>
    float(params.dims.reduce((count: number, dim) => count * evaluateDim(dim, sizes), 1)),
  gather: ([table, indices]) => np.take(table!, indices!, 0),
  scatterAdd: ([indices, updates], _, { shape }) => {
    const count = indices!.size;
    const hot = oneHot(indices!.reshape([count]), shape[0]!);
    return np.matmul(np.transpose(hot), updates!.reshape([count, -1])).reshape(shape);
  },
  topKMask: ([x], { params }) => {
    const classes = x!.shape.at(-1)!;
    const [values, chosen] = lax.topK(lax.stopGradient(x!), params.k);
    values.dispose();
    return np.sum(oneHot(chosen, classes), -2);
  },
  matmul: ([a, b], { params }, { shape }) => {
    // np.matmul mixes up leading axes where the two sides have different ones.
    const [left, right] = [params.transA ? np.matrixTranspose(a!) : a!, params.transB ? np.matrixTranspose(b!) : b!];
    const [l, r] = [left, right].map((x) => np.broadcastTo(x, [...shape.slice(0, -2), ...x.shape.slice(-2)]));
    return np.matmul(l!, r!).mul(float(params.alpha));
  },
  matmulNBits: ([x, ...packed], { params }) => {
    const tensors = packed.map(
      (part) => ({ shape: part.shape, dtype: "u8", data: part.dataSync() }) as unknown as Tensor,
    );
    const weight = dequantized(tensors, params);
    return np.matmul(x!, np.transpose(np.array(weight, { shape: [params.n, params.k], dtype: np.float64 })));
  },
  dequantize: { without: "its weights are frozen" },
  softmax: unary((x) => nn.softmax(x, -1)),
  rmsNorm: ([x, scale], { params }) => rmsNorm(x!, scale!, params.epsilon),
  layerNorm: ([x, scale, bias], { params }) => layerNorm(x!, scale!, bias!, params.epsilon),
  rope: ([x, positions, cos, sin]) => rope(x!, positions!, cos!, sin!),
  crossEntropy: ([logits, targets]) => {
    const classes = logits!.shape[1]!;
    return np.negative(np.sum(oneHot(targets!, classes).mul(nn.logSoftmax(logits!, -1)), -1));
  },
  cachedAttention: { without: "training uses attention without a cache" },
  result: { without: "as cachedAttention" },
};

/** A graph's value in jax-js. `given` overrides leaves, so that they can be traced. */
function inJax(root: Node, values: Values, given: Arrays): np.Array {
  const leaves = [...leavesOf({ outputs: { root } }, "input"), ...leavesOf({ outputs: { root } }, "weight")] as [
    string,
    Node,
  ][];
  const sizes = bindDims(leaves.map(([name, { shape }]) => ({ what: name, shape, sizes: values[name]!.shape })));
  const leaf = (name: string): np.Array => given[name]?.ref ?? toJax(values[name]!);
  const made = new Map<Node, np.Array>();
  for (const node of topological([root])) {
    const rule = rules[node.op] as JaxRule<Op> | Without;
    if ("without" in rule) throw new Error(`internal: ${node.op} in a differentiated graph`);
    const shape = node.shape.map((dim) => evaluateDim(dim, sizes));
    made.set(
      node,
      rule(
        node.inputs.map((input) => made.get(input)!.ref),
        node,
        { shape, leaf, sizes },
      ),
    );
  }
  return made.get(root)!;
}

/** Our gradients of a loss by its leaves, and those of a function in jax-js, must agree. */
function expectSameGradients(
  loss: Node,
  by: readonly string[],
  values: Values,
  inTheirs: (traced: Arrays) => np.Array,
): void {
  const leaves = leavesByName(loss);
  const ours = grad(
    loss,
    by.map((name) => leaves.get(name)!),
  );
  const found = run({ outputs: { loss, ...Object.fromEntries(ours.map((node, i) => [`d ${by[i]}`, node])) } }, values);
  const arrays = Object.fromEntries(by.map((name) => [name, toJax(values[name]!)]));
  const theirs = jaxGrad(inTheirs)(arrays) as Arrays;
  expect(distance(inTheirs(arrays).dataSync(), numbersOf(found["loss"]!)), "loss").toBeLessThan(1e-9);
  for (const name of by) {
    expect(theirs[name]!.shape, name).toEqual(found[`d ${name}`]!.shape);
    expect(distance(theirs[name]!.dataSync(), numbersOf(found[`d ${name}`]!)), `by ${name}`).toBeLessThan(1e-9);
  }
}

describe("the gradient of every op equals that of jax-js", () => {
  const differentiable = allCases.flatMap(({ op, name, opCase, sizes }) => {
    const { gradient } = opCases[op];
    if (!("by" in gradient) || "blocked" in gradient) return [];
    const { loss } = probed(opCase.graph);
    const by = gradient.by.filter((leaf) => leavesByName(loss).has(leaf));
    return by.length === 0 ? [] : [{ name, opCase, sizes, loss, by }];
  });
  test.each(differentiable)("$name", ({ opCase, sizes, loss, by }) => {
    const values = { ...sampleLeaves({ outputs: { loss } }, sizes), ...opCase.values(sizes) };
    expectSameGradients(loss, by, values, (traced) => inJax(loss, values, traced));
  });
});

/** x (batch, time, i) times one weight (i, o). */
function layer(x: np.Array, weight: np.Array): np.Array {
  const [batch, time, width] = x.shape as [number, number, number];
  return np.matmul(x.reshape([batch * time, width]), weight).reshape([batch, time, -1]);
}

/** The composed graphs once more, in jax-js's own words. `p` holds all leaves, the traced ones among them. */
const models: { readonly [K in keyof typeof composedGraphs]: (p: (name: string) => np.Array) => np.Array } = {
  attention: (p) => {
    const { heads, kvHeads, headWidth, scale } = attentionShape;
    const x = p("x");
    const [batch, time] = x.shape as [number, number, number];
    const project = (name: string, count: number) =>
      np.swapaxes(layer(x.ref, p(name)).reshape([batch, time, count, headWidth]), 1, 2);
    const turn = (part: np.Array) => rope(part, p("positions"), p("cos"), p("sin"));
    const share = (part: np.Array) => np.repeat(part, heads / kvHeads, 1);
    const [q, k, v] = [turn(project("wq", heads)), share(turn(project("wk", kvHeads))), share(project("wv", kvHeads))];
    const scores = np.matmul(q, np.matrixTranspose(k)).mul(float(scale));
    const isPast = np.broadcastTo(np.tri(time, time, 0).astype(np.bool), scores.shape);
    const weights = np.where(isPast.ref, np.exp(scores), float(0));
    const shares = weights.ref.div(np.sum(weights, -1, { keepdims: true }));
    const attended = np.swapaxes(np.matmul(shares, v), 1, 2).reshape([batch, time, heads * headWidth]);
    return np.sum(x.add(layer(attended, p("wo"))).mul(p("probe")));
  },
  swiglu: (p) => {
    const h = rmsNorm(p("x"), p("scale"), 1e-3);
    const gated = nn.silu(layer(h.ref, np.transpose(p("gate")))).mul(layer(h, np.transpose(p("up"))));
    return np.mean(np.square(p("x").add(layer(gated, np.transpose(p("down"))))));
  },
  // The other way round: the weights of each sample's experts are merged first.
  mixture: (p) => {
    const { experts, rank, wide } = mixtureShape;
    const gates = nn.softmax(p("logits"), -1);
    const least = np.min(lax.stopGradient(gates.ref), -1, { keepdims: true }); // keeping 2 of 3 drops the least
    const kept = np.where(np.greater(gates.ref, least), gates, float(0));
    const share = kept.ref.div(np.sum(kept, -1, { keepdims: true }));
    const a = np.transpose(p("a").reshape([-1, experts, rank]), [1, 0, 2]);
    const updates = np.matmul(a, p("b").reshape([experts, rank, wide])); // (experts, width, wide)
    const width = updates.shape[1]!;
    const merged = np.matmul(share, updates.reshape([experts, width * wide])).reshape([-1, width, wide]);
    const output = np.matmul(p("x"), merged.add(np.transpose(p("w"))));
    return np.mean(nn.silu(output).mul(p("probe")));
  },
  language: (p) => {
    const ids = p("ids");
    const [batch, time] = ids.shape as [number, number];
    const hidden = rmsNorm(np.take(p("table"), ids, 0), p("scale"), 1e-3);
    const logProbabilities = nn.logSoftmax(layer(hidden, np.transpose(p("table"))), -1);
    const targets = p("targets").reshape([batch, time, 1]);
    const chosen = np.takeAlongAxis(logProbabilities, targets, -1).reshape([batch, time]);
    return np.negative(np.sum(chosen.mul(p("counted")))).div(np.sum(p("counted")));
  },
};

describe("models written anew in jax-js have the same gradients", () => {
  for (const [name, model] of Object.entries(models)) {
    const { title, loss, by, sizes, ranges } = composedGraphs[name as keyof typeof composedGraphs];
    test.each([...sizes])(`${title}: %o`, (chosen) => {
      const values = sampleLeaves({ outputs: { loss } }, chosen, ranges);
      expectSameGradients(loss, by, values, (traced) => model((leaf) => traced[leaf]?.ref ?? toJax(values[leaf]!)));
    });
  }
});
