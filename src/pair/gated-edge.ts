/**
 * @file The edge model of a pair with its gates as an input: every row of a batch by a specialisation of its own.
 *
 * Nothing is merged. Every adapted map computes y = W x + Σ_j G_j·(α/r)·B_j A_j x over the whole pool (LoRA-Gen eq. 6), as in training:
 * n·r ranks beside each product instead of none, for a specialisation that is changed by writing L·n numbers. Over singular values it is
 * y = W x + U (Σ ⊙ Σ_j G_j (z_j − 1)) Vᵀ x, r ranks beside each product.
 */
import { AppError } from "../base/errors.ts";
import type { StepChange } from "../decode/cached-model.ts";
import { gateCount, generations } from "../generator/generations.ts";
import { generatorParameters, type PairShape } from "../generator/parameters.ts";
import { input } from "../graph/build.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { frozenWeights, type Parts } from "../nn/parts.ts";
import type { Feeds, WeightSource } from "../runtime/session.ts";
import { intTensor, type Tensor, zeros } from "../runtime/tensor.ts";
import { type MergeOptions, requireScale } from "./merge.ts";
import type { EdgePair } from "./pair.ts";
import { requireSamePair, type Specialization } from "./specialization.ts";

const gatesName = "gates";
const promptOfName = "prompt_of";

/** How gates adapt the edge model. Throws E_CONFIG for a generator without a pool. */
export function requirePool({
  shape,
}: Pick<EdgePair, "shape">): NonNullable<(typeof generations)["pool"]["withGates"]> {
  const { withGates } = generations[shape.generator.generation];
  if (withGates === undefined)
    throw new AppError(
      "E_CONFIG",
      "a direct generator makes LoRA weights, not gates: it has no specialisations to swap",
    );
  return withGates;
}

/** What `poolParameters` reads of a generator, and beside the edge model's weights the singular vectors that its pool scales. */
export function poolSources({ generator }: Pick<EdgePair, "generator">, edgePrefix = ""): Record<string, WeightSource> {
  const sources: Record<string, WeightSource> = {};
  for (const [name, data] of generator.tensors) {
    if (/^(experts|factors)\./.test(name)) sources[`generator.${name}`] = { kind: "data", data };
    if (name.startsWith("svd.")) sources[edgePrefix + name] = { kind: "data", data };
  }
  return sources;
}

/** A pool's tensors as frozen weights of a graph. */
export function poolParameters(shape: PairShape): Parts["weight"] {
  const infos = generatorParameters(shape);
  const frozen = frozenWeights();
  return (name) => frozen(`generator.${name}`, infos.get(name)!.shape);
}

/** How many numbers a specialisation is: L·n, or L·2n where A and B have gates of their own. */
export const gatesLength = ({ shape }: EdgePair): number => shape.edge.layers * gateCount(shape);

/**
 * (L, n) or (L, 2n), the strength in them.
 * @throws E_MISMATCH where the specialisation was made for another pair, and for a strength of 0; E_USAGE for one that this pool cannot have
 */
export function gateValues(
  pair: EdgePair,
  specialization: Specialization,
  { scale = 1 }: Pick<MergeOptions, "scale"> = {},
): Float32Array {
  requireSamePair("specialization", specialization, pair);
  requireScale(scale);
  const { compose } = pair.shape.generator;
  if (compose === "factors" && scale < 0)
    throw new AppError("E_USAGE", `scale: mixed factors take a strength above 0, found ${scale}`);
  // Mixed factors multiply their gates: each of the two takes the root of the strength, or that of B all of it where it has its own.
  const strength = compose === "factors" ? Math.sqrt(scale) : scale;
  const from = compose === "factorsApart" ? pair.shape.generator.experts : 0;
  return Float32Array.from(
    specialization.gates.flatMap((row) => row.map((gate, i) => (i < from ? gate : gate * strength))),
  );
}

/**
 * The pool beside the linear maps it adapts: `change` is what the graph becomes, `feeds` what every step reads. Throws as `requirePool`.
 * @param rows of the batch: any number, or 1 where all of them have the same gates
 */
export function gatedExperts(
  pair: EdgePair,
  rows: "batch" | 1 = "batch",
): {
  readonly change: Pick<StepChange, "wrap" | "weights">;
  /** @param gates of each row of the batch, one after the other: (batch, L, n) */
  readonly feeds: (gates: Tensor<"f32">) => Feeds;
} {
  const { shape } = pair;
  const adapt = requirePool(pair);
  const parameters = poolParameters(shape);
  const wrap: StepChange["wrap"] = (parts) =>
    adapt({
      shape,
      frozen: parts,
      parameters,
      gates: input(gatesName, ["prompts", shape.edge.layers, gateCount(shape)]),
      promptOf: input(promptOfName, [rows], "i64"),
    });
  return {
    change: { wrap, weights: poolSources(pair) },
    feeds: (gates) => {
      const batch = gates.shape[0]!;
      return {
        [gatesName]: gates,
        [promptOfName]: intTensor(
          [batch],
          Array.from({ length: batch }, (_, row) => row),
        ),
      };
    },
  };
}

/** The pair's experts beside its edge model, by gates (L, n) that are written from outside. */
export function steeredGates(pair: EdgePair): {
  readonly change: StepChange;
  readonly steer: (gates: Float32Array) => void;
} {
  const { change, feeds } = gatedExperts(pair, 1);
  const { layers } = pair.shape.edge;
  const width = gateCount(pair.shape);
  const gates = zeros("f32", [1, layers, width]);
  return { change: { ...change, feeds: feeds(gates) }, steer: (values) => gates.data.set(values) };
}

/**
 * The edge model steered by gates, for one session: each specialisation takes the place of the one before. Throws as `requirePool`, what it
 * returns as `gateValues`.
 */
export function swappedEdge(
  pair: EdgePair,
): (specialization: Specialization) => Promise<{ readonly model: FrozenModel; readonly change: StepChange }> {
  const { change, steer } = steeredGates(pair);
  const steered = { ...change, steered: true };
  return async (specialization) => {
    steer(gateValues(pair, specialization));
    return { model: pair.edge, change: steered };
  };
}
