/** @file Several skills of one model, mixed while it runs: how much of each, layer by layer. */
import { AppError } from "../base/errors.ts";
import type { StepChange } from "../decode/cached-model.ts";
import { input } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import { type Linear, wrapLinear } from "../nn/parts.ts";
import type { WeightSource } from "../runtime/session.ts";
import { type Tensor, zeros } from "../runtime/tensor.ts";

/** How much of each skill: (layers, skills). All 0: the base model. */
export type Shares = readonly (readonly number[])[];

/** A change beside the weights that is steered by writing new shares: what a cache holds of others is not true any more. */
export type Steered = { readonly change: StepChange; readonly steer: (shares: Shares) => void };

export type SkillPool = {
  readonly kind: "svf" | "lora" | "dora" | "ia3";
  /** Of the skills that are mixed, the one that dispatches left out. */
  readonly names: readonly string[];
  readonly layers: number;
  /** Of the skills that are mixed. */
  readonly bytes: number;
  /** Mixes all skills but the dispatching one, from the base model on. */
  readonly steered: () => Steered;
  /** The skill that names others, whole; absent where the pool has none. */
  readonly classifier?: StepChange;
  /** Writes a mixture into a folder, in the format of a single skill. */
  readonly save: (directory: string, shares: Shares, madeBy: Readonly<Record<string, string>>) => Promise<void>;
};

export type Named<T> = { readonly name: string; readonly skill: T };

/** What a kind of skills brings to a pool: the change that mixes them, the one that names others, neither steered yet. */
type PoolParts<T> = Pick<SkillPool, "kind" | "layers" | "save"> & {
  readonly skills: readonly Named<T>[];
  readonly bytesOf: (skill: T) => number;
  readonly steering: () => Steered;
  readonly dispatching: Steered | undefined;
};

export function openPool<T>({ skills, bytesOf, steering, dispatching, ...pool }: PoolParts<T>): SkillPool {
  dispatching?.steer(everywhere(pool.layers, [1]));
  const none = everywhere(
    pool.layers,
    skills.map(() => 0),
  );
  return {
    ...pool,
    names: skills.map(({ name }) => name),
    bytes: skills.reduce((sum, { skill }) => sum + bytesOf(skill), 0),
    steered() {
      const steered = steering();
      steered.steer(none);
      return steered;
    },
    ...(dispatching === undefined ? {} : { classifier: dispatching.change }),
  };
}

/** The same shares in every layer. */
export const everywhere = (layers: number, shares: readonly number[]): Shares =>
  Array.from({ length: layers }, () => shares);

/** One skill whole. Throws E_USAGE for a name that the pool does not have. */
export function whole({ names, steered, layers }: SkillPool, name: string): StepChange {
  if (!names.includes(name))
    throw new AppError("E_USAGE", `skill: expected one of ${names.join(", ")}, found ${JSON.stringify(name)}`);
  const { change, steer } = steered();
  steer(
    everywhere(
      layers,
      names.map((other) => Number(other === name)),
    ),
  );
  return change;
}

/** The layer that a weight belongs to, from its name. */
export function layerOf(weight: string): number {
  const found = /\.(\d+)\./.exec(weight)?.[1];
  if (found === undefined) throw new AppError("E_MISMATCH", `${weight}: expected a weight of a layer`);
  return Number(found);
}

/** A map that skills change. */
export type SteeredMap = {
  /** What a skill adds or replaces, given what steers it: a vector of `size` numbers. */
  readonly wrap: (plain: Linear, steering: Node) => Linear;
  /** What becomes of the map's bias, where it has one; without it the bias stays. */
  readonly wrapBias?: (plain: Node, steering: Node) => Node;
  readonly size: number;
  /** What the vector is for a layer's shares. */
  readonly steer: (values: Float32Array, shares: readonly number[]) => void;
};

/** A change of maps, each steered by a vector that is fed with every step. */
export function steeredMaps(
  maps: ReadonlyMap<string, SteeredMap>,
  weights: Readonly<Record<string, WeightSource>>,
): Steered {
  const feeds: Record<string, Tensor<"f32">> = {};
  const nodes = new Map<string, Node>();
  for (const [weight, { size }] of maps) {
    const name = `skills.${weight}`;
    feeds[name] = zeros("f32", [size]);
    nodes.set(weight, input(name, [size]));
  }
  const wrap: StepChange["wrap"] = (parts) => ({
    ...wrapLinear(parts, (name, plain) => {
      const map = maps.get(`${name}.weight`);
      return map === undefined ? plain : map.wrap(plain, nodes.get(`${name}.weight`)!);
    }),
    weight(name, shape) {
      const plain = parts.weight(name, shape);
      const weight = name.replace(/\.bias$/, ".weight");
      const wrapBias = weight === name ? undefined : maps.get(weight)?.wrapBias;
      return wrapBias === undefined ? plain : wrapBias(plain, nodes.get(weight)!);
    },
  });
  const steer = (shares: Shares): void => {
    for (const [weight, map] of maps) map.steer(feeds[`skills.${weight}`]!.data, shares[layerOf(weight)]!);
  };
  return { change: { wrap, weights, feeds }, steer };
}
