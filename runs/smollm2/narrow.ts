/**
 * @file The training data without the prompts whose answers gates can hardly carry:
 *   npx tsx runs/smollm2/narrow.ts [DATA = work/smollm2/data]
 * reads train.jsonl and writes train-narrow.jsonl: no invented words as labels, no codes for concepts, no tables, no functions over lists.
 * What such a label means is known to the prompt alone, and gates hold a hundred bits.
 */
import { join } from "node:path";
import { type Episode, readEpisodes, writeEpisodes } from "../../src/data/episode.ts";
import { inventedWords } from "./vocabulary.ts";

const invented = new Set(inventedWords);
const isInvented = (label: string): boolean =>
  label
    .replace(/[^a-z]/gi, " ")
    .trim()
    .split(/\s+/)
    .some((word) => invented.has(word.toLowerCase()));

/** `B`, `12`; "no" and "ok" are words. */
const isCode = (label: string): boolean => label.replace(/[^a-z0-9]/gi, "").length <= 2 && !/^(no|ok)$/i.test(label);

/** Families whose answers stand in the prompt alone. */
const tables = new Set(["lookup", "list"]);
/** Families whose labels stand for concepts; a rule's `A` and `B` stand for a property that is trained. */
const ofConcepts = new Set(["labels", "super-ni"]);

/** Whether gates can carry what the answers of a prompt depend on. */
export function isCarried({ family, labels = [] }: Pick<Episode, "family" | "labels">): boolean {
  if (tables.has(family) || labels.some(isInvented)) return false;
  return !ofConcepts.has(family) || labels.length === 0 || labels.filter(isCode).length < labels.length / 2;
}

if (process.argv[1] === import.meta.filename) {
  const [data = "work/smollm2/data"] = process.argv.slice(2);
  const all = await readEpisodes(join(data, "train.jsonl"));
  const kept = all.filter(isCarried);
  await writeEpisodes(join(data, "train-narrow.jsonl"), kept);
  console.log(`${kept.length} of ${all.length} prompts kept`);
}
