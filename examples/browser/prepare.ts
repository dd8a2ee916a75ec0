/** @file Puts what the page loads into a folder: a pair without its cloud weights, and specialisations. Run: npx tsx examples/browser/prepare.ts [PAIR] [FOLDER] */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { createSpecializer, loadPair, writeSpecialization } from "lora-gen";
import { type SpecializedTask, tasks } from "./tasks.ts";

const [directory = "pairs/assistant", out = resolve(import.meta.dirname, "public")] = process.argv.slice(2);
const files = [
  "pair.json",
  "cloud/config.json",
  "edge/config.json",
  "edge/model.safetensors",
  "generator/generator.json",
  "generator/model.safetensors",
  "tokenizer/tokenizer.json",
  "tokenizer/tokenizer_config.json",
];

const pair = await loadPair(directory);
for (const file of files) {
  const copy = join(out, "pair", file);
  await mkdir(dirname(copy), { recursive: true });
  await copyFile(join(directory, file), copy);
}
await using specializer = await createSpecializer(pair);
const specialized: SpecializedTask[] = [];
for (const task of tasks) {
  const specialization = await specializer.specialize(task.prompt);
  const { bytes } = await writeSpecialization(join(out, "tasks", task.name), specialization);
  specialized.push({ ...task, promptTokens: specialization.promptTokens, bytes });
  console.log(`${task.name}: ${specialization.promptTokens} tokens of prompt became ${bytes} bytes`);
}
await writeFile(join(out, "tasks.json"), `${JSON.stringify(specialized, null, 2)}\n`);
