/**
 * @file Puts what the page loads into a folder: a pair with dense weights, and specialisations.
 * Run: npx tsx examples/browser/prepare.ts [PAIR] [FOLDER]
 */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import {
  copyTokenizer,
  createSpecializer,
  findConstraint,
  loadPair,
  openModel,
  type PairFile,
  saveModel,
  writePairFile,
  writeSpecialization,
} from "lora-gen";
import { type SpecializedTask, tasks } from "./tasks.ts";

const [directory = "pairs/smollm2", out = resolve(import.meta.dirname, "public")] = process.argv.slice(2);
const target = join(out, "pair");

const { format: _, ...file } = JSON.parse(await readFile(join(directory, "pair.json"), "utf8")) as PairFile;
const { cloud: cloudFile = "cloud", edge: edgeFile = "edge", generator = "generator" } = file;
const isGguf = edgeFile.endsWith(".gguf");
await copy([join(generator, "generator.json"), join(generator, "model.safetensors")]);
if (isGguf) {
  // A page reads weights in fp16, not GGUF files. Their values become those of another file, so specialisations are made for that one.
  const models = new Map([cloudFile, edgeFile].map((name) => [name, basename(name, ".gguf")]));
  for (const [name, folder] of models) await writeDense(join(directory, name), join(target, folder));
  await copyTokenizer(join(target, "tokenizer"), [join(directory, edgeFile)]);
  const [cloud, edge] = [models.get(cloudFile)!, models.get(edgeFile)!];
  await writePairFile(target, { ...file, cloud, edge, tokenizer: "tokenizer" });
} else {
  const models = ["cloud/config.json", "edge/config.json", "edge/model.safetensors"];
  await copy([...models, "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json", "pair.json"]);
}

const pair = await loadPair(isGguf ? target : directory);
await using specializer = await createSpecializer(pair);
const specialized: SpecializedTask[] = [];
for (const task of tasks) {
  const constraint = findConstraint(task.prompt)?.spec; // labels, calls or keys that the prompt names
  const specialization = await specializer.specialize(task.prompt, { constraint });
  const { bytes } = await writeSpecialization(join(out, "tasks", task.name), specialization);
  specialized.push({ ...task, promptTokens: specialization.promptTokens, bytes });
  console.log(`${task.name}: ${specialization.promptTokens} tokens of prompt became ${bytes} bytes`);
}
await writeFile(join(out, "tasks.json"), `${JSON.stringify(specialized, null, 2)}\n`);

async function copy(files: readonly string[]): Promise<void> {
  for (const name of files) {
    await mkdir(dirname(join(target, name)), { recursive: true });
    await copyFile(join(directory, name), join(target, name));
  }
}

async function writeDense(path: string, folder: string): Promise<void> {
  const { config, weights } = await openModel(path);
  const tensors = Object.entries(weights).map(([name, weight]) => {
    if (weight.kind !== "data" || !(weight.data instanceof Float32Array))
      throw new Error(`${path}: expected "${name}" in fp32 in memory, found it elsewhere`);
    return [name, weight.data] as const;
  });
  await saveModel(folder, config, new Map(tensors), { dtype: "F16" });
}
