/** @file LoRA adapters as a pool: y = W x + Σ α_k B_k A_k x, all adapters in one product. */
import { add, matmul, mul, weight as weightNode } from "../graph/build.ts";
import type { Adapter, LowRank } from "../lora/low-rank.ts";
import { type PeftOptions, writePeft } from "../lora/peft-format.ts";
import type { WeightSource } from "../runtime/session.ts";
import {
  layerOf,
  type Named,
  openPool,
  type Shares,
  type SkillPool,
  type Steered,
  type SteeredMap,
  steeredMaps,
} from "./skill-pool.ts";

export function loraPool(
  layers: number,
  skills: readonly Named<Adapter>[],
  classifier: Adapter | undefined,
  base: Pick<PeftOptions, "baseName" | "fused">,
): SkillPool {
  const adapters = skills.map(({ skill }) => skill);
  return openPool({
    kind: "lora",
    layers,
    skills,
    bytesOf,
    steering: () => steering(adapters),
    dispatching: classifier && steering([classifier]),
    async save(directory, shares) {
      await writePeft(directory, mixture(adapters, shares), base);
    },
  });
}

const bytesOf = (adapter: Adapter): number =>
  [...adapter.values()].reduce((sum, { a, b }) => sum + 4 * (a.length + b.length), 0);

/** The adapters' changes of one weight, one behind the other: `of` says whose each row is. */
type Joined = LowRank & { readonly of: readonly number[] };

export function joined(adapters: readonly Adapter[]): Map<string, Joined> {
  const names = new Set(adapters.flatMap((adapter) => [...adapter.keys()]));
  return new Map(
    [...names].map((name) => {
      const parts = adapters.flatMap((adapter, skill) => {
        const part = adapter.get(name);
        return part === undefined ? [] : [{ skill, part }];
      });
      const { inputs, outputs } = parts[0]!.part;
      const of = parts.flatMap(({ skill, part }) => new Array<number>(part.rank).fill(skill));
      const side = (which: "a" | "b") => Float32Array.from(parts.flatMap(({ part }) => [...part[which]]));
      return [name, { rank: of.length, inputs, outputs, a: side("a"), b: side("b"), of }];
    }),
  );
}

function steering(adapters: readonly Adapter[]): Steered {
  const maps = new Map<string, SteeredMap>();
  const weights: Record<string, WeightSource> = {};
  for (const [weight, { rank, inputs, outputs, a, b, of }] of joined(adapters)) {
    const names = { a: `skills.${weight}.a`, b: `skills.${weight}.b` };
    weights[names.a] = { kind: "data", data: a };
    weights[names.b] = { kind: "data", data: b };
    const sides = { a: weightNode(names.a, [rank, inputs]), b: weightNode(names.b, [rank, outputs]) };
    maps.set(weight, {
      size: rank,
      wrap: (plain, gates) => (x) => add(plain(x), matmul(mul(matmul(x, sides.a, { transB: true }), gates), sides.b)),
      steer: (values, shares) => values.set(of.map((skill) => shares[skill]!)),
    });
  }
  return steeredMaps(maps, weights);
}

/** One adapter out of several, its rank the sum of theirs. */
export function mixture(adapters: readonly Adapter[], shares: Shares): Map<string, LowRank> {
  return new Map(
    [...joined(adapters)].map(([weight, { of, ...change }]) => {
      const b = change.b.map((value, i) => value * shares[layerOf(weight)]![of[Math.floor(i / change.outputs)]!]!);
      return [weight, { ...change, b }];
    }),
  );
}
