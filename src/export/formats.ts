/** @file The table of export formats. */
import type { ExportFormat } from "./format.ts";
import { ggufAdapter } from "./gguf-adapter.ts";
import { ggufMerged } from "./gguf-merged.ts";
import { mergedDirectory } from "./merged.ts";
import { onnxDirectory } from "./onnx.ts";
import { peft } from "./peft.ts";

export const exportFormats = {
  peft,
  gguf: ggufAdapter,
  "gguf-merged": ggufMerged,
  merged: mergedDirectory,
  onnx: onnxDirectory,
} as const satisfies Record<string, ExportFormat>;

export type ExportFormatName = keyof typeof exportFormats;
