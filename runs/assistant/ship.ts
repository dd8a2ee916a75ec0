/**
 * @file Puts trained parts into the pair, as fp16:
 *   npx tsx runs/assistant/ship.ts models     work/assistant/{cloud,edge}/model → work/assistant/pair/{cloud,edge}, before the generator is trained over them
 *   npx tsx runs/assistant/ship.ts generator  work/assistant/generator-snips/generator → work/assistant/pair/generator, and pair.json
 */
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { openSafetensorsModel, readModelTensor } from "../../src/files/safetensors-model.ts";
import { readModelConfig } from "../../src/models/config-file.ts";
import { saveModel } from "../../src/models/model-file.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { readGenerator, readGeneratorConfig, writeGenerator } from "../../src/pair/generator-file.ts";
import { writePairFile } from "../../src/pair/pair-file.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../../src/text/prompt.ts";

const [part, work = "work/assistant", pair = "work/assistant/pair"] = process.argv.slice(2);

async function shipModel(name: "cloud" | "edge"): Promise<void> {
  const from = join(work, name, "model");
  const config = await readModelConfig(from);
  const files = await openSafetensorsModel(from);
  const tensors = new Map<string, Float32Array>();
  for (const tensor of parameterShapes(config).keys()) tensors.set(tensor, await readModelTensor(files, tensor));
  await saveModel(join(pair, name), config, tensors, { dtype: "F16" });
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    await copyFile(join(pair, "tokenizer", file), join(pair, name, file));
}

async function shipGenerator(): Promise<void> {
  const from = join(work, "generator-snips", "generator");
  const shape = {
    cloud: await readModelConfig(join(pair, "cloud")),
    edge: await readModelConfig(join(pair, "edge")),
    generator: await readGeneratorConfig(from),
  };
  const { tensors, trainedOver } = await readGenerator(from, shape);
  await writeGenerator(join(pair, "generator"), shape, tensors, tensors, { dtype: "F16", trainedOver });
  await writePairFile(pair, { name: "assistant", layout: SPECIAL_TOKEN_LAYOUT });
}

const parts: Record<string, () => Promise<void>> = {
  models: async () => {
    await shipModel("cloud");
    await shipModel("edge");
  },
  generator: shipGenerator,
};
const ship = parts[part ?? ""];
if (ship === undefined) {
  console.error(`expected one of ${Object.keys(parts).join(", ")}, found ${part ?? "nothing"}`);
  process.exitCode = 1;
} else await ship();
