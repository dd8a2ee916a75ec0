/** @file Rules that make the answer out of the input's own words. */
import type { Rng } from "../../../src/base/rng.ts";
import { type Behaviour, wordings, words } from "../behaviour.ts";

type Transform = {
  /** At least four sentences: two for tests and one for validation are among them. */
  readonly sentences: readonly string[];
  readonly apply: (text: string, value: string) => string | undefined;
  /** Values that its parameter can have. */
  readonly values?: readonly string[];
};

const nth = { second: 1, third: 2, fourth: 3 } as const;
const capitalised = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase();
const bare = (word: string): string => word.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, "");

const transforms: { readonly [kind: string]: Transform } = {
  upper: {
    sentences: [
      "Repeat the message in capital letters.",
      "Write the user's text in upper case.",
      "Return what the user wrote, with every letter capitalised.",
      "Shout back: the same words in capitals.",
      "Convert the input to uppercase.",
      "Answer with the input in block capitals.",
      "Echo the message, all letters upper case.",
      "Give the text back in full caps.",
    ],
    apply: (text) => text.toUpperCase(),
  },
  lower: {
    sentences: [
      "Repeat the message in small letters only.",
      "Write the user's text in lower case.",
      "Return what the user wrote without any capital letter.",
      "Convert the input to lowercase.",
      "Echo the message, all letters lower case.",
      "Give the text back with no capitals.",
      "Answer with the same words, uncapitalised throughout.",
    ],
    apply: (text) => text.toLowerCase(),
  },
  title: {
    sentences: [
      "Repeat the message with a capital at the start of every word.",
      "Write the user's text like a headline: each word begins with a capital.",
      "Return the input in title case.",
      "Capitalise the first letter of every word of the message.",
      "Turn the message into a title: Every Word Capitalised.",
      "Give back the input, each word starting with an upper-case letter.",
      "Format the text as a headline in title case.",
    ],
    apply: (text) => words(text).map(capitalised).join(" "),
  },
  "first-word": {
    sentences: [
      "Answer with the first word of the message.",
      "Reply with the word that the user's message begins with.",
      "Output only the opening word of the input.",
      "Say the first word and nothing else.",
      "Copy the word the text starts with.",
      "Return the initial word of what the user wrote.",
      "Extract the very first word.",
      "Which word comes first in the message? Answer with it alone.",
    ],
    apply: (text) => bare(words(text)[0]!),
  },
  "last-word": {
    sentences: [
      "Answer with the last word of the message.",
      "Reply with the word that the user's message ends with.",
      "Output only the final word of the input.",
      "Say the last word and nothing else.",
      "Copy the word the text finishes on.",
      "Return the closing word of what the user wrote.",
      "Extract the very last word.",
      "Which word comes last in the message? Answer with it alone.",
    ],
    apply: (text) => bare(words(text).at(-1)!),
  },
  "nth-word": {
    values: Object.keys(nth),
    sentences: [
      "Answer with the {value} word of the message.",
      "Reply with the {value} word of the user's text, nothing else.",
      "Output only word number {value} of the input.",
      "Copy the {value} word from the left.",
      "Return the {value} word of what the user wrote.",
      "Pick the {value} word out of the sentence.",
      "Counting from the start, give the {value} word.",
    ],
    apply: (text, value) => {
      const word = words(text)[nth[value as keyof typeof nth]];
      return word === undefined ? undefined : bare(word);
    },
  },
  "longest-word": {
    sentences: [
      "Answer with the longest word of the message; of several, the first.",
      "Reply with the word that has the most letters (the earliest one if there are several).",
      "Output only the longest word of the input. With a tie take the one that comes first.",
      "Find the longest word; the first one wins a tie.",
      "Return the word with the greatest length, the first of equals.",
      "Which word of the text is longest? Say it alone; of equal ones the first.",
      "Extract the longest word, taking the earliest where lengths are equal.",
    ],
    apply: (text) =>
      words(text)
        .map(bare)
        .reduce((best, word) => (word.length > best.length ? word : best)),
  },
  "first-words": {
    values: ["two", "three", "four"],
    sentences: [
      "Answer with the first {value} words of the message.",
      "Reply with the {value} words that the text begins with.",
      "Cut the message off behind {value} words.",
      "Output the opening {value} words and stop.",
      "Keep only the first {value} words of the input.",
      "Return just the leading {value} words.",
      "Shorten the message to its first {value} words.",
    ],
    apply: (text, value) => {
      const count = { two: 2, three: 3, four: 4 }[value]!;
      return words(text).length > count ? words(text).slice(0, count).join(" ") : undefined;
    },
  },
  "last-two-words": {
    sentences: [
      "Answer with the last two words of the message.",
      "Reply with the two words that the text ends with.",
      "Output the final two words only.",
      "Keep just the last two words of the input.",
      "Return the closing two words.",
      "Say the two words at the end of the message.",
      "Extract the two final words.",
    ],
    apply: (text) => (words(text).length > 2 ? words(text).slice(-2).join(" ") : undefined),
  },
  "drop-first": {
    sentences: [
      "Repeat the message without its first word.",
      "Leave out the first word and return the rest.",
      "Write the text again, skipping the opening word.",
      "Remove the first word of the input and answer with what is left.",
      "Answer with everything after the first word.",
      "Give the message back minus its first word.",
      "Return all words except the first.",
    ],
    apply: (text) => (words(text).length > 2 ? words(text).slice(1).join(" ") : undefined),
  },
  "reverse-words": {
    sentences: [
      "Write the words of the message in reverse order.",
      "Repeat the text backwards, word by word: the last word first.",
      "Return the words from last to first.",
      "Turn the order of the words around.",
      "Answer with the same words, last one first.",
      "Output the sentence with its word order reversed.",
      "List the words of the input from the end to the beginning, separated by spaces.",
    ],
    apply: (text) => (words(text).length <= 10 ? words(text).reverse().join(" ") : undefined),
  },
  initials: {
    sentences: [
      "Answer with the first letters of all words in capitals, without spaces.",
      "Make an acronym of the message: the initial of every word, upper case, joined.",
      "Reply with the initials of the words, in capitals and without spaces.",
      "Abbreviate the input to the capital initials of its words.",
      "Build an acronym from the text, in capital letters.",
      "Return the initials of every word as one upper-case string.",
      "Turn the sentence into an upper-case acronym.",
    ],
    apply: (text) =>
      words(text).length <= 9
        ? words(text)
            .map((word) => bare(word).charAt(0).toUpperCase())
            .join("")
        : undefined,
  },
  joined: {
    values: ["_", "-", ".", "/", "+"],
    sentences: [
      'Repeat the message with "{value}" instead of spaces.',
      'Join the words of the text with "{value}".',
      'Replace every space of the input by "{value}".',
      'Write the words one after another, separated by "{value}" and no spaces.',
      'Output the text with "{value}" between the words.',
      'Substitute "{value}" for each blank in the message.',
      'Return the input, its spaces turned into "{value}".',
    ],
    apply: (text, value) => words(text).join(value),
  },
  wrapped: {
    values: ["[ ]", "( )", "< >", "{ }", "** **", "' '", "## ##"],
    sentences: [
      "Put the message between {value} and return it.",
      "Repeat the input enclosed in {value}.",
      "Answer with the user's text inside {value}.",
      "Surround what the user wrote with {value}.",
      "Wrap the message in {value}.",
      "Give the text back, set between {value}.",
      "Return the input with {value} around it.",
    ],
    apply: (text, value) => value.replace(" ", text),
  },
  prefixed: {
    values: ["NOTE: ", "> ", "User said: ", "Re: ", "-> ", "INFO ", "Message: ", "* "],
    sentences: [
      'Repeat the message with "{value}" in front.',
      'Answer with the user\'s text, preceded by "{value}".',
      'Begin with "{value}" and then copy the input.',
      'Put "{value}" before the message and return both.',
      'Return the input prefixed by "{value}".',
      'Start your answer with "{value}", followed by the message itself.',
      'Write "{value}" and after it the message as it is.',
    ],
    apply: (text, value) => value + text,
  },
  suffixed: {
    values: [" over.", " (end)", " #done", " please", " !!", " [ok]", " thanks"],
    sentences: [
      'Repeat the message with "{value}" behind it.',
      'Answer with the user\'s text, followed by "{value}".',
      'Copy the input and end with "{value}".',
      'Append "{value}" to the message.',
      'Return the input with "{value}" added at its end.',
      'Give the message back, then "{value}".',
      'Write the message as it is and close with "{value}".',
    ],
    apply: (text, value) => text + value,
  },
  echo: {
    sentences: [
      "Repeat the message exactly.",
      "Copy the user's text word for word.",
      "Answer with the input as it is.",
      "Return the message unchanged.",
      "Echo what the user wrote.",
      "Say back precisely what was said.",
      "Reproduce the message verbatim.",
    ],
    apply: (text) => text,
  },
};

export const transformKinds = Object.keys(transforms);

export function transform(kind: string, rng: Rng): Behaviour {
  const { sentences, apply, values = [] } = transforms[kind]!;
  const value = values.length === 0 ? "" : rng.pick(values);
  return {
    kind,
    group: "transform",
    key: value === "" ? kind : `${kind} ${value}`,
    wordings: wordings(sentences, { value }),
    answer: ({ text }) => apply(text.trim(), value),
  };
}
