/**
 * @file One edge model, many specialisations: gates are an input of its decoder, so another specialisation takes their place in no time.
 *
 * Nothing is merged. Every adapted map computes y = W x + Σ_j G_j·(α/r)·B_j A_j x over the whole pool (LoRA-Gen eq. 6), as in training:
 * n·r ranks beside each product instead of none, for a specialisation that is changed by writing L·n numbers.
 */
import { AppError } from "../base/errors.ts";
import { type CachedModelOptions, createCachedModel, type StepChange } from "../decode/cached-model.ts";
import { type Decoder, type DecoderOptions, decoderOver } from "../decode/decoder.ts";
import { gateCount } from "../generator/direct.ts";
import { withExperts } from "../generator/experts.ts";
import { generatorParameters } from "../generator/parameters.ts";
import { input } from "../graph/build.ts";
import { frozenWeights } from "../nn/parts.ts";
import type { WeightSource } from "../runtime/session.ts";
import { intTensor, type Tensor, zeros } from "../runtime/tensor.ts";
import { type MergeOptions, requireScale } from "./merge.ts";
import type { EdgePair } from "./pair.ts";
import { requireSamePair, type Specialization } from "./specialization.ts";

export type SwappableDecoder = Decoder & {
  /**
   * Answers by another specialisation from now on; `undefined`: by the base model. Waits for calls under way. What the cache holds was
   * computed by the specialisation before, so it is let go.
   * @throws E_MISMATCH where the specialisation was made for another pair, and for a strength of 0; E_USAGE for one that this pool cannot have
   */
  swap(specialization: Specialization | undefined, options?: MergeOptions): Promise<void>;
};

const gatesName = "gates";
const promptOfName = "prompt_of";

/**
 * Compiles the edge model of a pair for decoding, unspecialised at first. Its weights may be quantised.
 * @throws E_CONFIG for a generator without a pool, and as `createDecoder`
 */
export async function createSwappableDecoder(pair: EdgePair, options: DecoderOptions = {}): Promise<SwappableDecoder> {
  const { edge, generator } = pair.shape;
  if (generator.generation !== "pool")
    throw new AppError(
      "E_CONFIG",
      "a direct generator makes LoRA weights, not gates: it has no specialisations to swap",
    );
  const gates = zeros("f32", [1, edge.layers, gateCount(pair.shape)]);
  const { reusePrefix, now, ...rest } = options;
  const cached = await createCachedModel(pair.edge, {
    ...rest,
    change: expertChange(pair, gates),
  } as CachedModelOptions);
  const decoder = decoderOver(cached, pair.edge.config, {
    ...(reusePrefix === undefined ? {} : { reusePrefix }),
    ...(now === undefined ? {} : { now }),
  });
  return {
    ...decoder,
    swap: (specialization, { scale = 1 } = {}) =>
      decoder.between(() => {
        if (specialization === undefined) gates.data.fill(0);
        else gates.data.set(gateValues(pair, specialization, scale));
        cached.rewind([], { reuse: false });
      }),
  };
}

/** (L, n) or (L, 2n), the strength in them. */
function gateValues(pair: EdgePair, specialization: Specialization, scale: number): Float32Array {
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

/** The expert pool beside the linear maps it adapts, its gates fed with every step. */
function expertChange({ shape, generator }: EdgePair, gates: Tensor): StepChange {
  const parameters = generatorParameters(shape);
  const frozen = frozenWeights();
  const weights: Record<string, WeightSource> = {};
  for (const [name, data] of generator.tensors)
    if (name.startsWith("experts.")) weights[`generator.${name}`] = { kind: "data", data };
  return {
    wrap: (parts) =>
      withExperts(
        shape,
        parts,
        (name) => frozen(`generator.${name}`, parameters.get(name)!.shape),
        input(gatesName, ["prompts", shape.edge.layers, gateCount(shape)]),
        input(promptOfName, ["batch"], "i64"),
      ),
    weights,
    feeds: { [gatesName]: gates, [promptOfName]: intTensor([1], [0]) },
  };
}
