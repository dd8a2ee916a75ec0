/** @file Label sets drawn anew for every prompt: which labels, how each is called, in which order, and what is none of them. */
import type { Rng } from "../../src/base/rng.ts";
import { type Behaviour, bySplit, type Split, sample, type Text } from "./behaviour.ts";
import synonyms from "./label-synonyms.json" with { type: "json" };
import type { TextPool } from "./texts.ts";
import { inventedWords } from "./vocabulary.ts";

/** Words of an intent's name: `report_fraud`, `AddToPlaylist`. */
const nameWords = (intent: string): string[] =>
  intent
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[_\s?]+/)
    .filter((word) => word !== "");

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/** Other names of an intent, written for it; none for intents that no training prompt has. */
const synonymsOf = (key: string): readonly string[] => {
  const at = key.indexOf(" ");
  const ofSource: Readonly<Record<string, readonly string[]>> = synonyms[key.slice(0, at) as keyof typeof synonyms];
  return ofSource?.[key.slice(at + 1)] ?? [];
};

/** Spellings that keep the words. */
const spellings: readonly ((intent: string) => string)[] = [
  (intent) => intent,
  (intent) => nameWords(intent).join("_"),
  (intent) => nameWords(intent).join(" "),
  (intent) => nameWords(intent).map(capital).join(" "),
  (intent) => nameWords(intent).join("-"),
  (intent) => nameWords(intent).join("_").toUpperCase(),
  (intent) =>
    nameWords(intent)
      .map((word, i) => (i === 0 ? word : capital(word)))
      .join(""),
  (intent) => nameWords(intent).map(capital).join(""),
  (intent) => capital(nameWords(intent).join(" ")),
];

/** Codes that say nothing by themselves: the prompt defines them. */
const codes: readonly ((rng: Rng, count: number) => string[])[] = [
  (_, count) => [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"].slice(0, count),
  (_, count) => Array.from({ length: count }, (_, i) => String(i + 1)),
  (rng, count) => sample(rng, inventedWords, count),
  (rng, count) => sample(rng, [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"], count),
  (_, count) => Array.from({ length: count }, (_, i) => `L${i + 1}`),
];

export const noneNames = [
  "none",
  "other",
  "none of these",
  "unknown",
  "NONE",
  "something else",
  "no match",
  "n/a",
] as const;

type Form = { readonly sentence: string; readonly write: (label: string) => string };

const jsonForm = (key: string): Form => ({
  sentence: `Answer as JSON: {"${key}": "…"}.`,
  write: (label) => `{"${key}": ${JSON.stringify(label)}}`,
});
const callForm = (name: string): Form => ({
  sentence: `Answer with a call: ${name}("…").`,
  write: (label) => `${name}(${JSON.stringify(label)})`,
});
const bare: Form = { sentence: "", write: (label) => label };

function drawForm(rng: Rng): Form {
  const draw = rng.next();
  if (draw < 0.7) return bare;
  if (draw < 0.88) return jsonForm(rng.pick(["intent", "label", "route", "category", "topic", "class", "type"]));
  if (draw < 0.95) return callForm(rng.pick(["route", "classify", "send_to", "dispatch", "tag"]));
  const mark = rng.pick(["Label: ", "-> ", "Intent: ", "# "]);
  return { sentence: `Begin the answer with "${mark}".`, write: (label) => mark + label };
}

const openings = {
  train: [
    "Name the intent of the user's message.",
    "Classify what the user wants.",
    "You route messages. Choose the right queue for each.",
    "Which of the labels fits the message?",
    "Sort the request into one of the classes.",
    "Read the message and pick its category.",
    "You are an intent classifier.",
    "Decide what the message is asking for.",
    "Tag the user's request.",
    "Triage incoming messages.",
    "Tell which of these the customer means.",
    "Assign exactly one label.",
  ],
  test: [
    "Work out which of the following describes the request best.",
    "Every message gets one tag from a fixed list.",
    "Route the text to its topic.",
  ],
  validation: ["Choose the label that matches what the user is after."],
} as const satisfies { readonly [S in Split]: readonly string[] };

const listings: readonly ((items: readonly string[]) => string)[] = [
  (items) => `Labels: ${items.join(", ")}.`,
  (items) => `The labels are: ${items.join("; ")}.`,
  (items) => `Labels:\n${items.map((item) => `- ${item}`).join("\n")}`,
  (items) => `Options: ${items.join(" | ")}`,
  (items) => `Choose from ${items.join(", ")}.`,
  (items) => `${items.map((item) => `* ${item}`).join("\n")}`,
  (items) => `Allowed answers: ${JSON.stringify(items)}`,
  (items) => `Possible classes (${items.length}): ${items.join(", ")}`,
];

const definitions: readonly ((pairs: readonly (readonly [string, string])[]) => string)[] = [
  (pairs) => pairs.map(([code, meaning]) => `${code}: ${meaning}`).join("\n"),
  (pairs) => `Codes: ${pairs.map(([code, meaning]) => `${code} = ${meaning}`).join(", ")}.`,
  (pairs) => pairs.map(([code, meaning]) => `- "${code}" means ${meaning}`).join("\n"),
  (pairs) => `Answer ${pairs.map(([code, meaning]) => `${code} for ${meaning}`).join(", ")}.`,
  (pairs) => pairs.map(([code, meaning]) => `${code}) ${meaning}`).join("\n"),
];

export type LabelSet = Behaviour & { readonly intents: readonly string[] };

export type LabelSetOptions = {
  /** Keys of `byIntent` to be told apart. */
  readonly intents: readonly string[];
  /** As the data set spells them, in a drawn spelling, or codes that the prompt defines. */
  readonly names?: "own" | "spelled" | "codes";
  /** Whether some sets call their labels by other names than the data set does; the benchmark's never do. */
  readonly renames?: boolean;
  /** Whether a further label takes everything else. */
  readonly none?: boolean;
  readonly form?: Form;
  /** What makes a label of a text: its intent, or its area. */
  readonly by?: "intent" | "domain";
};

/** The share of sets whose labels have other names, and of labels within them. */
const renamedSets = 0.4;
const renamedLabels = 0.6;

/** The keys of intents, some with another name in place of their own: no two alike, however they are spelled. */
function renamed(rng: Rng, keys: readonly string[], allowed: boolean): readonly string[] {
  if (!allowed || rng.next() >= renamedSets) return keys;
  const wordsOf = (key: string): string => nameWords(key.slice(key.indexOf(" ") + 1)).join(" ");
  const taken = new Set(keys.map(wordsOf));
  return keys.map((key) => {
    const others = synonymsOf(key).filter((name) => !taken.has(nameWords(name).join(" ")));
    if (others.length === 0 || rng.next() >= renamedLabels) return key;
    const name = rng.pick(others);
    taken.add(nameWords(name).join(" "));
    return `${key.slice(0, key.indexOf(" "))} ${name}`;
  });
}

/** One label set over given intents, its names and its prompt drawn. */
export function labelSet(rng: Rng, options: LabelSetOptions): LabelSet {
  const { intents, names = rng.next() < 0.3 ? "codes" : "spelled", none = rng.next() < 0.15, by = "intent" } = options;
  const form = options.form ?? drawForm(rng);
  const order = sample(rng, intents, intents.length);
  const spell = names === "own" ? spellings[0]! : rng.pick(spellings);
  const short = (intent: string) => (by === "domain" ? intent : intent.slice(intent.indexOf(" ") + 1));
  const called = renamed(rng, order, options.renames === true && by === "intent" && names !== "own");
  const drawn =
    names === "codes"
      ? rng.pick(codes)(rng, order.length)
      : called.map((name) => (by === "domain" ? name : spell(short(name))));
  const meanings = called.map((name) => (by === "domain" ? name : nameWords(short(name)).join(" ")));
  const noneName = rng.pick(noneNames);
  const labels = [...drawn, ...(none ? [noneName] : [])];
  const labelOf = new Map(order.map((intent, i) => [intent, drawn[i]!]));
  const listing = rng.pick(listings);
  const definition = rng.pick(definitions);
  const list = (): string => {
    if (names !== "codes") return listing(labels);
    return `${definition(order.map((_, i) => [drawn[i]!, meanings[i]!] as const))}${none ? `\n${noneName}: none of these` : ""}`;
  };
  const noneSentence = none && names !== "codes" ? `If none fits, answer ${noneName}.` : "";
  const prompt = (split: Split): string =>
    [rng.pick(openings[split]), list(), noneSentence, form.sentence]
      .filter((part) => part !== "")
      .join(rng.next() < 0.5 ? "\n" : " ");
  const keyOf = ({ source, intent, domain }: Text) => (by === "domain" ? domain : `${source} ${intent}`);
  return {
    kind: `labels by ${by}`,
    group: "labels",
    key: JSON.stringify([order, labels, form.sentence]),
    wordings: bySplit((split) => [prompt(split), prompt(split)]),
    answer(text) {
      const label = labelOf.get(keyOf(text)) ?? (none ? noneName : undefined);
      return label === undefined ? undefined : form.write(label);
    },
    labels: labels.map(form.write),
    intents: order,
  };
}

/** A label set of 3 to 20 intents: out of one data set or across them, those of `texts` among them. */
export function drawLabelSet(
  rng: Rng,
  pool: TextPool,
  texts: readonly Text[],
  options: Partial<LabelSetOptions> = {},
): LabelSet {
  if (options.intents === undefined && rng.next() < 0.15) return drawDomainSet(rng, pool, texts, options);
  const size = 3 + rng.int(rng.next() < 0.7 ? 8 : 18);
  const own = [...new Set(texts.map(({ source, intent }) => `${source} ${intent}`))];
  const sources = new Set(own.map((key) => key.slice(0, key.indexOf(" "))));
  const all = [...pool.byIntent.keys()];
  const near = all.filter((key) => sources.has(key.slice(0, key.indexOf(" "))));
  const filler = sample(rng, rng.next() < 0.7 ? near : all, size);
  const intents = [...new Set([...sample(rng, own, Math.min(own.length, Math.max(2, size - 1))), ...filler])].slice(
    0,
    Math.max(size, 2),
  );
  return labelSet(rng, { intents, ...options });
}

function drawDomainSet(rng: Rng, pool: TextPool, texts: readonly Text[], options: Partial<LabelSetOptions>): LabelSet {
  const own = [...new Set(texts.map(({ domain }) => domain))];
  const intents = [...new Set([...own, ...sample(rng, [...pool.byDomain.keys()], 3 + rng.int(5))])].slice(0, 10);
  return labelSet(rng, { by: "domain", ...options, intents });
}

export { bare as bareForm, callForm, jsonForm };
