/** @file An adapter merged into a quantised directory: the result is quantised again in the same way, written, reloaded and compared. */
import { AppError } from "../base/errors.ts";
import { changeOfLogits, type LogitChange } from "../decode/logit-change.ts";
import { adapterRank } from "../lora/low-rank.ts";
import { applyAdapter } from "../models/apply-adapter.ts";
import { type Model, openModel } from "../models/load.ts";
import { scaleAdapter } from "../models/merge-adapter.ts";
import type { Quantization } from "../models/quantized-layout.ts";
import { requantize } from "../models/requantize.ts";
import { type MergeRecord, refuseMerged } from "../models/save-merged.ts";
import { saveRequantizedModel } from "../models/save-requantized.ts";
import { compareLogits, requireClose } from "./compare-logits.ts";
import { listFiles } from "./list-files.ts";
import { withNewFolder } from "./new-folder.ts";
import { exportTolerance, logitsOfProbes, probePositions } from "./probes.ts";
import { reloadModel } from "./reload.ts";
import { requireChangeOfCodes } from "./require-change.ts";
import type { ExportRequest, ExportResult } from "./run-export.ts";
import { createSteps } from "./steps.ts";

export type RequantizeRequest = Omit<ExportRequest, "type" | "name" | "baseName" | "withBase">;

export type RequantizeResult = Omit<ExportResult, "type" | "rounding"> & {
  /** Of the base model and of the result. */
  readonly quantization: Quantization;
  /** What rounding the weights anew costs: from the adapter beside the base model's codes to the adapter in them, over the same positions. */
  readonly change: LogitChange;
};

/**
 * Writes the merged model into a new folder and verifies it.
 * @throws E_USAGE where the base is no quantised directory; E_MISMATCH for a base that is a merge already, for an adapter that is lost in
 * the rounding, and for a result whose logits are not those of the merge: then nothing is left
 */
export async function mergeRequantized(request: RequantizeRequest): Promise<RequantizeResult> {
  const { base, scale, out, signal, tokenizerDirectory } = request;
  const step = createSteps(request);
  const { quantization, weightsSha256 } = requireQuantizedDirectory(base);
  await refuseMerged(base);
  return withNewFolder(out, async (directory) => {
    step("merge");
    const adapter = scaleAdapter(request.adapter, scale);
    const beside = await applyAdapter(base, adapter);
    const merged = await requantize(beside);
    await requireChangeOfCodes(base, merged, quantization, adapter);
    step("write");
    const { kind, adapterSha256 } = request;
    const record: MergeRecord = {
      base_sha256: base.sha256,
      base_weights_sha256: weightsSha256,
      kind,
      adapter_sha256: adapterSha256,
      scale,
    };
    await saveRequantizedModel(directory, base, merged, { record, tokenizerDirectory, signal });
    step("verify");
    const wanted = await logitsOfProbes(base.config, () => reloadModel(merged));
    const found = await logitsOfProbes(base.config, async () => reloadModel(await openModel(directory)));
    const gap = compareLogits(wanted, found);
    requireClose(gap, exportTolerance, "the merged model quantised again");
    const before = await logitsOfProbes(base.config, () => reloadModel(beside));
    return {
      out,
      files: await listFiles(directory),
      quantization,
      rank: adapterRank(adapter),
      scale,
      ...gap,
      change: changeOfLogits(before, wanted, base.config),
      positions: probePositions(base.config),
      tolerance: exportTolerance,
    };
  });
}

/** Throws E_USAGE for other models. One that was quantised as it was opened is none: nothing could tell what was merged into. */
function requireQuantizedDirectory({ directory, quantization, weightsSha256 }: Model) {
  if (quantization === undefined || weightsSha256 === undefined)
    throw new AppError(
      "E_USAGE",
      `--requantize merges into a directory written by \`loragen quantize\`, found ${directory}, which is none: merge into it without --requantize, or quantise it first`,
    );
  return { quantization, weightsSha256 };
}
