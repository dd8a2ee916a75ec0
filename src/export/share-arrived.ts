/** @file How much of an adapter arrives where its sum with quantised weights is quantised again. */
import { AppError } from "../base/errors.ts";
import { requireRunning } from "../base/interrupt.ts";
import type { LowRank } from "../lora/low-rank.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { dequantizeWeight } from "../models/quantized/dequantize.ts";
import { quantizationName, type StoredWeight, sourcesOf, storeWeight } from "../models/quantized/layout.ts";
import { readWeight } from "../runtime/read-weight.ts";
import { roundTo } from "./as-stored.ts";
import type { ExportContext, TypeOfWeight } from "./format.ts";
import { adaptedWeights, changesNothing } from "./require-change.ts";

/**
 * Where less arrives, an adapter is lost. One that moves no code arrives by its part at the outermost value of every block, which the
 * block's scale follows: a thirty-second in blocks of 32, less in larger ones. Three times that is the least that counts.
 */
export const leastShareArrived = 0.1;

/** Where less arrives, what was written is noticeably another model than the adapter beside its base: the user is warned. */
export const goodShareArrived = 0.8;

/** What to tell a user of the share that arrived; undefined where it is good. */
export const arrivalWarning = (share: number | undefined, stored: string): string | undefined =>
  share === undefined || share >= goodShareArrived
    ? undefined
    : `only ${inPercent(share)} of the adapter arrived in the rounding to ${stored}; expected at least ${inPercent(goodShareArrived)}: keep it beside the model, or merge it at a finer type`;

/**
 * The share of an adapter that is in the codes of a merge: ⟨Δ, BA⟩ / ‖BA‖² over all adapted weights, Δ being by how much the merge moved
 * the values that codes stand for. 1 is all of it; rounding errors, which do not point its way, cancel out. Δ is counted from the base
 * model's values rounded anew, for that alone may move them: by a scale's last bit, or by more where another version chose the scales.
 * @param beside the quantised base model with the adapter beside its codes
 * @param merged what `requantize` made of it
 * @throws E_MISMATCH where the adapter is nothing, or lost in the rounding; E_INTERRUPTED between weights
 */
export async function requireArrival(beside: FrozenModel, merged: FrozenModel, signal?: AbortSignal): Promise<number> {
  const { quantization, adapter } = beside;
  if (quantization === undefined || adapter === undefined)
    throw new Error("internal: expected a quantised model with an adapter beside it");
  let [arrived, whole] = [0, 0];
  for (const weight of adaptedWeights(beside, adapter)) {
    requireRunning(signal);
    const before = await roundedAnew(weight, beside);
    const after = await dequantizeWeight(weight, merged.weights);
    const sums = sumsAlong(adapter.get(weight.name)!, before, after);
    arrived += sums.arrived;
    whole += sums.whole;
  }
  if (whole === 0) throw changesNothing(adapter, `${quantization.bits} bits`);
  const share = arrived / whole;
  if (share < leastShareArrived)
    throw new AppError(
      "E_MISMATCH",
      `the adapter is lost in the rounding to ${quantizationName(quantization)}: ${inPercent(Math.floor(1000 * share) / 1000)} of it arrives, expected at least ${inPercent(leastShareArrived)}; keep it beside the codes, or merge it into the model that was quantised`,
    );
  return share;
}

/**
 * The same of a merge into dense weights that are stored in narrower types than fp32, each by `typeOf`. Where the base model's values are of
 * the type already, a change of less than half a step is lost, as in codes. Undefined where nothing is rounded. Throws E_INTERRUPTED.
 */
export async function shareArrived(
  { base, merged, adapter }: Pick<ExportContext, "base" | "merged" | "adapter">,
  typeOf: TypeOfWeight,
  signal?: AbortSignal,
): Promise<number | undefined> {
  let [arrived, whole, isRounded] = [0, 0, false];
  for (const [name, change] of adapter) {
    const type = typeOf(name, [change.outputs, change.inputs]);
    if (type === "f32" || change.rank === 0) continue;
    requireRunning(signal);
    isRounded = true;
    const [before, after] = [await readWeight(base.weights[name]!), await readWeight(merged.weights[name]!)];
    const sums = sumsAlong(change, roundTo(type, before), roundTo(type, after));
    arrived += sums.arrived;
    whole += sums.whole;
  }
  return isRounded && whole > 0 ? arrived / whole : undefined;
}

const inPercent = (share: number): string => `${Math.round(1000 * share) / 10} %`;

/** The values of a weight's codes, quantised again and read again. */
async function roundedAnew(weight: StoredWeight, { weights }: FrozenModel): Promise<Float32Array> {
  const codes = storeWeight(weight, await dequantizeWeight(weight, weights));
  return dequantizeWeight(weight, Object.fromEntries(sourcesOf(weight, codes)));
}

/** ⟨after − before, BA⟩ and ‖BA‖² of one weight, row by row of BA. */
function sumsAlong({ rank, inputs, outputs, a, b }: LowRank, before: Float32Array, after: Float32Array) {
  const row = new Float64Array(inputs);
  let arrived = 0;
  let whole = 0;
  for (let output = 0; output < outputs; output++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = b[r * outputs + output]!;
      for (let i = 0; i < inputs; i++) row[i]! += factor * a[r * inputs + i]!;
    }
    const start = output * inputs;
    for (let i = 0; i < inputs; i++) {
      const change = row[i]!;
      arrived += (after[start + i]! - before[start + i]!) * change;
      whole += change * change;
    }
  }
  return { arrived, whole };
}
