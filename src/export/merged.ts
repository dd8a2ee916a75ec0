/** @file Export as a merged Hugging Face directory. */
import { architectures } from "../models/architectures/index.ts";
import type { ModelType } from "../models/config.ts";
import { openModel } from "../models/model-file.ts";
import { type MergedDtype, saveMergedModel, storedDtypes } from "../models/save-merged.ts";
import type { ExportFormat, WeightType } from "./format.ts";
import { reloadModel } from "./reload.ts";

const dtypes: Readonly<Partial<Record<WeightType, MergedDtype>>> = { f32: "F32", f16: "F16", bf16: "BF16" };

const weightTypes = { F32: "f32", F16: "f16", BF16: "bf16" } as const satisfies Readonly<
  Record<MergedDtype, WeightType>
>;

export const mergedDirectory: ExportFormat = {
  about: "merged Hugging Face directory: config.json, model.safetensors, tokenizer",
  tool: "transformers",
  constraintAs: "schema",
  templateAs: "file",
  architectures: Object.keys(architectures) as ModelType[],
  types: ["f32", "f16", "bf16"],
  keepsTypes: true,
  async typeOfWeights({ base, type }) {
    const found = await storedDtypes(base, type === undefined ? undefined : dtypes[type]);
    return (name) => weightTypes[found.get(name)!];
  },
  write: ({ directory, base, merged, record, type, tokenizerDirectory }) =>
    saveMergedModel(directory, base, merged.weights, {
      record,
      dtype: type === undefined ? undefined : dtypes[type],
      tokenizerDirectory,
    }),
  reload: async ({ directory }) => reloadModel(await openModel(directory)),
};
