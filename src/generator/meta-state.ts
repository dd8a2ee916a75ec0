/** @file Which hidden state of a meta token the router reads: key `metaState`. */
import { add, concat, flattenRows, gather, mean, scale, slice } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import { finalNorm } from "../models/decoder.ts";
import type { Parts } from "../nn/parts.ts";
import type { GeneratorConfig } from "./config.ts";
import type { PairShape } from "./parameters.ts";

type States = {
  /** What left each cloud layer: (p, t, d) each. */
  readonly outputs: readonly Node[];
  readonly norm: (x: Node) => Node;
  /** (p, L) i64: where the meta tokens lie in the flattened (p·t) rows. */
  readonly metaRows: Node;
};

/** (p, t, d) at the meta tokens: (p, L, d). */
const rowsOf = (x: Node, metaRows: Node): Node => gather(flattenRows(x), metaRows);

/** Of cloud layers 1 … Lc, the one that edge layer i of 1 … Le reads: max(1, round(i·Lc/Le)), the last one the last. */
export const matchedLayer = (i: number, { cloud, edge }: Pick<PairShape, "cloud" | "edge">): number =>
  Math.max(1, Math.round((i * cloud.layers) / edge.layers));

type Read = (states: States, shape: PairShape) => Node;

const reads: { readonly [S in GeneratorConfig["metaState"]]: Read } = {
  last: ({ outputs, norm, metaRows }) => rowsOf(norm(outputs.at(-1)!), metaRows),
  preNorm: ({ outputs, metaRows }) => rowsOf(outputs.at(-1)!, metaRows),
  mean: ({ outputs, norm, metaRows }) =>
    scale(outputs.map((x) => norm(rowsOf(x, metaRows))).reduce(add), 1 / outputs.length),
  matched: ({ outputs, norm, metaRows }, shape) =>
    concat(
      Array.from({ length: shape.edge.layers }, (_, i) =>
        norm(rowsOf(outputs[matchedLayer(i + 1, shape) - 1]!, slice(metaRows, 1, i, i + 1))),
      ),
      1,
    ),
};

/**
 * The hidden states of the meta tokens, as `metaState` says.
 * @param outputs what left each cloud layer: (p, t, d) each
 * @returns (p, L, d)
 */
export function readMetaState(shape: PairShape, parts: Parts, outputs: readonly Node[], metaRows: Node): Node {
  const norm = (x: Node) => finalNorm(shape.cloud, parts, x);
  return reads[shape.generator.metaState]({ outputs, norm, metaRows }, shape);
}

/** The mean over the meta tokens of what left one cloud layer, of 1 … Lc: what kind of text their prompt is. Returns (p, d). */
export const promptState = (outputs: readonly Node[], metaRows: Node, layer: number): Node =>
  mean(rowsOf(outputs[layer - 1]!, metaRows), [1]);
