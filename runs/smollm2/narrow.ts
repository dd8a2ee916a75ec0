/**
 * @file Narrower mixtures of the training data, for the stretches of a training that begin with what is learnt first:
 *   npx tsx runs/smollm2/narrow.ts [DATA = work/smollm2/data]
 * reads train.jsonl and writes
 *   train-narrow.jsonl  without the prompts whose answers gates can hardly carry: no invented words as labels, no codes for concepts, no
 *                       tables, no functions over lists. What such a label means only the prompt knows, and gates hold a hundred bits
 *   train-rules.jsonl   of these two thirds rules with one or two answers or a free one, and every third prompt of all else
 *   train-transforms.jsonl  of these all rules that make the answer out of the input's words, all rules in a form (JSON, brackets, …),
 *                       and every eighth prompt of all else: what takes the most examples to learn
 */
import { join } from "node:path";
import { type Episode, readEpisodes, writeEpisodes } from "../../src/data/episode.ts";
import { inventedWords } from "./vocabulary.ts";

const invented = new Set(inventedWords);

/** What a label is called, without the form that it is written in: `{"intent": "B"}`, `send_to("B")` and `Label: B` are all "B". */
const bare = (label: string): string => /"([^"]*)"\W*$/.exec(label)?.[1] ?? /(?::\s*)?([^:]*)$/.exec(label)![1]!.trim();
const wordsOf = (label: string): string[] =>
  bare(label)
    .toLowerCase()
    .match(/[a-z]+/g) ?? [];

/** Some invented words are words of English too: a list is invented where most of its labels are. */
const areInvented = (labels: readonly string[]): boolean =>
  labels.filter((label) => wordsOf(label).some((word) => invented.has(word))).length > labels.length / 2;

/** `B`, `12`, `L3`; "no" and "ok" are words. */
const isCode = (label: string): boolean =>
  bare(label).replace(/[^a-z0-9]/gi, "").length <= 2 && !/^(no|ok)$/i.test(bare(label));

/** Families whose answers stand in the prompt alone. */
const tables = new Set(["lookup", "list"]);
/** Families whose labels stand for concepts; a rule's `A` and `B` stand for a property that is trained. */
const ofConcepts = new Set(["labels", "super-ni"]);

/** Whether gates can carry what the answers of a prompt depend on. */
export function isCarried({ family, labels = [] }: Pick<Episode, "family" | "labels">): boolean {
  if (tables.has(family) || areInvented(labels)) return false;
  return !ofConcepts.has(family) || labels.length === 0 || labels.filter(isCode).length < labels.length / 2;
}

/** Answers in three ways, and by cases. Prompts are kept one by one, so that those over the same inputs may stand in two batches. */
const composed = new Set(["rule chain", "rule branched"]);
const keptOfOthers = 3;
const keptBesideTransforms = 8;

/** Every `share`-th prompt of each family that is not among the first. */
function thinned<E extends Pick<Episode, "family">>(
  episodes: readonly E[],
  isFirst: (family: string) => boolean,
  share: number,
): E[] {
  const seen = new Map<string, number>();
  return episodes.filter(({ family }) => {
    const count = (seen.get(family) ?? 0) + 1;
    seen.set(family, count);
    return isFirst(family) || count % share === 0;
  });
}

/** Rules but the composed ones, and every third prompt of each family that is none. */
export const rulesFirst = <E extends Pick<Episode, "family">>(episodes: readonly E[]): E[] =>
  thinned(
    episodes.filter(({ family }) => !composed.has(family)),
    (family) => family.startsWith("rule "),
    keptOfOthers,
  );

/** Rules that make the answer out of the input's words, rules in a form, and every eighth prompt of each other family. */
export const transformsFirst = <E extends Pick<Episode, "family">>(episodes: readonly E[]): E[] =>
  thinned(episodes, (family) => /^rule (transform$|in )/.test(family), keptBesideTransforms);

if (process.argv[1] === import.meta.filename) {
  const [data = "work/smollm2/data"] = process.argv.slice(2);
  const all = await readEpisodes(join(data, "train.jsonl"));
  if (all.every(({ labels }) => labels === undefined))
    throw new Error(`${data}: expected prompts with their labels, found none: draw them anew with data.ts`);
  const narrow = all.filter(isCarried);
  const mixtures = {
    "train-narrow": narrow,
    "train-rules": rulesFirst(narrow),
    "train-transforms": transformsFirst(narrow),
  };
  for (const [name, kept] of Object.entries(mixtures)) {
    await writeEpisodes(join(data, `${name}.jsonl`), kept);
    console.log(`${name}: ${kept.length} of ${all.length} prompts`);
  }
}
