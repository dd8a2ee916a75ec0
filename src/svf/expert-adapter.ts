/** @file An expert as a low-rank change of the weights it scales: ΔW = U diag(σ (z − 1)) Vᵀ, of full rank or cut to fewer. */
import { AppError } from "../base/errors.ts";
import type { LowRank } from "../lora/low-rank.ts";
import { readWeight } from "../runtime/read-weight.ts";
import { type Expert, multipliers } from "./expert.ts";
import type { Basis } from "./svd-cache.ts";
import type { SvdFile } from "./svd-file.ts";

export type ExpertAdapterOptions = {
  /** Keeps the directions that change most, so many of each map: no change of this rank is closer. Undefined: all that change. */
  readonly rank?: number | undefined;
};

export type ExpertAdapter = {
  readonly adapter: Map<string, LowRank>;
  /** ‖ΔW − its cut‖ / ‖ΔW‖ over all maps; 0 where nothing was cut. */
  readonly error: number;
};

/** All of it in memory. Throws as `expertChanges`. */
export async function expertAdapter(
  expert: Expert,
  basis: Basis,
  options: ExpertAdapterOptions = {},
): Promise<ExpertAdapter> {
  const adapter = new Map<string, LowRank>();
  let [cut, all] = [0, 0];
  for await (const { weight, change, cutSquares, squares } of expertChanges(expert, basis, options)) {
    adapter.set(weight, change);
    cut += cutSquares;
    all += squares;
  }
  return { adapter, error: all === 0 ? 0 : Math.sqrt(cut / all) };
}

type Change = {
  readonly weight: string;
  readonly change: LowRank;
  /** ‖ΔW‖², and what of it is not in `change`. */
  readonly squares: number;
  readonly cutSquares: number;
};

/**
 * Map by map. Singular values whose factor is 1 are left out, so that an expert of ones changes nothing, bit for bit.
 * @throws E_MISMATCH for a map that is not decomposed, and for more factors than singular values; E_FORMAT, E_NAN
 */
export async function* expertChanges(
  expert: Expert,
  basis: Basis,
  { rank }: ExpertAdapterOptions = {},
): AsyncGenerator<Change> {
  for (const [weight, z] of expert.scales) {
    const svd = basis.get(weight);
    if (svd === undefined)
      throw new AppError("E_MISMATCH", `${weight}: the expert scales its singular values, but it is not decomposed`);
    if (z.length > svd.rank)
      throw new AppError("E_MISMATCH", `${weight}: expected at most ${svd.rank} factors, found ${z.length}`);
    yield { weight, ...(await changeOf(z, svd, expert.renormalize, rank)) };
  }
}

async function changeOf(
  z: Float32Array,
  { sources, inputs, outputs }: SvdFile,
  renormalize: boolean,
  limit = Number.POSITIVE_INFINITY,
): Promise<Omit<Change, "weight">> {
  const s = await readWeight(sources.s);
  const factors = multipliers(z, s, renormalize);
  const strengths = Array.from(factors, (factor, i) => ({ i, d: s[i]! * (factor - 1) })).filter(({ d }) => d !== 0);
  strengths.sort((a, b) => Math.abs(b.d) - Math.abs(a.d));
  const kept = strengths.slice(0, limit);
  const squaresOf = (part: typeof strengths) => part.reduce((sum, { d }) => sum + d * d, 0);
  const [u, v] = [await readWeight(sources.u), await readWeight(sources.v)];
  const a = new Float32Array(kept.length * inputs);
  const b = new Float32Array(kept.length * outputs);
  kept.forEach(({ i, d }, row) => {
    a.set(v.subarray(i * inputs, (i + 1) * inputs), row * inputs);
    for (let j = 0; j < outputs; j++) b[row * outputs + j] = d * u[i * outputs + j]!;
  });
  return {
    change: { rank: kept.length, inputs, outputs, a, b },
    squares: squaresOf(strengths),
    cutSquares: squaresOf(strengths.slice(kept.length)),
  };
}
