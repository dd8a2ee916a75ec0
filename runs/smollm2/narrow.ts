/**
 * @file Narrower mixtures of the training data, for the stretches of a training that begin with what is learnt first:
 *   npx tsx runs/smollm2/narrow.ts [DATA = work/smollm2/data]
 * reads train.jsonl and extraction.jsonl and writes
 *   train-narrow.jsonl  without the prompts whose answers gates can hardly carry: no invented words as labels, no codes for concepts, no
 *                       tables, no functions over lists. What such a label means only the prompt knows, and gates hold a hundred bits
 *   train-rules.jsonl   of train-narrow two thirds rules with one or two answers or a free one, and every third prompt of all else
 *   train-transforms.jsonl  of train-narrow all rules that make the answer out of the input's words, all rules in a form (JSON, brackets,
 *                       …), and every eighth prompt of all else: what takes the most examples to learn
 *   train-free.jsonl    of all prompts the short ones (240 characters): rules whose answer is free or a sentence, fewer of those with one
 *                       kind or a condition, and every sixteenth prompt of all else. A cloud model is trained in little time over them
 *   train-coded.jsonl   of all prompts those of up to 400 characters, without tables and lists: rules whole, but fewer of those with three
 *                       labels, a condition or a count, and every second or third prompt of all else. Lists of up to three labels have
 *                       codes in the place of their names
 *   train-composed.jsonl  the same prompts, other shares: all rules in a form, or under a condition, every second count and chain of cases;
 *                       every fourth to eighth prompt of all else
 *   train-named.jsonl   the same prompts, other shares: label sets and functions whole, every second prompt of extraction.jsonl, rules and Super-NI less
 *   train-formed.jsonl  the same prompts, other shares: half are rules in a form (brackets, capitals, twice, JSON, a word in front)
 *   train-even.jsonl    the same prompts, label sets and details of messages beside rules of all kinds, none of them more than a fifth
 *   train-mostly-named.jsonl  the same prompts, label sets, functions, details of messages and Super-NI are three fifths, rules the rest
 *   validation-coded.jsonl  all prompts of validation.jsonl, also long ones, tables and lists; short lists have codes there too
 */
import { join } from "node:path";
import { type Episode, readEpisodes, writeEpisodes } from "../../src/data/episode.ts";
import { labelCodes, mostCodedLabels } from "./label-codes.ts";
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

/** `B`, `12`, `L3`, and also short words such as "IT" or "up"; "no" and "ok" are words. */
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

/** Keeps the n-th prompt of each group, counting anew behind it. */
function everyNth<E extends Pick<Episode, "family">>(
  share: (episode: E) => number,
  groupOf: (episode: E) => string = ({ family }) => family,
): (episode: E) => boolean {
  const seen = new Map<string, number>();
  return (episode) => {
    const group = groupOf(episode);
    const count = (seen.get(group) ?? 0) + 1;
    seen.set(group, count);
    return count % share(episode) === 0;
  };
}

/** Every `share`-th prompt of each family that is not among the first. */
function thinned<E extends Pick<Episode, "family">>(
  episodes: readonly E[],
  isFirst: (family: string) => boolean,
  share: number,
): E[] {
  return episodes.filter(everyNth(({ family }) => (isFirst(family) ? 1 : share)));
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

/** Of how many prompts one is kept, among rules whose answer is no label that stands for a property. */
const keptOfFree: Readonly<Record<string, number>> = {
  "rule transform": 1,
  "rule refusal": 1,
  "rule fixed": 2,
  "rule count": 2,
  "rule branched": 4,
};
const keptBesideFree = 16;
const shortPrompt = 240;

/** Short prompts: rules with a free answer or one in a form, and every sixteenth prompt of each other family. */
export function freeRulesFirst<E extends Pick<Episode, "family" | "prompt" | "labels">>(episodes: readonly E[]): E[] {
  const isFree = ({ labels }: E): boolean => labels === undefined;
  return episodes
    .filter(({ prompt }) => prompt.length <= shortPrompt)
    .filter(
      everyNth(
        (episode) =>
          keptOfFree[episode.family] ?? (episode.family.startsWith("rule in ") && isFree(episode) ? 1 : keptBesideFree),
        (episode) => `${episode.family} ${isFree(episode)}`,
      ),
    );
}

const longerPrompt = 400;

/** Of how many prompts of a family one is kept, 0 for none. "rule in" stands for rules in any form, "rest" for what is not named. */
export type Shares = { readonly rest: number; readonly [family: string]: number };

/** Mixtures of short prompts whose short lists are in codes. */
export const codedMixtures = {
  "train-coded": {
    rest: 1,
    labels: 2,
    functions: 2,
    extraction: 0,
    "super-ni": 3,
    "rule count": 2,
    "rule branched": 2,
    "rule chain": 3,
  },
  "train-composed": {
    rest: 8,
    labels: 6,
    extraction: 0,
    "rule in": 1,
    "rule branched": 1,
    "rule count": 2,
    "rule chain": 2,
    "rule transform": 4,
    "rule fixed": 4,
    "rule refusal": 4,
  },
  "train-named": {
    rest: 2,
    labels: 1,
    functions: 1,
    "super-ni": 3,
    "rule transform": 4,
    "rule binary": 6,
    "rule chain": 4,
    "rule count": 6,
    "rule fixed": 4,
  },
  "train-formed": {
    rest: 8,
    labels: 24,
    functions: 24,
    extraction: 40,
    "super-ni": 24,
    "rule in": 1,
    "rule transform": 4,
    "rule binary": 24,
    "rule chain": 16,
    "rule count": 16,
    "rule fixed": 16,
  },
  "train-even": {
    rest: 1,
    labels: 3,
    functions: 3,
    extraction: 4,
    "super-ni": 6,
    "rule transform": 3,
    "rule branched": 2,
    "rule refusal": 2,
    "rule binary": 6,
    "rule chain": 4,
    "rule count": 4,
    "rule fixed": 4,
  },
  "train-mostly-named": {
    rest: 1,
    labels: 2,
    extraction: 2,
    "super-ni": 4,
    "rule transform": 3,
    "rule refusal": 2,
    "rule binary": 6,
    "rule chain": 4,
    "rule count": 4,
    "rule fixed": 4,
  },
} as const satisfies Readonly<Record<string, Shares>>;

/** Short lists in codes: the prompt tells them, and they are what is answered. */
export function withCodes(episode: Episode): Episode {
  const { prompt, labels, queries } = episode;
  const coded = labels === undefined ? undefined : labelCodes(prompt, labels);
  if (coded === undefined) return episode;
  const codeOf = new Map(labels!.map((label, i) => [label, coded.codes[i]!]));
  return {
    ...episode,
    prompt: coded.prompt,
    labels: [...coded.codes],
    queries: queries.map(({ input, target }) => ({ input, target: codeOf.get(target)! })),
  };
}

const isShort = ({ prompt }: Pick<Episode, "prompt">): boolean => prompt.length <= longerPrompt;

/** Short prompts, short lists in codes, of each family its share; no tables, no lists, and of long lists what gates can carry. */
export function codedMixture(episodes: readonly Episode[], shares: Shares): Episode[] {
  const groupOf = (family: string) => (family.startsWith("rule in ") ? "rule in" : family);
  return episodes
    .filter((episode) => isShort(episode) && !tables.has(episode.family))
    .map(withCodes)
    .filter(({ family, labels = [] }) => labels.length <= mostCodedLabels || isCarried({ family, labels }))
    .filter(everyNth(({ family }) => shares[groupOf(family)] ?? shares.rest));
}

/** Two lists as one, each spread evenly over it. */
export function spreadEvenly<T>(first: readonly T[], second: readonly T[]): T[] {
  const placed = [first, second].flatMap((list) => list.map((item, i) => ({ item, at: (i + 0.5) / list.length })));
  return placed.sort((a, b) => a.at - b.at).map(({ item }) => item);
}

if (process.argv[1] === import.meta.filename) {
  const [data = "work/smollm2/data"] = process.argv.slice(2);
  const all = await readEpisodes(join(data, "train.jsonl"));
  if (all.every(({ labels }) => labels === undefined))
    throw new Error(`${data}: expected prompts with their labels, found none: draw them anew with data.ts`);
  const narrow = all.filter(isCarried);
  const withExtractions = spreadEvenly(all, await readEpisodes(join(data, "extraction.jsonl")));
  const validation = await readEpisodes(join(data, "validation.jsonl"));
  const mixtures: Readonly<Record<string, { readonly of: readonly Episode[]; readonly kept: readonly Episode[] }>> = {
    "train-narrow": { of: all, kept: narrow },
    "train-rules": { of: all, kept: rulesFirst(narrow) },
    "train-transforms": { of: all, kept: transformsFirst(narrow) },
    "train-free": { of: all, kept: freeRulesFirst(narrow) },
    ...Object.fromEntries(
      Object.entries(codedMixtures).map(([name, shares]) => [
        name,
        { of: withExtractions, kept: codedMixture(withExtractions, shares) },
      ]),
    ),
    "validation-coded": { of: validation, kept: validation.map(withCodes) },
  };
  for (const [name, { of, kept }] of Object.entries(mixtures)) {
    await writeEpisodes(join(data, `${name}.jsonl`), kept);
    console.log(`${name}: ${kept.length} of ${of.length} prompts`);
  }
}
