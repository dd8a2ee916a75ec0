/** @file Properties of a text that a program can check, and rules that answer by them: two labels drawn anew, a table of codes, a refusal. */
import type { Rng } from "../../../src/base/rng.ts";
import { type Behaviour, bySplit, type Split, sample, type Text, words } from "../behaviour.ts";
import { inventedWords } from "../vocabulary.ts";

export type Property = {
  readonly key: string;
  /** How a sentence names it: "the message contains the word my". The last is for validation, the one before it for tests. */
  readonly conditions: readonly string[];
  readonly holds: (text: Text) => boolean;
};

const frequentWords = [
  "my",
  "the",
  "i",
  "to",
  "a",
  "can",
  "you",
  "what",
  "how",
  "is",
  "for",
  "me",
  "do",
  "in",
  "of",
  "it",
  "on",
];
const questionWords = ["what", "when", "where", "who", "why", "how", "which", "what's", "who's", "where's"];
const plain = (text: string): string[] => words(text.toLowerCase()).map((word) => word.replace(/[^\p{L}\p{N}']/gu, ""));

/** Draws one of the properties. Which domains a text may be asked about is the caller's: those of the inputs at hand. */
const properties: { readonly [kind: string]: (rng: Rng, domains: readonly string[]) => Property } = {
  "contains-word": (rng) => {
    const word = rng.pick(frequentWords);
    return {
      key: `contains ${word}`,
      conditions: [
        `the message contains the word "${word}"`,
        `the word "${word}" is in the text`,
        `"${word}" is one of the words`,
        `the user uses the word "${word}"`,
        `the word "${word}" occurs in the message`,
        `"${word}" appears as a word of the input`,
      ],
      holds: ({ text }) => plain(text).includes(word),
    };
  },
  "question-word": () => ({
    key: "question word",
    conditions: [
      "the message begins with a question word (what, when, where, who, why, how, which)",
      "the first word is a question word like what, how or where",
      "the text starts with who, what, when, where, why, which or how",
      "it opens with a question word such as what or how",
      "the input starts by asking who, what, when, where, why, which or how",
      "a wh-word or how stands at its beginning",
    ],
    holds: ({ text }) => questionWords.includes(plain(text)[0]!),
  }),
  "longer-than": (rng) => {
    const count = 5 + rng.int(6);
    return {
      key: `longer than ${count}`,
      conditions: [
        `the message has more than ${count} words`,
        `there are more than ${count} words in the text`,
        `the message is longer than ${count} words`,
        `it has over ${count} words`,
        `the number of words is above ${count}`,
        `the input counts more than ${count} words`,
      ],
      holds: ({ text }) => words(text).length > count,
    };
  },
  "starts-with-vowel": () => ({
    key: "starts with vowel",
    conditions: [
      "the message begins with a vowel (a, e, i, o, u)",
      "the first letter is a vowel",
      "the text starts with a, e, i, o or u",
      "its first letter is one of a, e, i, o, u",
      "the opening letter of the input is a vowel",
      "it starts with a vowel",
    ],
    holds: ({ text }) => /^[aeiou]/i.test(text.trim()),
  }),
  "first-person": () => ({
    key: "first person",
    conditions: [
      'the user says "i", "me" or "my"',
      'the words "i", "me" or "my" occur',
      'the message has "i", "my" or "me" in it',
      "the user speaks of themselves (i, me, my)",
      'the text contains "my", "me" or "i" as a word',
      "there is a first-person word (i, me, my) in the input",
    ],
    holds: ({ text }) => plain(text).some((word) => ["i", "me", "my", "i'm", "i've", "i'd", "i'll"].includes(word)),
  }),
  digit: () => ({
    key: "digit",
    conditions: [
      "the message contains a digit",
      "there is a number written in digits in the text",
      "a digit (0 to 9) occurs",
      "any figure from 0 to 9 is in the message",
      "the input has at least one digit",
      "digits appear in it",
    ],
    holds: ({ text }) => /\d/.test(text),
  }),
  "long-word": (rng) => {
    const length = 7 + rng.int(4);
    return {
      key: `word of ${length}`,
      conditions: [
        `a word of the message has ${length} letters or more`,
        `there is a word with at least ${length} letters`,
        `the text has a word of ${length} or more letters`,
        `one of its words is ${length} letters long or longer`,
        `any word reaches ${length} letters`,
        `the input includes a word of at least ${length} letters`,
      ],
      holds: ({ text }) => plain(text).some((word) => word.replace(/'/g, "").length >= length),
    };
  },
  about: (rng, domains) => {
    const domain = rng.pick(domains);
    return {
      key: `about ${domain}`,
      conditions: [
        `the message is about ${domain}`,
        `the topic is ${domain}`,
        `the user writes about ${domain}`,
        `it has to do with ${domain}`,
        `the request belongs to the area of ${domain}`,
        `the subject of the input is ${domain}`,
      ],
      holds: (text) => text.domain === domain,
    };
  },
};

export const propertyKinds = Object.keys(properties);

export const property = (kind: string, rng: Rng, domains: readonly string[]): Property =>
  properties[kind]!(rng, domains);

const conditionsOf = ({ conditions }: Property, split: Split): readonly string[] =>
  ({ train: conditions.slice(0, -2), test: conditions.slice(-2, -1), validation: conditions.slice(-1) })[split];

const labelPairs: readonly (readonly [string, string])[] = [
  ["yes", "no"], ["true", "false"], ["1", "0"], ["Y", "N"], ["on", "off"], ["pass", "fail"], ["A", "B"], ["red", "blue"],
  ["accept", "reject"], ["X", "O"], ["left", "right"], ["high", "low"], ["keep", "drop"], ["one", "two"], ["green", "grey"],
  ["no", "yes"], ["false", "true"], ["B", "A"], ["0", "1"], ["stop", "go"], ["up", "down"], ["cat", "dog"],
]; // biome-ignore format: a table

/** Two labels: a common pair, in either order, or invented words. */
export function labelPair(rng: Rng): readonly [string, string] {
  if (rng.next() < 0.3) return sample(rng, inventedWords, 2) as [string, string];
  return rng.pick(labelPairs);
}

type Frames = { readonly [S in Split]: readonly string[] };

/** Every condition of a split in every frame of it, but no more than eight drawn ones. */
export function conditional(
  rng: Rng,
  frames: Frames,
  checked: readonly Property[],
  values: Readonly<Record<string, string>>,
): Behaviour["wordings"] {
  const of = (split: Split): string[] =>
    Array.from({ length: split === "train" ? 4 : 2 }, () => {
      const named = Object.fromEntries(checked.map((one, i) => [`if${i || ""}`, rng.pick(conditionsOf(one, split))]));
      return rng
        .pick(frames[split])
        .replace(/\{(\w+)\}/g, (whole, name: string) => named[name] ?? values[name] ?? whole);
    });
  return bySplit(of);
}

const binaryFrames: Frames = {
  train: [
    'Answer "{yes}" if {if}, otherwise "{no}".',
    'Say "{yes}" when {if} and "{no}" when not.',
    "If {if}, reply {yes}. If not, reply {no}.",
    "Check whether {if}. Write {yes} for that, {no} for anything else.",
    'Output "{no}" unless {if}; then output "{yes}".',
    "{yes}: {if}. {no}: all other messages. Answer with one of the two.",
  ],
  test: [
    'Decide: does it hold that {if}? Then "{yes}", else "{no}".',
    "Reply with {yes} in case {if}; in every other case with {no}.",
  ],
  validation: ["Label the message {yes} if {if}, and {no} if this is not so."],
};

/** Two labels by one property. */
export function binary(kind: string, rng: Rng, domains: readonly string[]): Behaviour {
  const checked = property(kind, rng, domains);
  const [yes, no] = labelPair(rng);
  return {
    kind,
    group: "binary",
    key: `${checked.key} ? ${yes} : ${no}`,
    wordings: conditional(rng, binaryFrames, [checked], { yes, no }),
    answer: (text) => (checked.holds(text) ? yes : no),
    labels: [yes, no],
  };
}

const chainFrames: Frames = {
  train: [
    'If {if}, answer "{a}". Otherwise, if {if1}, answer "{b}". In all other cases answer "{c}".',
    "Codes: {a} where {if}; {b} where {if1} (and the first does not apply); {c} for the rest.",
    "First check: {if}? Then {a}. Second check: {if1}? Then {b}. Neither: {c}.",
  ],
  test: ['Use "{a}" when {if}; failing that "{b}" when {if1}; and "{c}" when neither is so.'],
  validation: ["{a}, if {if}; else {b}, if {if1}; else {c}. Answer with one of the three."],
};

/** Three labels by two properties, the first of which goes first. */
export function chain(rng: Rng, domains: readonly string[], kinds: readonly [string, string]): Behaviour {
  const [first, second] = kinds.map((kind) => property(kind, rng, domains)) as [Property, Property];
  const labels =
    rng.next() < 0.5
      ? sample(rng, inventedWords, 3)
      : sample(rng, ["alpha", "beta", "gamma", "delta", "A", "B", "C", "1", "2", "3"], 3);
  const [a, b, c] = labels as [string, string, string];
  return {
    kind: `chain ${kinds.join(" ")}`,
    group: "chain",
    key: `${first.key} ? ${a} : ${second.key} ? ${b} : ${c}`,
    wordings: conditional(rng, chainFrames, [first, second], { a, b, c }),
    answer: (text) => (first.holds(text) ? a : second.holds(text) ? b : c),
    labels,
  };
}

const lengthFrames: readonly string[] = [
  'Answer "{a}" for messages of at most {low} words, "{b}" for {next} to {high} words, "{c}" for longer ones.',
  "Sort by length: up to {low} words is {a}, up to {high} words is {b}, more is {c}.",
  "{a}: {low} words or fewer. {b}: from {next} to {high}. {c}: more than {high}. Name the class.",
  "Count the words. {low} or fewer: {a}. {next} to {high}: {b}. Above {high}: {c}.",
  "How long is the message? {a} up to {low} words, {b} up to {high}, {c} beyond.",
  "Class {a} has at most {low} words, class {b} {next} to {high}, class {c} the rest. Give the class.",
];

/** Three labels by the number of words. */
export function lengthClass(rng: Rng): Behaviour {
  const low = 4 + rng.int(4);
  const high = low + 2 + rng.int(4);
  const triples = [
    ["short", "medium", "long"],
    ["S", "M", "L"],
    ["small", "middle", "big"],
    ["1", "2", "3"],
    ["brief", "normal", "lengthy"],
  ];
  const [a, b, c] = (rng.next() < 0.3 ? sample(rng, inventedWords, 3) : rng.pick(triples)) as [string, string, string];
  const values = { a, b, c, low: String(low), next: String(low + 1), high: String(high) };
  const filled = lengthFrames.map((frame) =>
    frame.replace(/\{(\w+)\}/g, (_, name: keyof typeof values) => values[name]),
  );
  return {
    kind: "length-class",
    group: "chain",
    key: `length ${low} ${high} ${a} ${b} ${c}`,
    wordings: { train: filled.slice(0, -3), test: filled.slice(-3, -1), validation: filled.slice(-1) },
    answer: ({ text }) => (words(text).length <= low ? a : words(text).length <= high ? b : c),
    labels: [a, b, c],
  };
}
