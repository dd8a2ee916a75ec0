/** @file An adapter merged into a quantised directory: the result is quantised again in the same way, written, reloaded and compared. */
import { AppError } from "../base/errors.ts";
import { requireRunning } from "../base/interrupt.ts";
import { changeOfLogits, compareLogits, type LogitChange } from "../decode/compare-logits.ts";
import { adapterRank } from "../lora/low-rank.ts";
import { applyAdapter } from "../models/apply-adapter.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { scaleAdapter } from "../models/merge-adapter.ts";
import type { Model } from "../models/model.ts";
import { openModel } from "../models/model-file.ts";
import type { ResolvedQuantization } from "../models/quantized/layout.ts";
import { requantize } from "../models/quantized/requantize.ts";
import { saveRequantizedModel } from "../models/quantized/save-requantized.ts";
import { type MergeRecord, refuseMerged } from "../models/save-merged.ts";
import { createSteps, type ExportStep } from "./format.ts";
import { listFiles, withNewFolder } from "./new-folder.ts";
import { exportTolerance, logitsOfProbes, probePositions } from "./probes.ts";
import { reloadModel } from "./reload.ts";
import { requireClose } from "./require-close.ts";
import type { ExportRequest, ExportResult } from "./run-export.ts";
import { requireArrival } from "./share-arrived.ts";

export type RequantizeRequest = Omit<ExportRequest, "type" | "name" | "baseName" | "withBase" | "whole" | "llamaCpp">;

export type RequantizeResult = Omit<ExportResult, "type" | "rounding"> & {
  /** Of the base model and of the result. */
  readonly quantization: ResolvedQuantization;
  /** The share of the adapter that is in the codes: near 1 where rounding lost nothing of it. */
  readonly arrived: number;
  /** What the adapter does: from the base model to the adapter beside its codes, over the same positions. A yardstick for `change`. */
  readonly effect: LogitChange;
  /** What rounding the weights anew costs: from the adapter beside the base model's codes to the adapter in them, over the same positions. */
  readonly change: LogitChange;
};

/**
 * Writes the merged model into a new folder and verifies it.
 * @throws E_USAGE where the base is no quantised directory; E_MISMATCH for a base that is a merge already, for an adapter that is lost in
 * the rounding, and for a result whose logits are not those of the merge; E_INTERRUPTED: then nothing is left
 */
export async function mergeRequantized(request: RequantizeRequest): Promise<RequantizeResult> {
  const { base, scale, out, signal, kind, adapterSha256 } = request;
  const step = createSteps(request);
  const { quantization, weightsSha256 } = requireQuantizedDirectory(base);
  await refuseMerged(base);
  return withNewFolder(out, async (directory) => {
    step("merge");
    const adapter = scaleAdapter(request.adapter, scale);
    const beside = await applyAdapter(base, adapter);
    const record: MergeRecord = {
      base_sha256: base.sha256,
      base_weights_sha256: weightsSha256,
      kind,
      adapter_sha256: adapterSha256,
      scale,
    };
    const { arrived, wanted } = await writeMerged(request, { directory, beside, record, step });
    const found = await logitsOf(await openModel(directory), signal);
    const { largestDifference, largestLogit } = compareLogits(wanted, found);
    requireClose({ largestDifference, largestLogit }, exportTolerance, "the merged model quantised again");
    const unmerged = await logitsOf(beside, signal);
    const plain = await logitsOf(base, signal);
    return {
      out,
      files: await listFiles(directory),
      quantization,
      rank: adapterRank(adapter),
      scale,
      largestDifference,
      largestLogit,
      arrived,
      effect: changeOfLogits(plain, unmerged, base.config),
      change: changeOfLogits(unmerged, wanted, base.config),
      positions: probePositions(base.config),
      tolerance: exportTolerance,
    };
  });
}

type Merging = {
  readonly directory: string;
  /** The base model with the adapter beside its codes. */
  readonly beside: FrozenModel;
  readonly record: MergeRecord;
  readonly step: (step: ExportStep) => void;
};

/** Writes the merge and takes its logits. Its codes are all in memory; they end with this function, before other models are measured. */
async function writeMerged(
  { base, tokenizerDirectory, signal }: RequantizeRequest,
  { directory, beside, record, step }: Merging,
) {
  const merged = await requantize(beside, { signal });
  const arrived = await requireArrival(beside, merged, signal);
  step("write");
  await saveRequantizedModel(directory, base, merged, { record, tokenizerDirectory, signal });
  step("verify");
  return { arrived, wanted: await logitsOf(merged, signal) };
}

async function logitsOf(model: FrozenModel, signal: AbortSignal | undefined): Promise<Float32Array[]> {
  requireRunning(signal);
  return logitsOfProbes(model.config, () => reloadModel(model));
}

/** Throws E_USAGE for other models. One that was quantised as it was opened is none: nothing could tell what was merged into. */
function requireQuantizedDirectory({ directory, quantization, weightsSha256 }: Model) {
  if (quantization === undefined || weightsSha256 === undefined)
    throw new AppError(
      "E_USAGE",
      `quantising a merge again (--requantize) takes a directory written by \`loragen quantize\`, found ${directory}, which is none: merge into it without that, or quantise it first`,
    );
  return { quantization, weightsSha256 };
}
