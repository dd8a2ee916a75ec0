/** @file A skill on another model of the same shape, and its control in which factors are shuffled. */
import { AppError } from "../base/errors.ts";
import type { Rng } from "../base/rng.ts";
import { type Expert, requireModel } from "./expert.ts";
import type { SvdSource } from "./svd-cache.ts";

export type TransferOptions = {
  /** Puts each map's factors in random order: what is left of a skill then owes nothing to which singular value is which. */
  readonly shuffle?: Rng | undefined;
};

/**
 * The skill for another model: factor i goes to the singular value of the same rank in size.
 * @throws E_MISMATCH where the skill is not of `from`, and naming the first map that the other model lacks or has in another size
 */
export function transferExpert(
  expert: Expert,
  from: Pick<SvdSource, "sha256" | "maps">,
  to: Pick<SvdSource, "sha256" | "maps">,
  { shuffle }: TransferOptions = {},
): Expert {
  requireModel(expert, from.sha256, "transfer");
  const [before, after] = [from, to].map(({ maps }) => new Map(maps.map((map) => [map.weight, map])));
  const sizeOf = (maps: typeof before, weight: string) => {
    const map = maps!.get(weight);
    return map === undefined ? "none" : `${map.outputs} × ${map.inputs}`;
  };
  const scales = new Map<string, Float32Array>();
  for (const [weight, z] of expert.scales) {
    const [was, is] = [sizeOf(before, weight), sizeOf(after, weight)];
    if (was !== is || is === "none")
      throw new AppError(
        "E_MISMATCH",
        `${weight}: a skill moves between models of one shape: expected ${was}, found ${is}`,
      );
    scales.set(weight, shuffle === undefined ? z : Float32Array.from(shuffle.shuffle([...z])));
  }
  const madeBy = { ...expert.madeBy, transferredFrom: from.sha256, shuffled: String(shuffle !== undefined) };
  return { ...expert, modelSha256: to.sha256, scales, madeBy };
}
