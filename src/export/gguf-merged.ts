/** @file Export as a merged GGUF model, tokenizer included. */
import { join } from "node:path";
import { ensureFolder } from "../base/folder.ts";
import type { GgufField } from "../files/gguf.ts";
import type { ModelType } from "../models/config.ts";
import { ggufArchitectures } from "../models/gguf-names.ts";
import { openModel } from "../models/load.ts";
import { type GgufModelType, saveGgufModel } from "../models/save-gguf.ts";
import { mergeRecordKey } from "../models/save-merged.ts";
import type { ExportFormat, WeightType } from "./format.ts";
import { ggufTokenizer } from "./gguf-tokenizer.ts";
import { reloadModel } from "./reload.ts";

export const ggufMergedFile = "model.gguf";

const stored: Readonly<Record<Exclude<WeightType, "bf16">, { type: GgufModelType; tolerance: number }>> = {
  f16: { type: "F16", tolerance: 2e-3 },
  f32: { type: "F32", tolerance: 1e-4 },
  q8_0: { type: "Q8_0", tolerance: 0.05 },
};
const storage = (type: WeightType | undefined) => stored[type === undefined || type === "bf16" ? "f16" : type];

export const ggufMerged: ExportFormat = {
  about: `merged model for llama.cpp: ${ggufMergedFile}`,
  tool: "llama.cpp",
  architectures: Object.keys(ggufArchitectures) as ModelType[],
  types: ["f16", "f32", "q8_0"],
  tolerance: (type) => storage(type).tolerance,
  async write({ directory, merged, type, name, record, tokenizerDirectory }) {
    const about = new Map<string, GgufField>([
      ["general.name", { type: "string", value: name }],
      [mergeRecordKey.gguf, { type: "string", value: JSON.stringify(record) }],
      ...(await ggufTokenizer(tokenizerDirectory, merged.config)),
    ]);
    await ensureFolder(directory);
    await saveGgufModel(join(directory, ggufMergedFile), merged, { type: storage(type).type, about });
  },
  reload: async ({ directory }) => reloadModel(await openModel(join(directory, ggufMergedFile))),
};
