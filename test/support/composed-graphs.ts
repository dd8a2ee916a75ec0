/** @file Small models made of many ops, as the project's real ones are: what gradients are checked on as a whole. */
import {
  add,
  broadcast,
  constant,
  crossEntropy,
  div,
  flattenRows,
  gather,
  input,
  iota,
  less,
  matmul,
  mean,
  mul,
  reshape,
  rmsNorm,
  rope,
  silu,
  softmax,
  splitLast,
  sum,
  topKMask,
  transpose,
  weight,
  where,
} from "../../src/graph/build.ts";
import type { Node } from "../../src/graph/types.ts";
import type { Range, Sizes } from "./numeric.ts";

export type ComposedGraph = {
  readonly title: string;
  readonly loss: Node;
  /** The leaves to differentiate by. */
  readonly by: readonly string[];
  readonly sizes: readonly Sizes[];
  readonly ranges: Readonly<Record<string, Range>>;
};

const sizes: readonly Sizes[] = [
  { batch: 2, seq: 3 },
  { batch: 1, seq: 4 },
];

const width = 6;
const x = input("x", ["batch", "seq", width]);

export const attentionShape = { heads: 4, kvHeads: 2, headWidth: 4, scale: 0.6 } as const;

/** Rotary, grouped, causal attention: Σ probe · attention(x) + x. */
function attentionLoss(): Node {
  const { heads, kvHeads, headWidth, scale } = attentionShape;
  const positions = input("positions", ["batch", "seq"], "i64");
  const [cos, sin] = [input("cos", [8, headWidth / 2]), input("sin", [8, headWidth / 2])];
  const project = (name: string, count: number): Node =>
    transpose(splitLast(matmul(x, weight(name, [width, count * headWidth])), count), [0, 2, 1, 3]);
  const turn = (part: Node): Node => rope(part, positions, cos, sin);
  const share = (part: Node): Node => {
    const lone = reshape(part, ["batch", kvHeads, 1, "seq", headWidth]);
    const groups = broadcast(lone, ["batch", kvHeads, heads / kvHeads, "seq", headWidth]);
    return reshape(groups, ["batch", heads, "seq", headWidth]);
  };
  const [q, k, v] = [turn(project("wq", heads)), share(turn(project("wk", kvHeads))), share(project("wv", kvHeads))];
  const isPast = less(reshape(iota("seq"), [1, "seq"]), add(reshape(iota("seq"), ["seq", 1]), constant(1, [], "i64")));
  const scores = where(isPast, matmul(q, k, { transB: true, alpha: scale }), constant(-1e9));
  const joined = reshape(transpose(matmul(softmax(scores), v), [0, 2, 1, 3]), ["batch", "seq", heads * headWidth]);
  const output = add(x, matmul(joined, weight("wo", [heads * headWidth, width])));
  return sum(mul(output, input("probe", ["batch", "seq", width])));
}

/** Llama's feed-forward layer with its norm: mean of its square. */
function swigluLoss(): Node {
  const h = rmsNorm(x, weight("scale", [width]), 1e-3);
  const [gate, up] = ["gate", "up"].map((name) => matmul(h, weight(name, [5, width]), { transB: true })) as [
    Node,
    Node,
  ];
  const output = add(x, matmul(mul(silu(gate), up), weight("down", [width, 5]), { transB: true }));
  return mean(mul(output, output));
}

export const mixtureShape = { experts: 3, topK: 2, rank: 2, wide: 5 } as const;

/** A frozen layer plus a mixture of low-rank experts, unmerged, gates per row of the batch. */
function mixtureLoss(): Node {
  const { experts, topK, rank, wide } = mixtureShape;
  const gates = softmax(input("logits", ["batch", experts]));
  const kept = mul(gates, topKMask(gates, topK));
  const share = div(kept, sum(kept, [-1], { keepDims: true }));
  const each = broadcast(reshape(share, ["batch", 1, experts, 1]), ["batch", 1, experts, rank]);
  const inner = mul(matmul(x, weight("a", [width, experts * rank])), reshape(each, ["batch", 1, experts * rank]));
  const frozen = matmul(x, weight("w", [wide, width]), { transB: true });
  return mean(
    mul(silu(add(frozen, matmul(inner, weight("b", [experts * rank, wide])))), input("probe", ["batch", "seq", wide])),
  );
}

/** Embedding, norm, tied head, cross-entropy over the counted positions. */
function languageLoss(): Node {
  const table = weight("table", [5, width]);
  const hidden = rmsNorm(gather(table, input("ids", ["batch", "seq"], "i64")), weight("scale", [width]), 1e-3);
  const targets = reshape(input("targets", ["batch", "seq"], "i64"), ["batch*seq"]);
  const losses = crossEntropy(matmul(flattenRows(hidden), table, { transB: true }), targets);
  const counted = input("counted", ["batch", "seq"]);
  return div(sum(mul(losses, reshape(counted, ["batch*seq"]))), sum(counted));
}

export const composedGraphs = {
  attention: {
    title: "grouped causal attention with rotary positions",
    loss: attentionLoss(),
    by: ["x", "wq", "wk", "wv", "wo"],
    sizes,
    ranges: { positions: [0, 8] },
  },
  swiglu: {
    title: "a SwiGLU layer behind its norm",
    loss: swigluLoss(),
    by: ["x", "scale", "gate", "up", "down"],
    sizes,
    ranges: {},
  },
  mixture: {
    title: "a mixture of low-rank experts with gates per sample",
    loss: mixtureLoss(),
    by: ["x", "a", "b", "logits"],
    sizes,
    ranges: {},
  },
  language: {
    title: "a language model's loss with a tied head",
    loss: languageLoss(),
    by: ["table", "scale"],
    sizes,
    ranges: { ids: [0, 5], targets: [0, 5], counted: [0.5, 1] },
  },
} as const satisfies Readonly<Record<string, ComposedGraph>>;
