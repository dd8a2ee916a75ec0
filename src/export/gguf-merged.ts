/** @file Export as a merged GGUF model, tokenizer included. */
import { join } from "node:path";
import { ensureFolder } from "../base/folder.ts";
import type { GgufField } from "../files/gguf/read.ts";
import type { GgufTensorType } from "../files/gguf/types.ts";
import type { ModelType } from "../models/config.ts";
import { ggufArchitectures, ggufPlaces } from "../models/gguf/names.ts";
import { type GgufModelType, ggufStoredType, saveGgufModel } from "../models/gguf/save.ts";
import { openModel } from "../models/model-file.ts";
import { mergeRecordKey } from "../models/save-merged.ts";
import type { ExportFormat, WeightType } from "./format.ts";
import { ggufName, ggufTokenizer } from "./gguf-tokenizer.ts";
import { checkTokens } from "./gguf-tokens.ts";
import { reloadModel } from "./reload.ts";

export const ggufMergedFile = "model.gguf";

const stored: Readonly<Record<Exclude<WeightType, "bf16">, GgufModelType>> = { f16: "F16", f32: "F32", q8_0: "Q8_0" };
const storage = (type: WeightType | undefined) => stored[type === undefined || type === "bf16" ? "f16" : type];

const weightTypes: Readonly<Partial<Record<GgufTensorType, WeightType>>> = { F32: "f32", F16: "f16", Q8_0: "q8_0" };

export const ggufMerged: ExportFormat = {
  about: `merged model for llama.cpp: ${ggufMergedFile}`,
  tool: "llama.cpp",
  constraintAs: "gbnf",
  templateAs: "field",
  architectures: Object.keys(ggufArchitectures) as ModelType[],
  types: ["f16", "f32", "q8_0"],
  async typeOfWeights({ type, merged }) {
    const places = ggufPlaces(merged.config);
    return (name, shape) => weightTypes[ggufStoredType(storage(type), places.get(name)!.name, shape)]!;
  },
  async write({ directory, merged, type, name, record, tokenizerDirectory, chatTemplate }) {
    const about = new Map<string, GgufField>([
      ["general.name", { type: "string", value: await ggufName(name, tokenizerDirectory) }],
      [mergeRecordKey.gguf, { type: "string", value: JSON.stringify(record) }],
      ...(await ggufTokenizer(tokenizerDirectory, merged.config, chatTemplate)),
    ]);
    await ensureFolder(directory);
    await saveGgufModel(join(directory, ggufMergedFile), merged, { type: storage(type), about });
  },
  checkTokens: ({ directory, tokenizerDirectory, llamaCpp }) =>
    checkTokens(join(directory, ggufMergedFile), tokenizerDirectory, llamaCpp),
  reload: async ({ directory }) => reloadModel(await openModel(join(directory, ggufMergedFile))),
};
