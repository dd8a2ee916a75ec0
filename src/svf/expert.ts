/** @file A skill as one factor for each singular value of each map: W′ = U (Σ ⊙ z) Vᵀ. */
import { AppError } from "../base/errors.ts";
import { requireFinite } from "../lora/low-rank.ts";

export type Expert = {
  /** The model whose singular values these are factors of. */
  readonly modelSha256: string;
  /** Weight name → z (k): factors of its k largest singular values; the others, and other maps, keep theirs. */
  readonly scales: ReadonlyMap<string, Float32Array>;
  /** Whether the sum of the k singular values stays what it was: W′ is divided by Σσz / Σσ, so that only the ratios of z count. */
  readonly renormalize: boolean;
  /** How it was made, for people. */
  readonly madeBy: Readonly<Record<string, string>>;
};

/** Numbers that were learnt. */
export const expertSize = ({ scales }: Pick<Expert, "scales">): number =>
  [...scales.values()].reduce((sum, z) => sum + z.length, 0);

/**
 * What each singular value is multiplied by in the end.
 * @param s (≥ k) the singular values
 * @throws E_NAN where z leaves nothing to renormalise by
 */
export function multipliers(z: Float32Array, s: Float32Array, renormalize: boolean): Float64Array {
  const factors = Float64Array.from(z);
  if (!renormalize) return factors;
  let [before, after] = [0, 0];
  for (let i = 0; i < z.length; i++) {
    before += s[i]!;
    after += s[i]! * z[i]!;
  }
  if (before === 0) return factors.fill(1);
  if (!(after > 0))
    throw new AppError(
      "E_NAN",
      `factors of singular values: expected a sum Σσz above 0 to renormalise by, found ${after}`,
    );
  return factors.map((value) => (value * before) / after);
}

/** How much of each expert: one number each for all maps, or by the name of a weight. */
export type Mixture = readonly number[] | ((weight: string) => readonly number[]);

export type CombineOptions = {
  /**
   * `factors`: z = Σ α_k z_k, as in the paper; the weights should sum to about 1. `changes`: z = 1 + Σ α_k (z_k − 1), which is the base
   * model where all weights are 0. Where they sum to 1 both are the same; renormalised factors need that.
   */
  readonly of?: "factors" | "changes";
};

/**
 * One expert out of several. Where an expert says nothing of a singular value its factor is 1.
 * @throws E_MISMATCH for experts of different models, where some are renormalised and some are not, and for renormalised ones of different
 * numbers of factors; E_USAGE for a wrong number of weights, and for changes of renormalised experts whose weights do not sum to 1
 */
export function combineExperts(
  experts: readonly Expert[],
  mixture: Mixture,
  { of = "factors" }: CombineOptions = {},
): Expert {
  const [first] = experts;
  if (first === undefined) throw new AppError("E_USAGE", "experts: expected at least one, found none");
  for (const other of experts) {
    if (other.modelSha256 !== first.modelSha256)
      throw new AppError(
        "E_MISMATCH",
        `experts: expected all for one model, found sha256 ${first.modelSha256} and ${other.modelSha256}`,
      );
    if (other.renormalize !== first.renormalize)
      throw new AppError("E_MISMATCH", "experts: expected all renormalised or none, found both");
  }
  const scales = new Map<string, Float32Array>();
  for (const weight of new Set(experts.flatMap((expert) => [...expert.scales.keys()]))) {
    const shares = typeof mixture === "function" ? mixture(weight) : mixture;
    if (shares.length !== experts.length || !shares.every(Number.isFinite))
      throw new AppError("E_USAGE", `mixture: expected ${experts.length} finite numbers, found [${shares}]`);
    const total = shares.reduce((sum, share) => sum + share, 0);
    if (first.renormalize && of === "changes" && Math.abs(total - 1) > 1e-6)
      throw new AppError(
        "E_USAGE",
        `mixture: expected weights that sum to 1, found ${total}: of renormalised factors only the ratios count, so that there is no half of them`,
      );
    const parts = experts.map((expert) => expert.scales.get(weight));
    const [length, ...others] = new Set(parts.flatMap((part) => part?.length ?? []));
    if (first.renormalize && others.length > 0)
      throw new AppError(
        "E_MISMATCH",
        `experts: ${weight}: renormalised factors mix where there are equally many, found ${length} and ${others.join(", ")}: each is relative to the mean of its own`,
      );
    const z = new Float32Array(Math.max(...parts.map((part) => part?.length ?? 0)));
    for (let i = 0; i < z.length; i++) {
      const start = of === "changes" ? 1 : 0;
      z[i] = shares.reduce((sum, share, k) => sum + share * ((parts[k]?.[i] ?? 1) - start), start);
    }
    scales.set(weight, z);
  }
  return { ...first, scales, madeBy: { combined: `${experts.length} experts` } };
}

/** The same skill at another strength: z = 1 + strength (z − 1). Throws E_USAGE for renormalised factors. */
export const scaleExpert = (expert: Expert, strength: number): Expert =>
  strength === 1 ? expert : { ...combineExperts([expert], [strength], { of: "changes" }), madeBy: expert.madeBy };

/** Throws E_MISMATCH naming both hashes where an expert is for another model. */
export function requireModel({ modelSha256 }: Pick<Expert, "modelSha256">, sha256: string, what: string): void {
  if (modelSha256 !== sha256)
    throw new AppError(
      "E_MISMATCH",
      `${what}: made for the singular values of the model of sha256 ${modelSha256}, but this one's is ${sha256}`,
    );
}

/** Throws E_NAN naming the first factor that is no finite number. */
export function requireFiniteExpert({ scales }: Pick<Expert, "scales">, what: string): void {
  for (const [weight, z] of scales) requireFinite(z, () => `${what}: ${weight}`);
}
