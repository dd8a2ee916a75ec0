/** @file Export as a GGUF adapter for llama.cpp. */
import { join } from "node:path";
import { ensureFolder } from "../base/folder.ts";
import { readGgufAdapter, writeGgufAdapter } from "../lora/gguf-format.ts";
import type { ModelConfig, ModelType } from "../models/config.ts";
import { ggufShape } from "../models/gguf-config.ts";
import { ggufArchitecture, ggufArchitectures, ggufPlaces } from "../models/gguf-names.ts";
import { parameterShapes } from "../models/parameters.ts";
import type { ExportFormat } from "./format.ts";
import { reloadAdapter } from "./reload.ts";

export const ggufAdapterFile = "adapter.gguf";

const placing = (config: ModelConfig) => ({
  architecture: ggufArchitecture(config, "GGUF adapter").name,
  places: ggufPlaces(config),
});

export const ggufAdapter: ExportFormat = {
  about: `adapter for llama.cpp: ${ggufAdapterFile}`,
  tool: "llama.cpp",
  architectures: Object.keys(ggufArchitectures) as ModelType[],
  types: ["f32", "f16"],
  tolerance: (type) => (type === "f16" ? 2e-3 : 1e-4),
  async write({ directory, adapter, base, name, baseName, type }) {
    ggufShape(base.config); // refuses what llama.cpp computes otherwise
    await ensureFolder(directory);
    await writeGgufAdapter(join(directory, ggufAdapterFile), adapter, {
      ...placing(base.config),
      type: type === "f16" ? "F16" : "F32",
      about: new Map([
        ["general.name", { type: "string", value: name }],
        ["general.base_model.count", { type: "u32", value: 1 }],
        ["general.base_model.0.name", { type: "string", value: baseName }],
      ]),
    });
  },
  async reload({ directory, base }) {
    const shapes = parameterShapes(base.config);
    return reloadAdapter(base, await readGgufAdapter(join(directory, ggufAdapterFile), shapes, placing(base.config)));
  },
};
