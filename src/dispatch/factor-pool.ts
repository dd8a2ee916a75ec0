/** @file LoRAs of one shape whose factors are mixed, A = Σ w_i A_i and B = Σ w_i B_i: LoraHub's mixture, of the rank of each. */
import { AppError } from "../base/errors.ts";
import type { StepChange } from "../decode/cached-model.ts";
import { input, weight } from "../graph/build.ts";
import type { Adapter, LowRank } from "../lora/low-rank.ts";
import { withMixedFactors } from "../nn/lora.ts";
import { wrapLinear } from "../nn/parts.ts";
import type { WeightSource } from "../runtime/session.ts";
import { type Tensor, zeros } from "../runtime/tensor.ts";

/** The pool: LoRAs of one shape, stacked. */
export type FactorPool = {
  readonly names: readonly string[];
  /** A weight's name → A (n·r, in), Bᵀ (n·r, out), one LoRA behind the other. */
  readonly maps: ReadonlyMap<string, LowRank>;
};

/** Throws E_MISMATCH where two LoRAs change other maps, or have other ranks: their factors do not add up. */
export function stacked(
  folder: string,
  adapters: readonly { readonly name: string; readonly skill: Adapter }[],
): FactorPool {
  const shapeOf = (adapter: Adapter) =>
    JSON.stringify([...adapter].map(([name, { rank }]) => [name, rank]).sort(([a], [b]) => (a! < b! ? -1 : 1)));
  const [first] = adapters;
  const odd = adapters.find(({ skill }) => shapeOf(skill) !== shapeOf(first!.skill));
  if (odd !== undefined)
    throw new AppError(
      "E_MISMATCH",
      `${folder}: expected LoRAs of the same maps and ranks, found "${odd.name}" beside "${first!.name}"`,
    );
  const join = (parts: readonly Float32Array[]): Float32Array => {
    const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  };
  const maps = [...first!.skill].map(([name, change]) => {
    const parts = adapters.map(({ skill }) => skill.get(name)!);
    const side = (which: "a" | "b") => join(parts.map((part) => part[which]));
    return [name, { ...change, rank: change.rank * adapters.length, a: side("a"), b: side("b") }] as const;
  });
  return { names: adapters.map(({ name }) => name), maps: new Map(maps) };
}

/** The LoRA of these weights: A = Σ w_i A_i, B = Σ w_i B_i. */
export function mixed({ names, maps }: FactorPool, weights: readonly number[]): Adapter {
  const mix = (all: Float32Array): Float32Array => {
    const one = new Float32Array(all.length / names.length);
    weights.forEach((share, i) => {
      for (let j = 0; j < one.length; j++) one[j]! += share * all[i * one.length + j]!;
    });
    return one;
  };
  return new Map(
    [...maps].map(([name, { rank, a, b, ...size }]) => [
      name,
      { ...size, rank: rank / names.length, a: mix(a), b: mix(b) },
    ]),
  );
}

/** The pool beside a model's weights, mixed by what is written into `weights`. */
export function steered({ names, maps }: FactorPool): { readonly change: StepChange; readonly weights: Float32Array } {
  const fed: Tensor<"f32"> = zeros("f32", [1, names.length]);
  const gates = input("lorahub.weights", [1, names.length]);
  const sources: Record<string, WeightSource> = {};
  const sides = new Map(
    [...maps].map(([name, { rank, inputs, outputs, a, b }]) => {
      const spelled = { a: `lorahub.${name}.a`, b: `lorahub.${name}.b` };
      sources[spelled.a] = { kind: "data", data: a };
      sources[spelled.b] = { kind: "data", data: b };
      const stack = {
        a: weight(spelled.a, [rank, inputs]),
        b: weight(spelled.b, [rank, outputs]),
        experts: names.length,
      };
      return [name, stack] as const;
    }),
  );
  const wrap: StepChange["wrap"] = (parts) =>
    wrapLinear(parts, (name, plain) => {
      const stack = sides.get(`${name}.weight`);
      return stack === undefined ? plain : withMixedFactors(plain, stack, { a: gates, b: gates }, 1);
    });
  return { change: { wrap, weights: sources, feeds: { "lorahub.weights": fed } }, weights: fed.data };
}
