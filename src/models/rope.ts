/** @file Rotary tables: cos and sin of every position and frequency, in the precision transformers has, as weights of a model. */
import type { WeightSource } from "../runtime/session.ts";
import { architectures } from "./architectures/index.ts";
import type { ModelConfig, RopeScaling } from "./config.ts";

/** Rotary tables (context, turned/2): bound as frozen weights. */
export const ropeNames = { cos: "rope.cos", sin: "rope.sin" } as const;

/** The same for layers with a window, where these turn by other frequencies. */
export const windowRopeNames = { cos: "rope.window.cos", sin: "rope.window.sin" } as const;

type Shape = Pick<ModelConfig, "context" | "headDim" | "turned" | "ropeTheta" | "ropeScaling">;

/** How many numbers of a head are turned. */
export const turnedOf = ({ headDim, turned = headDim }: Pick<ModelConfig, "headDim" | "turned">): number => turned;

/** cos and sin of position · frequency: (context, turned/2) each. The angle is rounded to fp32, as transformers and llama.cpp do. */
export function ropeTables(config: Shape): { cos: Float32Array; sin: Float32Array } {
  const { context, ropeScaling } = config;
  const frequencies = ropeFrequencies(config);
  const magnitude = ropeScaling !== undefined && "magnitude" in ropeScaling ? ropeScaling.magnitude : 1;
  const half = frequencies.length;
  const cos = new Float32Array(context * half);
  const sin = new Float32Array(context * half);
  frequencies.forEach((frequency, i) => {
    for (let position = 0; position < context; position++) {
      const angle = Math.fround(position * frequency);
      cos[position * half + i] = magnitude * Math.cos(angle);
      sin[position * half + i] = magnitude * Math.sin(angle);
    }
  });
  return { cos, sin };
}

/** theta^(−2i/d), stretched: (turned/2) */
export function ropeFrequencies({ ropeTheta, ropeScaling, ...head }: Omit<Shape, "context">): Float32Array {
  const half = turnedOf(head) / 2;
  const plain = Float32Array.from({ length: half }, (_, i) => ropeTheta ** (-i / half));
  if (ropeScaling?.type === "yarn") return yarn(plain, ropeTheta, ropeScaling);
  if (ropeScaling?.type === "longrope") return plain.map((frequency, i) => frequency / ropeScaling.short[i]!);
  return plain.map((frequency) => stretched(frequency, ropeScaling));
}

function stretched(
  frequency: number,
  scaling: Exclude<RopeScaling, { type: "yarn" | "longrope" }> | undefined,
): number {
  if (scaling === undefined || scaling.type === "dynamic") return frequency;
  if (scaling.type === "linear") return frequency / scaling.factor;
  // Llama 3.1: long waves are stretched, short ones are not, those between are mixed.
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = scaling;
  const turns = (originalContext * frequency) / (2 * Math.PI);
  if (turns < low) return frequency / factor;
  if (turns > high) return frequency;
  const share = (turns - low) / (high - low);
  return ((1 - share) * frequency) / factor + share * frequency;
}

/** YaRN (https://arxiv.org/abs/2309.00071, §3.2): the same idea, mixed by the index of a frequency. */
function yarn(plain: Float32Array, theta: number, scaling: Extract<RopeScaling, { type: "yarn" }>): Float32Array {
  const { factor, originalContext, fast, slow } = scaling;
  const size = 2 * plain.length;
  const index = (turns: number) => (size * Math.log(originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const first = Math.max(Math.floor(index(fast)), 0);
  const last = Math.min(Math.ceil(index(slow)), size - 1);
  const width = first === last ? 0.001 : last - first;
  return plain.map((frequency, i) => {
    const share = Math.min(Math.max((i - first) / width, 0), 1);
    return (share * frequency) / factor + (1 - share) * frequency;
  });
}

/** Positions × head size that rotary tables are made for: 131,072 positions of 128. A context beyond it is used up to it. */
export const ropeLimit = 2 ** 24;

const isRotary = ({ modelType }: ModelConfig): boolean => architectures[modelType].positions === "rotary";

/** The configuration with the context that is used; of longrope the one before all keys would have to be turned anew. */
export function withinRopeLimit(config: ModelConfig): ModelConfig {
  if (!isRotary(config)) return config;
  const { context, headDim, ropeScaling } = config;
  const original = ropeScaling?.type === "longrope" ? ropeScaling.originalContext : context;
  return { ...config, context: Math.min(context, original, Math.floor(ropeLimit / headDim)) };
}

/**
 * The rotary tables of a model as frozen weights, made when first asked for: no tensor in a file vouches for their size.
 * None where positions are learned.
 */
export function ropeWeights(config: ModelConfig): Record<string, WeightSource> {
  if (!isRotary(config)) return {};
  const { windowRotary } = config;
  if (windowRotary === undefined) return lazyTables(config, ropeNames);
  const { theta, scaling } = windowRotary;
  const ofWindows = { ...config, ropeTheta: theta, ropeScaling: scaling };
  return { ...lazyTables(config, ropeNames), ...lazyTables(ofWindows, windowRopeNames) };
}

function lazyTables(
  shape: Parameters<typeof ropeTables>[0],
  names: { readonly cos: string; readonly sin: string },
): Record<string, WeightSource> {
  let made: ReturnType<typeof ropeTables> | undefined;
  const table = (name: "cos" | "sin"): WeightSource => ({
    kind: "data",
    get data() {
      made ??= ropeTables(shape);
      return made[name];
    },
  });
  return { [names.cos]: table("cos"), [names.sin]: table("sin") };
}
