/**
 * @file Makes a pair of a run's best weights so far, also while it goes on:
 *   npx tsx runs/smollm2/ship.ts [RUN = work/smollm2/generator] [PAIR = work/smollm2/pair] [CHECKPOINT = that of the lowest loss]
 * writes the model's file as it is, the generator in rows of 8 bits, pair.json and demo.json.
 */
import { copyFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { readJsonFile, writeJsonFile } from "../../src/base/json-file.ts";
import { readDemoScenarios } from "../../src/cli/demo-scenarios.ts";
import { withNewFolder } from "../../src/export/new-folder.ts";
import { writeLooseGenerator } from "../../src/pair/generator-file.ts";
import { writePairFile } from "../../src/pair/pair-file.ts";
import { GeneratorRun } from "../../src/train/recipes/generator.ts";
import { runFolder } from "../../src/train/run-folder.ts";
import { readRunGenerator } from "../../src/train/run-generator.ts";

const [run = "work/smollm2/generator", pair = "work/smollm2/pair", checkpoint] = process.argv.slice(2);

const { cloud, edge, layout } = await readJsonFile(runFolder(run).config, GeneratorRun);
if (cloud !== edge) throw new Error(`${run}: expected one model as cloud and edge, found ${cloud} and ${edge}`);
const { step, ...generator } = await readRunGenerator(run, async (path) => path, checkpoint);
const model = basename(edge);
await withNewFolder(pair, async (folder) => {
  await copyFile(edge, join(folder, model));
  await writeLooseGenerator(join(folder, "generator"), generator, "I8");
  await writeJsonFile(
    join(folder, "demo.json"),
    await readDemoScenarios(join(import.meta.dirname, "demo-prompts.json")),
  );
  await writePairFile(folder, { name: "smollm2", cloud: model, edge: model, layout });
});
const { size } = await stat(join(pair, "generator", "model.safetensors"));
console.log(`${pair}: weights of step ${step}, generator ${(size / 1e6).toFixed(1)} MB`);
