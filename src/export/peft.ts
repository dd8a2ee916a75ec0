/** @file Export as a PEFT adapter. */
import { readPeft, writePeft } from "../lora/peft-format.ts";
import { architectures } from "../models/architectures/index.ts";
import { fusedWeights } from "../models/checkpoint.ts";
import type { ModelType } from "../models/config.ts";
import { parameterShapes } from "../models/parameters.ts";
import type { ExportFormat } from "./format.ts";
import { reloadAdapter } from "./reload.ts";

export const peft: ExportFormat = {
  about: "adapter for PEFT and vLLM: adapter_config.json, adapter_model.safetensors",
  tool: "PEFT",
  constraintAs: "schema",
  templateAs: "file",
  architectures: Object.keys(architectures) as ModelType[],
  types: ["f32", "f16"],
  write: ({ directory, base, adapter, baseName, type }) =>
    writePeft(directory, adapter, {
      baseName,
      dtype: type === "f16" ? "F16" : "F32",
      fused: fusedWeights(base.config),
      weights: parameterShapes(base.config).keys(),
    }),
  reload: async ({ directory, base: { config }, base }) =>
    reloadAdapter(base, await readPeft(directory, parameterShapes(config), fusedWeights(config))),
};
