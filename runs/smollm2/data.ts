/**
 * @file Draws what the generator is trained on:
 *   npx tsx runs/smollm2/data.ts [DATA = ../shared/data] [OUT = work/smollm2/data] [EPISODES = 48000]
 * writes train.jsonl and validation.jsonl, and of details copied out of messages extraction.jsonl and validation-extraction.jsonl.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createRng } from "../../src/base/rng.ts";
import { writeEpisodes } from "../../src/data/episode.ts";
import type { Split } from "./behaviour.ts";
import { readLongTexts } from "./dressing.ts";
import { drawEpisodes, drawExtractions, groupSize, type Sources } from "./episodes.ts";
import { readMessages } from "./extraction.ts";
import { readFunctions } from "./functions.ts";
import { readInstructions } from "./instructions.ts";
import { readTexts } from "./texts.ts";

const [data = "../shared/data", out = "work/smollm2/data", count = "48000"] = process.argv.slice(2);

const instructions = await readInstructions(data, "train");
const long = await readLongTexts(data);

async function write(split: Exclude<Split, "test">, episodes: number): Promise<void> {
  const [pool, functions] = await Promise.all([readTexts(data, split), readFunctions(data, split)]);
  const sources: Sources = { split, pool, functions, instructions, long };
  const rng = createRng(`smollm2 ${split} episodes`);
  const groups = Array.from({ length: episodes / groupSize }, (_, i) => drawEpisodes(rng.split(`group-${i}`), sources));
  const path = join(out, `${split}.jsonl`);
  await writeEpisodes(path, groups.flat());
  const counts: Record<string, number> = {};
  for (const { family } of groups.flat()) counts[family] = (counts[family] ?? 0) + 1;
  console.log(path, counts);
}

async function writeExtractions(split: Exclude<Split, "test">, name: string, episodes: number): Promise<void> {
  const messages = await readMessages(data, split);
  const rng = createRng(`smollm2 ${split} extractions`);
  const groups = Array.from({ length: episodes / groupSize }, (_, i) =>
    drawExtractions(rng.split(`group-${i}`), { split, long }, messages),
  );
  const path = join(out, `${name}.jsonl`);
  await writeEpisodes(path, groups.flat());
  console.log(path, episodes);
}

await mkdir(out, { recursive: true });
await write("validation", 256);
await write("train", Number(count));
await writeExtractions("validation", "validation-extraction", 64);
await writeExtractions("train", "extraction", Math.round(Number(count) / 6 / groupSize) * groupSize);
