/**
 * @file Puts what the page loads into a folder: a pair with dense weights, and specialisations.
 * Run: npx tsx examples/browser/prepare.ts [PAIR] [FOLDER]
 */
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
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
const isGguf = (name: string): boolean => name.endsWith(".gguf");

const { format: _, ...file } = JSON.parse(await readFile(join(directory, "pair.json"), "utf8")) as PairFile;
const { cloud: cloudFile = "cloud", edge: edgeFile = "edge", generator = "generator" } = file;
const cloud = cloudFile === edgeFile ? "edge" : "cloud";
for (const name of ["generator.json", "model.safetensors"])
  await cp(join(directory, generator, name), join(target, "generator", name));
await copyTokenizer(join(target, "tokenizer"), [
  join(directory, file.tokenizer ?? "tokenizer"),
  join(directory, edgeFile),
]);
await putModel(edgeFile, "edge");
if (cloud !== "edge") await putModel(cloudFile, cloud);
const cloudTokenizer = file.cloudTokenizer ?? (isGguf(cloudFile) && cloud !== "edge" ? cloudFile : undefined);
if (cloudTokenizer !== undefined)
  await copyTokenizer(join(target, "cloud-tokenizer"), [join(directory, cloudTokenizer)]);
await writePairFile(target, {
  ...file,
  cloud,
  edge: "edge",
  generator: "generator",
  tokenizer: "tokenizer",
  ...(cloudTokenizer === undefined ? {} : { cloudTokenizer: "cloud-tokenizer" }),
});

await writeTasks();
// A page needs of the cloud model what it is, not its weights.
if (cloud !== "edge")
  for (const name of await readdir(join(target, cloud)))
    if (name !== "config.json") await rm(join(target, cloud, name), { recursive: true });

async function writeTasks(): Promise<void> {
  const pair = await loadPair(target);
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
}

/** A page reads weights in fp16, not GGUF files. Their values become those of another file, so specialisations are made for that one. */
async function putModel(name: string, folder: string): Promise<void> {
  const [from, to] = [join(directory, name), join(target, folder)];
  if (isGguf(name)) await writeDense(from, to);
  else await cp(from, to, { recursive: true, dereference: true });
}

async function writeDense(path: string, folder: string): Promise<void> {
  const { config, weights } = await openModel(path);
  const tensors = new Map<string, Float32Array>();
  for (const [name, weight] of Object.entries(weights)) {
    const values = weight.kind === "decoded" ? await weight.read() : weight.kind === "data" ? weight.data : undefined;
    if (!(values instanceof Float32Array))
      throw new Error(`${path}: expected "${name}" decoded to fp32 or in memory, found it elsewhere`);
    tensors.set(name, values);
  }
  await saveModel(folder, config, tensors, { dtype: "F16" });
}
