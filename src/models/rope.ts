/** @file Rotary tables: cos and sin of every position and frequency, in the precision transformers has, as weights of a model. */
import type { WeightSource } from "../runtime/session.ts";
import { architectures } from "./architectures/index.ts";
import type { ModelConfig, RopeScaling } from "./config.ts";

/** Rotary tables (context, headDim/2): bound as frozen weights. */
export const ropeNames = { cos: "rope.cos", sin: "rope.sin" } as const;

type Shape = Pick<ModelConfig, "context" | "headDim" | "ropeTheta" | "ropeScaling">;

/** cos and sin of position · frequency: (context, headDim/2) each. The angle is rounded to fp32, as transformers and llama.cpp do. */
export function ropeTables(config: Shape): { cos: Float32Array; sin: Float32Array } {
  const { context } = config;
  const frequencies = ropeFrequencies(config);
  const half = frequencies.length;
  const cos = new Float32Array(context * half);
  const sin = new Float32Array(context * half);
  frequencies.forEach((frequency, i) => {
    for (let position = 0; position < context; position++) {
      const angle = Math.fround(position * frequency);
      cos[position * half + i] = Math.cos(angle);
      sin[position * half + i] = Math.sin(angle);
    }
  });
  return { cos, sin };
}

/** theta^(−2i/d), stretched: (headDim/2) */
export function ropeFrequencies({ headDim, ropeTheta, ropeScaling }: Omit<Shape, "context">): Float32Array {
  const half = headDim / 2;
  return Float32Array.from({ length: half }, (_, i) => stretched(Math.fround(ropeTheta ** (-i / half)), ropeScaling));
}

function stretched(frequency: number, scaling: RopeScaling | undefined): number {
  if (scaling === undefined) return frequency;
  if (scaling.type === "linear") return frequency / scaling.factor;
  // Llama 3.1: long waves are stretched, short ones are not, those between are mixed.
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = scaling;
  const turns = (originalContext * frequency) / (2 * Math.PI);
  if (turns < low) return frequency / factor;
  if (turns > high) return frequency;
  const share = (turns - low) / (high - low);
  return ((1 - share) * frequency) / factor + share * frequency;
}

/** Positions × head size that rotary tables are made for: 131,072 positions of 128. A context beyond it is used up to it. */
export const ropeLimit = 2 ** 24;

const isRotary = ({ modelType }: ModelConfig): boolean => architectures[modelType].positions === "rotary";

/** The configuration with the context that is used. */
export const withinRopeLimit = (config: ModelConfig): ModelConfig =>
  isRotary(config) ? { ...config, context: Math.min(config.context, Math.floor(ropeLimit / config.headDim)) } : config;

/**
 * The rotary tables of a model as frozen weights, made when first asked for: no tensor in a file vouches for their size.
 * None where positions are learned.
 */
export function ropeWeights(config: ModelConfig): Record<string, WeightSource> {
  if (!isRotary(config)) return {};
  let made: ReturnType<typeof ropeTables> | undefined;
  const table = (name: "cos" | "sin"): WeightSource => ({
    kind: "data",
    get data() {
      made ??= ropeTables(config);
      return made[name];
    },
  });
  return { [ropeNames.cos]: table("cos"), [ropeNames.sin]: table("sin") };
}
