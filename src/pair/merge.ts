/** @file Gates to LoRA weights, and LoRA weights merged into the edge model: no prompt and no further operations at inference. */
import { AppError } from "../base/errors.ts";
import type { ExpertTarget, GeneratorConfig } from "../generator/config.ts";
import { directLora } from "../generator/direct.ts";
import { parameterNames } from "../generator/parameters.ts";
import type { LowRank } from "../lora/low-rank.ts";
import type { ModelConfig } from "../models/config.ts";
import { mergeAdapter } from "../models/merge-adapter.ts";
import { linearName, linearSize, ownMaps } from "../models/parameters.ts";
import type { Device, WeightSource } from "../runtime/session.ts";
import type { EdgePair } from "./pair.ts";
import { requireSamePair, type Specialization } from "./specialization.ts";

export type { LowRank } from "../lora/low-rank.ts";

export type MergedEdge = {
  readonly config: ModelConfig;
  readonly weights: Readonly<Record<string, WeightSource>>;
  /** The base weights, untouched by the merge: bit for bit those of the edge model. */
  unmerge(): Readonly<Record<string, WeightSource>>;
};

export type MergeOptions = {
  /** Strength: 1 is the specialisation, 0.5 half of it; from -100 to 100 and not 0. */
  readonly scale?: number;
  /** Where the merged weights are computed; they come back into memory. */
  readonly device?: Device;
};

/** Largest strength, to either side. */
export const maxScale = 100;

/** Throws E_USAGE for what is no strength, E_MISMATCH for 0: a merge that changes nothing is an error. */
export function requireScale(scale: number): void {
  if (!(Math.abs(scale) <= maxScale))
    throw new AppError("E_USAGE", `scale: expected a number from -${maxScale} to ${maxScale}, found ${scale}`);
  if (scale === 0)
    throw new AppError("E_MISMATCH", "scale: the merge changes no weight: expected a strength other than 0, found 0");
}

/**
 * The LoRA of every adapted weight: Σ_j G_j·(α/r)·B_j·A_j over the experts in use, by stacking their ranks (K·r),
 * or one rank-r pair of mixed factors, by the same gates or gates apart (`compose`); of a direct generator the pair that it makes.
 * @throws E_MISMATCH where the specialisation was made for another pair, and for a strength of 0; E_USAGE for what is no strength
 */
export function assembleLora(
  pair: EdgePair,
  specialization: Specialization,
  { scale = 1 }: MergeOptions = {},
): Map<string, LowRank> {
  requireScale(scale);
  requireSamePair("specialization", specialization, pair);
  const { generator, edge } = pair.shape;
  const assembled = new Map<string, LowRank>();
  for (let layer = 0; layer < edge.layers; layer++) {
    for (const target of ownMaps(edge, layer, generator.targets)) {
      const lora = assemblers[generator.generation](generator);
      assembled.set(
        `${linearName(edge, layer, target)}.weight`,
        lora(pair, target, layer, specialization.gates[layer]!, scale),
      );
    }
  }
  return assembled;
}

type Assemble = (
  pair: EdgePair,
  target: ExpertTarget,
  layer: number,
  gates: readonly number[],
  scale: number,
) => LowRank;

function expertFactors(pair: EdgePair, target: ExpertTarget, layer: number) {
  const { generator, edge } = pair.shape;
  const pool = generator.poolScope === "shared" ? 0 : layer;
  const { inputs, outputs } = linearSize(edge, target);
  const tensor = (side: "A" | "B") => pair.generator.tensors.get(parameterNames.expert(pool, target, side))!;
  return {
    inputs,
    outputs,
    rank: generator.rank,
    factor: generator.alpha / generator.rank,
    a: tensor("A"),
    b: tensor("B"),
  };
}

const stackExperts: Assemble = (pair, target, layer, gates, scale) => {
  const { inputs, outputs, rank, factor, a, b } = expertFactors(pair, target, layer);
  const used = gates.flatMap((gate, expert) => (gate === 0 ? [] : [{ gate, expert }]));
  const stacked = {
    rank: used.length * rank,
    inputs,
    outputs,
    a: new Float32Array(used.length * rank * inputs),
    b: new Float32Array(used.length * rank * outputs),
  };
  used.forEach(({ gate, expert }, i) => {
    stacked.a.set(a.subarray(expert * rank * inputs, (expert + 1) * rank * inputs), i * rank * inputs);
    const part = b.subarray(expert * rank * outputs, (expert + 1) * rank * outputs);
    const strength = gate * factor * scale;
    for (let j = 0; j < part.length; j++) stacked.b[i * rank * outputs + j] = part[j]! * strength;
  });
  return stacked;
};

const mixFactors: Assemble = (pair, target, layer, gates, scale) => {
  const { inputs, outputs, rank, factor, a, b } = expertFactors(pair, target, layer);
  const mixed = { rank, inputs, outputs, a: new Float32Array(rank * inputs), b: new Float32Array(rank * outputs) };
  const { experts } = pair.shape.generator;
  const ofB = gates.slice(-experts); // behind those of A, or the same
  for (let expert = 0; expert < experts; expert++) {
    const [gateA, gateB] = [gates[expert]!, ofB[expert]! * factor * scale];
    if (gateA !== 0) for (let j = 0; j < mixed.a.length; j++) mixed.a[j]! += gateA * a[expert * rank * inputs + j]!;
    if (gateB !== 0) for (let j = 0; j < mixed.b.length; j++) mixed.b[j]! += gateB * b[expert * rank * outputs + j]!;
  }
  return mixed;
};

/** U (Σ ⊙ Σ_j G_j (z_j − 1)) Vᵀ, of rank r. */
const scaleFactors: Assemble = (pair, target, layer, gates, scale) => {
  const { generator, edge } = pair.shape;
  const { inputs, outputs } = linearSize(edge, target);
  const { rank } = generator;
  const tensor = (name: string) => pair.generator.tensors.get(name)!;
  const z = tensor(parameterNames.factors(layer, target));
  const u = tensor(parameterNames.svd(layer, target, "u"));
  const b = new Float32Array(u.length);
  for (let r = 0; r < rank; r++) {
    const factor = scale * gates.reduce((sum, gate, expert) => sum + gate * (z[expert * rank + r]! - 1), 0);
    for (let i = r * outputs; i < (r + 1) * outputs; i++) b[i] = factor * u[i]!;
  }
  return { rank, inputs, outputs, a: tensor(parameterNames.svd(layer, target, "v")), b };
};

/**
 * W̃ = W + B·A for every adapted weight (LoRA-Gen eq. 1); all other weights stay where they are.
 * @throws E_CONFIG for a quantised edge model, and as `assembleLora`
 */
export async function merge(
  pair: EdgePair,
  specialization: Specialization,
  { scale, device }: MergeOptions = {},
): Promise<MergedEdge> {
  const { weights: base, quantization, blocks } = pair.edge;
  if (blocks !== undefined)
    throw new AppError(
      "E_CONFIG",
      "the edge model is held in the blocks of its GGUF file: its specialisations stay beside its weights, or the pair is opened with keepBlocks: false, which widens them",
    );
  if (quantization !== undefined)
    throw new AppError(
      "E_CONFIG",
      `the edge model is quantised to ${quantization.bits} bits: its specialisations stay beside its weights, or are merged with --requantize`,
    );
  const adapter = assembleLora(pair, specialization, scale === undefined ? {} : { scale });
  const weights = await mergeAdapter(base, adapter, device === undefined ? {} : { device });
  return { config: pair.edge.config, weights, unmerge: () => base };
}

/** How each kind of generator makes LoRA of a layer's numbers. */
const assemblers: { readonly [G in GeneratorConfig["generation"]]: (config: GeneratorConfig) => Assemble } = {
  pool: ({ compose }) => (compose === "delta" ? stackExperts : mixFactors),
  direct: () => directLora,
  svf: () => scaleFactors,
};
