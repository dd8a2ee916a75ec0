/**
 * @file Prepares everything the toy pair is trained on:
 *   npx tsx runs/assistant/data.ts [DATA = ../shared/data] [OUT = work/assistant/data] [TOKENIZER = work/assistant/pair/tokenizer]
 * writes seen.jsonl (the assistant's tasks), seen-whole.jsonl (the same with validation inputs among those to learn from), instructions.jsonl (further instructions), copying.jsonl (copying drills), text.train.tokens and text.validation.tokens.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createRng } from "../../src/base/rng.ts";
import { writeTaskFamilies } from "../../src/data/family-file.ts";
import { writeTokenCache } from "../../src/data/token-cache.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { copyingTasks } from "./copying-tasks.ts";
import { loadInstructionTasks } from "./instruction-tasks.ts";
import { pretrainText } from "./pretrain-text.ts";
import { loadAssistantTasks } from "./tasks/index.ts";

const [data = "../shared/data", out = "work/assistant/data", tokenizerDirectory = "work/assistant/pair/tokenizer"] =
  process.argv.slice(2);
const trainTokens = 6_000_000;
const validationTokens = 100_000;

await mkdir(out, { recursive: true });
const tasks = await loadAssistantTasks(data);
const seen = tasks.filter((task) => task.seen);
await writeTaskFamilies(join(out, "seen.jsonl"), seen);
const whole = seen.map((task) => ({ ...task, train: [...task.train, ...task.validation] }));
await writeTaskFamilies(join(out, "seen-whole.jsonl"), whole);
console.log(`${seen.length} seen tasks, ${tasks.length - seen.length} unseen`);
const instructions = await loadInstructionTasks(data, { tested: tasks });
await writeTaskFamilies(join(out, "instructions.jsonl"), instructions);
console.log(`${instructions.length} instruction tasks`);
const words = seen.flatMap(({ train }) => train.flatMap(({ input }) => input.match(/[\p{L}\p{N}']+/gu) ?? []));
await writeTaskFamilies(
  join(out, "copying.jsonl"),
  copyingTasks(createRng("copying"), { vocabulary: [...new Set(words)].sort() }),
);
const shortAndFrequent = { vocabulary: words, prefix: "copy-short", randomWordShare: 0.05, maxWords: 6 };
await writeTaskFamilies(join(out, "copying-short.jsonl"), copyingTasks(createRng("short copying"), shortAndFrequent));
const tokenizer = await loadTokenizer(tokenizerDirectory);
for (const [split, maxTokens] of [
  ["test", validationTokens],
  ["train", trainTokens],
] as const) {
  const path = join(out, `text.${split === "test" ? "validation" : "train"}.tokens`);
  const report = await writeTokenCache(
    path,
    tokenizer,
    pretrainText(data, createRng(`pretraining text ${split}`), { split }),
    { maxTokens },
  );
  console.log(path, report);
}
