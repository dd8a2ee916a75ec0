/**
 * @file The edge model of a pair with its gates as an input: every row of a batch by a specialisation of its own.
 *
 * Nothing is merged. Every adapted map computes y = W x + Σ_j G_j·(α/r)·B_j A_j x over the whole pool (LoRA-Gen eq. 6), as in training:
 * n·r ranks beside each product instead of none, for a specialisation that is changed by writing L·n numbers.
 */
import { AppError } from "../base/errors.ts";
import type { StepChange } from "../decode/cached-model.ts";
import { withExperts } from "../generator/experts.ts";
import { gateCount } from "../generator/generations.ts";
import { generatorParameters } from "../generator/parameters.ts";
import { input } from "../graph/build.ts";
import { frozenWeights } from "../nn/parts.ts";
import type { Feeds, WeightSource } from "../runtime/session.ts";
import { intTensor, type Tensor } from "../runtime/tensor.ts";
import { type MergeOptions, requireScale } from "./merge.ts";
import type { EdgePair } from "./pair.ts";
import { requireSamePair, type Specialization } from "./specialization.ts";

const gatesName = "gates";
const promptOfName = "prompt_of";

/** Throws E_CONFIG for a generator without a pool. */
export function requirePool({ shape }: EdgePair): void {
  const { generation } = shape.generator;
  if (generation === "direct")
    throw new AppError(
      "E_CONFIG",
      "a direct generator makes LoRA weights, not gates: it has no specialisations to swap",
    );
  if (generation !== "pool")
    throw new AppError(
      "E_CONFIG",
      "factors of singular values are merged into the weights: such a generator has no specialisations to swap",
    );
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
 * The expert pool beside the linear maps it adapts: `change` is what the graph becomes, `feeds` what every step reads.
 * @param rows of the batch: any number, or 1 where all of them have the same gates
 */
export function gatedExperts(
  { shape, generator }: EdgePair,
  rows: "batch" | 1 = "batch",
): {
  readonly change: Pick<StepChange, "wrap" | "weights">;
  /** @param gates of each row of the batch, one after the other: (batch, L, n) */
  readonly feeds: (gates: Tensor<"f32">) => Feeds;
} {
  const parameters = generatorParameters(shape);
  const frozen = frozenWeights();
  const weights: Record<string, WeightSource> = {};
  for (const [name, data] of generator.tensors)
    if (name.startsWith("experts.")) weights[`generator.${name}`] = { kind: "data", data };
  const wrap: StepChange["wrap"] = (parts) =>
    withExperts({
      shape,
      frozen: parts,
      parameters: (name) => frozen(`generator.${name}`, parameters.get(name)!.shape),
      gates: input(gatesName, ["prompts", shape.edge.layers, gateCount(shape)]),
      promptOf: input(promptOfName, [rows], "i64"),
    });
  return {
    change: { wrap, weights },
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
