/** @file Export as a GGUF adapter for llama.cpp. */
import { join } from "node:path";
import { ensureFolder } from "../base/folder.ts";
import { joinAdapter, splitAdapter } from "../lora/fused.ts";
import { readGgufAdapter, writeGgufAdapter } from "../lora/gguf-format.ts";
import { checkpointTensors, fusedWeights } from "../models/checkpoint.ts";
import type { ModelConfig, ModelType } from "../models/config.ts";
import { ggufShape } from "../models/gguf/config.ts";
import { ggufArchitecture, ggufArchitectures, ggufCheckpointPlaces } from "../models/gguf/names.ts";
import { saveGgufModel } from "../models/gguf/save.ts";
import { openModel } from "../models/model-file.ts";
import { storedDtype } from "../models/save-merged.ts";
import type { ExportFormat } from "./format.ts";
import { ggufName, ggufTokenizer } from "./gguf-tokenizer.ts";
import { checkTokens } from "./gguf-tokens.ts";
import { reloadAdapter } from "./reload.ts";

export const ggufAdapterFile = "adapter.gguf";
export const ggufBaseFile = "base.gguf";

const placing = (config: ModelConfig) => ({
  architecture: ggufArchitecture(config, "GGUF adapter").name,
  places: ggufCheckpointPlaces(config),
});

export const ggufAdapter: ExportFormat = {
  about: `adapter for llama.cpp: ${ggufAdapterFile}`,
  tool: "llama.cpp",
  constraintAs: "gbnf",
  templateAs: "file",
  architectures: Object.keys(ggufArchitectures) as ModelType[],
  types: ["f32", "f16"],
  canHoldBase: true,
  async write({ directory, adapter, base, name, baseName, type, tokenizerDirectory, chatTemplate, withBase }) {
    ggufShape(base.config); // refuses what llama.cpp computes otherwise
    await ensureFolder(directory);
    await writeGgufAdapter(join(directory, ggufAdapterFile), joinAdapter(adapter, fusedWeights(base.config)), {
      ...placing(base.config),
      type: type === "f16" ? "F16" : "F32",
      about: new Map([
        ["general.name", { type: "string", value: name }],
        ["general.base_model.count", { type: "u32", value: 1 }],
        ["general.base_model.0.name", { type: "string", value: baseName }],
      ]),
    });
    if (!withBase) return;
    const about = await ggufTokenizer(tokenizerDirectory, base.config, chatTemplate);
    const baseType = (await storedDtype(base)) === "F16" ? "F16" : "F32"; // as exact as the base model is
    await saveGgufModel(join(directory, ggufBaseFile), base, {
      type: baseType,
      about: about.set("general.name", { type: "string", value: await ggufName(baseName, tokenizerDirectory) }),
    });
  },
  checkTokens: async ({ directory, tokenizerDirectory, withBase, llamaCpp }) =>
    withBase ? checkTokens(join(directory, ggufBaseFile), tokenizerDirectory, llamaCpp) : undefined,
  async reload({ directory, base, withBase }) {
    const shapes = new Map(checkpointTensors(base.config).map(({ name, shape }) => [name, shape]));
    const under = withBase ? await openModel(join(directory, ggufBaseFile)) : base;
    const joined = await readGgufAdapter(join(directory, ggufAdapterFile), shapes, placing(base.config));
    return reloadAdapter(under, splitAdapter(joined, fusedWeights(base.config)));
  },
};
