/** @file IA³ adapters as a pool: factors of what maps give or read, mixed as l = 1 + Σ α_k (l_k − 1). */
import { AppError } from "../base/errors.ts";
import { mul } from "../graph/build.ts";
import { type Ia3Factors, splitFactors, writeIa3 } from "../lora/ia3-format.ts";
import type { PeftOptions } from "../lora/peft-format.ts";
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

/** By names of weights, as the base model's files have them. */
type Ia3 = ReadonlyMap<string, Ia3Factors>;

/** Throws E_MISMATCH where two skills scale the two sides of one map: their product is no IA³ adapter. */
export function ia3Pool(
  layers: number,
  skills: readonly Named<Ia3>[],
  classifier: Ia3 | undefined,
  { baseName, fused }: Pick<PeftOptions, "baseName" | "fused">,
): SkillPool {
  requireOneSide(skills);
  const adapters = skills.map(({ skill }) => skill);
  const open = (mixed: readonly Ia3[]) => steering(mixed.map((skill) => splitFactors(skill, fused)));
  return openPool({
    kind: "ia3",
    layers,
    skills,
    bytesOf,
    steering: () => open(adapters),
    dispatching: classifier && open([classifier]),
    async save(directory, shares) {
      await writeIa3(directory, mixture(adapters, shares), { baseName });
    },
  });
}

const bytesOf = (skill: Ia3): number => [...skill.values()].reduce((sum, { values }) => sum + 4 * values.length, 0);

function requireOneSide(skills: readonly Named<Ia3>[]): void {
  const first = new Map<string, { readonly name: string; readonly side: Ia3Factors["side"] }>();
  for (const { name, skill } of skills)
    for (const [weight, { side }] of skill) {
      const before = first.get(weight) ?? { name, side };
      first.set(weight, before);
      if (before.side !== side)
        throw new AppError(
          "E_MISMATCH",
          `skills: ${weight}: expected all to scale one side of it, found "${before.name}" for its ${before.side} and "${name}" for its ${side}`,
        );
    }
}

/** A map's factors of these skills: where a skill says nothing of it, they are 1. */
export const mixedFactors = (
  parts: readonly (Float32Array | undefined)[],
  shares: readonly number[],
  size: number,
): Float32Array =>
  Float32Array.from({ length: size }, (_, i) =>
    parts.reduce((sum, part, k) => sum + shares[k]! * ((part?.[i] ?? 1) - 1), 1),
  );

function* maps(skills: readonly Ia3[]) {
  const sides = new Map(skills.flatMap((skill) => [...skill]));
  for (const [weight, { side, values }] of sides)
    yield { weight, side, size: values.length, parts: skills.map((skill) => skill.get(weight)?.values) };
}

function steering(skills: readonly Ia3[]): Steered {
  const found = new Map<string, SteeredMap>();
  for (const { weight, side, size, parts } of maps(skills))
    found.set(weight, {
      size,
      steer: (values, shares) => values.set(mixedFactors(parts, shares, size)),
      ...(side === "inputs"
        ? { wrap: (plain, factors) => (x) => plain(mul(x, factors)) }
        : { wrap: (plain, factors) => (x) => mul(plain(x), factors), wrapBias: mul }),
    });
  return steeredMaps(found, {});
}

const mixture = (skills: readonly Ia3[], shares: Shares): Map<string, Ia3Factors> =>
  new Map(
    [...maps(skills)].map(({ weight, side, size, parts }) => [
      weight,
      { side, values: mixedFactors(parts, shares[layerOf(weight)]!, size) },
    ]),
  );
