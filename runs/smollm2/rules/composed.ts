/** @file Rules over other rules: an answer in a given form, a condition with two behaviours, a topic to refuse. */
import type { Rng } from "../../../src/base/rng.ts";
import { type Behaviour, bySplit, fill, type Split, wordings, words } from "../behaviour.ts";
import { conditional, property } from "./properties.ts";
import { transform } from "./transforms.ts";

export const jsonKeys = [
  "text",
  "answer",
  "result",
  "value",
  "output",
  "word",
  "reply",
  "content",
  "data",
  "out",
] as const;

const countSentences = [
  "Count the words of the message and answer with the number.",
  "Reply with how many words the text has, as a number.",
  "Output the number of words, in digits.",
  "How many words are in the input? Answer with a numeral only.",
  "Give the word count of the message.",
  "Say only the number of words the user wrote.",
  "Return the count of words as a figure.",
];

export const wordCount = (): Behaviour => ({
  kind: "word-count",
  group: "count",
  key: "word-count",
  wordings: wordings(countSentences),
  answer: ({ text }) => String(words(text).length),
});

type Form = { readonly key: string; readonly sentences: readonly string[]; readonly write: (answer: string) => string };

/** Forms that an answer can be put into. The last sentence is for validation, the one before it for tests. */
const forms: { readonly [name: string]: (rng: Rng) => Form } = {
  json: (rng) => {
    const key = rng.pick(jsonKeys);
    return {
      key: `json ${key}`,
      sentences: [
        `Answer as JSON: {"${key}": …}.`,
        `Put the answer into a JSON object under the key "${key}".`,
        `Write the result as a JSON object with the single key "${key}" and a string value.`,
        `The answer must be JSON with one key, "${key}".`,
        `Format: {"${key}": "…"}`,
        `Give it as a JSON object whose only key is "${key}".`,
      ],
      write: (answer) => JSON.stringify({ [key]: answer }).replace('":"', '": "'),
    };
  },
  capitals: () => ({
    key: "capitals",
    sentences: [
      "Write the answer in capital letters.",
      "The answer is to be in upper case.",
      "Use capitals for your answer.",
      "Put the result in upper case.",
      "Give it in block capitals.",
      "All letters of the answer are capitals.",
    ],
    write: (answer) => answer.toUpperCase(),
  }),
  brackets: () => ({
    key: "brackets",
    sentences: [
      "Put the answer in square brackets.",
      "Enclose the result in [ and ].",
      "The answer goes between square brackets.",
      "Write square brackets around it.",
      "Surround what you answer with square brackets.",
      "Wrap the answer in [square brackets].",
    ],
    write: (answer) => `[${answer}]`,
  }),
  label: (rng) => {
    const label = rng.pick(["Answer: ", "Result: ", "OK: ", "= ", "# ", "Out: "]);
    return {
      key: `label ${label}`,
      sentences: [
        `Begin the answer with "${label}".`,
        `Write "${label}" before the answer.`,
        `The answer starts with "${label}".`,
        `Prefix the result with "${label}".`,
        `Put "${label}" in front of what you answer.`,
        `Your reply opens with "${label}".`,
      ],
      write: (answer) => label + answer,
    };
  },
  twice: () => ({
    key: "twice",
    sentences: [
      "Write the answer twice, with a space between.",
      "Say the answer two times, separated by a space.",
      "Repeat the answer once more behind itself.",
      "Give the answer twice in a row.",
      "The answer is to stand there twice, separated by a blank.",
      "Double the answer: write it two times.",
    ],
    write: (answer) => `${answer} ${answer}`,
  }),
};

export const formKinds = Object.keys(forms);

/** Two sentences: what to answer, and in which form. */
export function formed(rng: Rng, inner: Behaviour, name: string): Behaviour {
  const { key, sentences, write } = forms[name]!(rng);
  const of: { readonly [S in Split]: readonly string[] } = {
    train: sentences.slice(0, -2),
    test: sentences.slice(-2, -1),
    validation: sentences.slice(-1),
  };
  const both = (split: Split) =>
    Array.from(
      { length: split === "train" ? 4 : 2 },
      () => `${rng.pick(inner.wordings[split])} ${rng.pick(of[split])}`,
    );
  const { labels } = inner;
  return {
    kind: `${inner.kind} in ${name}`,
    group: `in ${name}`,
    key: `${inner.key} in ${key}`,
    wordings: bySplit(both),
    answer(text) {
      const answer = inner.answer(text);
      return answer === undefined ? undefined : write(answer);
    },
    ...(labels === undefined ? {} : { labels: labels.map(write) }),
  };
}

const conditionFrames = {
  train: [
    "If {if}: {do} Otherwise: {else}",
    "When {if}, do this: {do} In all other cases: {else}",
    "{else} But if {if}: {do}",
  ],
  test: ["Should it be that {if}, then: {do} If not: {else}"],
  validation: ["Look whether {if}. If so: {do} If not so: {else}"],
} as const satisfies { readonly [S in Split]: readonly string[] };

const constants = ["skip", "nothing to do", "ignored", "pass", "n/a", "not for me", "-", "none", "no action", "next"];

/** One transformation where a property holds, and a fixed answer or another transformation where it does not. */
export function branched(
  rng: Rng,
  domains: readonly string[],
  kinds: { check: string; then: string; otherwise?: string },
): Behaviour {
  const checked = property(kinds.check, rng, domains);
  const then = transform(kinds.then, rng);
  const fixed = rng.pick(constants);
  const otherwise = kinds.otherwise === undefined ? undefined : transform(kinds.otherwise, rng);
  const values = (split: Split) => ({
    do: rng.pick(then.wordings[split]),
    else: otherwise === undefined ? `Answer "${fixed}".` : rng.pick(otherwise.wordings[split]),
  });
  const frames = bySplit((split) => conditionFrames[split].map((frame) => fill(frame, values(split))));
  return {
    kind: `if ${kinds.check} ${kinds.then} else ${kinds.otherwise ?? "fixed"}`,
    group: "branched",
    key: `${checked.key} ? ${then.key} : ${otherwise?.key ?? fixed}`,
    wordings: conditional(rng, frames, [checked], {}),
    answer: (text) =>
      checked.holds(text) ? then.answer(text) : otherwise === undefined ? fixed : otherwise.answer(text),
  };
}

const refusals = [
  "I cannot help with that.",
  "Sorry, not here.",
  "REFUSED",
  "That is not something I do.",
  "Please ask someone else.",
  "out of scope",
];
const permits = ["ok", "accepted", "Sure.", "GO", "in scope", "Let me see."];
const refuseFrames = {
  train: [
    'Never deal with {topic}: to such messages reply "{no}". To everything else reply "{yes}".',
    'If the user asks about {topic}, say "{no}"; otherwise say "{yes}".',
    '{topic} is not our business. Answer "{no}" there and "{yes}" to all other messages.',
    'Reply "{yes}" to every message except those about {topic}, which get "{no}".',
  ],
  test: ['Messages on {topic} are to be turned down with "{no}", all others are met with "{yes}".'],
  validation: ['Turn away anything concerning {topic} with "{no}". Anything else: "{yes}".'],
} as const satisfies { readonly [S in Split]: readonly string[] };

/** A topic to refuse in given words. */
export function refusal(rng: Rng, domains: readonly string[]): Behaviour {
  const topic = rng.pick(domains);
  const [no, yes] = [rng.pick(refusals), rng.pick(permits)];
  return {
    kind: "refusal",
    group: "refusal",
    key: `refuse ${topic} ${no} ${yes}`,
    wordings: bySplit((split) => refuseFrames[split].map((frame) => fill(frame, { topic, no, yes }))),
    answer: ({ domain }) => (domain === topic ? no : yes),
    labels: [no, yes],
  };
}

const constantSentences = [
  'Whatever the message says, answer "{value}".',
  'Reply to everything with "{value}".',
  'Always say "{value}", no matter what the user writes.',
  'Ignore the input and output "{value}".',
  'The only answer you ever give is "{value}".',
  'To any message respond with "{value}" and nothing else.',
  'Your answer is "{value}" in every case.',
];
const constantValues = [
  ...constants,
  ...refusals,
  ...permits,
  "hello",
  "thank you",
  "42",
  "turquoise",
  "banana",
  "yes",
  "no",
  "maybe later",
  "noted",
];

/** The same answer to every input. */
export function fixedAnswer(rng: Rng): Behaviour {
  const value = rng.pick(constantValues);
  return {
    kind: "fixed",
    group: "fixed",
    key: `fixed ${value}`,
    wordings: wordings(constantSentences, { value }),
    answer: () => value,
  };
}
