/** @file Rewriting and reading off: small operations on real user messages whose answer follows from a rule. */

import { wordCount } from "../../../src/data/family-task.ts";
import type { Sample, TaskFamily, TaskKind } from "../../../src/data/task.ts";
import { readBanking } from "../../sources/banking77.ts";
import { readClinc } from "../../sources/clinc150.ts";
import { readSnips } from "../../sources/snips.ts";
import { UNSEEN_CLINC_DOMAINS } from "./held-out.ts";
import { carve, makeTask } from "./make-task.ts";

type Rule = {
  name: string;
  kind: TaskKind;
  actions: readonly string[];
  formats: readonly string[];
  apply: (text: string) => string;
  maxWords?: number;
  labels?: readonly string[];
};

const words = (text: string) => text.split(" ");
const REWRITE_FORMATS = [
  "Output only the result.",
  "Reply with the new text and nothing else.",
  "Give back just the rewritten message.",
  "Write the result, no comments.",
];
const WORD_FORMATS = [
  "Answer with that word only.",
  "Output one word.",
  "Reply with the single word.",
  "Just the word, as it is written.",
];

const RULES: readonly Rule[] = [
  {
    name: "uppercase",
    kind: "rewriting",
    actions: [
      "rewrite the message in capital letters",
      "convert everything to upper case",
      "repeat the text with all letters capitalised",
      "shout the message back in uppercase",
    ],
    formats: REWRITE_FORMATS,
    apply: (text) => text.toUpperCase(),
    maxWords: 8,
  },
  {
    name: "polite",
    kind: "rewriting",
    actions: [
      'repeat the message with "Please, " in front',
      'make the message polite: put "Please, " before it',
      'copy the text and start it with "Please, "',
    ],
    formats: REWRITE_FORMATS,
    apply: (text) => `Please, ${text}`,
    maxWords: 12,
  },
  {
    name: "quote",
    kind: "rewriting",
    actions: [
      "put the message in double quotes",
      "repeat the text between quotation marks",
      "quote the user: copy the message, with a quotation mark before and after it",
    ],
    formats: REWRITE_FORMATS,
    apply: (text) => `"${text}"`,
    maxWords: 12,
  },
  {
    name: "drop-first-word",
    kind: "rewriting",
    actions: [
      "repeat the message without its first word",
      "remove the first word of the text",
      "copy everything after the first word",
    ],
    formats: REWRITE_FORMATS,
    apply: (text) => words(text).slice(1).join(" "),
    maxWords: 12,
  },
  {
    name: "first-word",
    kind: "extraction",
    actions: ["give the first word of the message", "say which word the text starts with", "return the opening word"],
    formats: WORD_FORMATS,
    apply: (text) => words(text)[0]!,
  },
  {
    name: "last-word",
    kind: "extraction",
    actions: ["give the last word of the message", "say which word the text ends with", "return the final word"],
    formats: WORD_FORMATS,
    apply: (text) => words(text).at(-1)!,
  },
  {
    name: "word-count",
    kind: "extraction",
    actions: ["count the words of the message", "say how many words the text has", "tell the number of words"],
    formats: [
      "Answer with a number.",
      "Reply with the number only.",
      "Output just the count, in digits.",
      "Only digits, nothing else.",
    ],
    apply: (text) => String(words(text).length),
    maxWords: 12,
  },
];

const ROLES = ["a text tool", "a careful copy editor", "a small text utility"];

/** The tasks of all rules over CLINC150 and SNIPS messages, and one that asks whether a bank customer's message is a question. */
export async function rewritingTasks(data: string): Promise<TaskFamily[]> {
  const texts = {
    train: await messages(data, "train"),
    validation: await messages(data, "validation"),
    test: await messages(data, "test"),
  };
  const tasks = RULES.map((rule) => {
    const samples = (list: readonly string[]): Sample[] =>
      list
        .filter((text) => wordCount(text) >= 2 && wordCount(text) <= (rule.maxWords ?? 20))
        .map((text) => ({ input: text, target: rule.apply(text) }));
    return makeTask({
      name: `rewrite-${rule.name}`,
      kind: rule.kind,
      phrases: { roles: ROLES, actions: rule.actions, formats: rule.formats },
      train: samples(texts.train),
      validation: samples(texts.validation),
      test: samples(texts.test),
    });
  });
  return [...tasks, await isQuestionTask(data)];
}

/** Messages without stray white space; SNIPS has no validation split, a tenth of train is carved as for its other tasks. */
async function messages(data: string, split: "train" | "validation" | "test"): Promise<string[]> {
  const clinc = (await readClinc(data, split)).filter((row) => !UNSEEN_CLINC_DOMAINS.includes(row.domain));
  const [validation, train] = carve("snips", await readSnips(data, "train"), 0.1);
  const snips = { train, validation, test: split === "test" ? await readSnips(data, "test") : [] }[split];
  return [...clinc, ...snips].map(({ text }) => text.replace(/\s+/g, " ").trim()).filter((text) => !text.includes('"'));
}

async function isQuestionTask(data: string): Promise<TaskFamily> {
  const samples = (rows: readonly { text: string }[]): Sample[] =>
    rows.map(({ text }) => ({
      input: text.trim(),
      target: text.trim().endsWith("?") ? "yes" : "no",
      choices: ["yes", "no"],
    }));
  const [validation, train] = carve("banking77", await readBanking(data, "train"), 0.1);
  return makeTask({
    name: "is-question",
    kind: "yes-no",
    phrases: {
      roles: ["a text tool", "a reader of customer mail"],
      actions: [
        "say whether the message ends with a question mark",
        "check if the text closes with a question mark",
        "decide if the customer's message is written as a question, with a question mark at its end",
      ],
      formats: ["Answer yes or no.", "Reply only with yes or no.", "Output: yes or no.", "One word: yes or no."],
    },
    labels: ["yes", "no"],
    train: samples(train),
    validation: samples(validation),
    test: samples(await readBanking(data, "test")),
  });
}
