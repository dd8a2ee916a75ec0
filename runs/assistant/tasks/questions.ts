/** @file Questions with fixed answers: yes/no (BoolQ) and lettered options (ARC, OpenBookQA). */

import { wordCount } from "../../../src/data/family-task.ts";
import type { Sample, TaskFamily } from "../../../src/data/task.ts";
import { type BoolqRow, readBoolq } from "../../sources/boolq.ts";
import { type ChoiceRow, type ChoiceSet, readChoices } from "../../sources/multiple-choice.ts";
import { carve, makeTask } from "./make-task.ts";

const MAX_WORDS = 70;
const PASSAGE_WORDS = 50;
const YES_NO = ["yes", "no"];

/** BoolQ without and with the beginning of its passage. */
export async function boolqTasks(data: string): Promise<TaskFamily[]> {
  const [validation, train] = carve("boolq", await readBoolq(data, "train"), 0.1);
  const test = await readBoolq(data, "test");
  const ask = ({ question }: BoolqRow) => `${question}?`;
  const kinds = [
    {
      name: "boolq",
      input: ask,
      actions: [
        "answer the question with yes or no",
        "say whether it is true or not",
        "decide if the answer to the question is yes",
      ],
    },
    {
      name: "boolq-passage",
      input: (row: BoolqRow) =>
        row.passage === null ? "" : `${firstWords(row.passage, PASSAGE_WORDS)}\nQuestion: ${ask(row)}`,
      actions: [
        "read the passage and answer the question below it with yes or no",
        "answer the question from the passage",
      ],
    },
  ];
  return kinds.map(({ name, input, actions }) => {
    const samples = (rows: readonly BoolqRow[]): Sample[] =>
      rows
        .map((row) => ({ input: input(row), target: row.answer ? "yes" : "no", choices: YES_NO }))
        .filter((sample) => sample.input !== "");
    return makeTask({
      name,
      kind: "yes-no",
      phrases: {
        roles: ["an expert for general knowledge", "a quiz player", "a fact checker"],
        actions,
        formats: [
          "Answer yes or no.",
          "Reply only with yes or no.",
          "Output one word, yes or no.",
          "Nothing but yes or no.",
        ],
      },
      labels: YES_NO,
      train: samples(train),
      validation: samples(validation),
      test: samples(test),
    });
  });
}

const firstWords = (text: string, count: number) => text.split(/\s+/).slice(0, count).join(" ");

const SUBJECTS: { readonly [S in ChoiceSet]: string } = {
  arc_easy: "school science",
  arc_challenge: "harder science",
  openbookqa: "everyday science",
};

/** Lettered options in the input, the letter as the answer; questions of more than 70 words are left out. */
export async function multipleChoiceTasks(data: string): Promise<TaskFamily[]> {
  return Promise.all(
    Object.entries(SUBJECTS).map(async ([name, subject]) => {
      const set = name as ChoiceSet;
      const rest = await readChoices(data, set, "train");
      const [validation, train] =
        set === "openbookqa" ? [await readChoices(data, set, "dev"), rest] : carve(set, rest, 0.1);
      return makeTask({
        name: name.replace("_", "-"),
        kind: "multiple-choice",
        phrases: {
          roles: ["a science teacher", "a student in an exam", "a solver of multiple choice questions"],
          actions: [
            `pick the right option of a ${subject} question`,
            `answer the multiple choice question about ${subject}`,
            `choose the best answer to a question on ${subject}`,
          ],
          formats: [
            "Answer with the letter only.",
            "Reply with one letter.",
            "Output the letter of the option.",
            "Just the letter, no text.",
          ],
        },
        train: train.flatMap(choiceSample),
        validation: validation.flatMap(choiceSample),
        test: (await readChoices(data, set, "test")).flatMap(choiceSample),
      });
    }),
  );
}

function choiceSample({ question, choices, label }: ChoiceRow): Sample[] {
  const letters = choices.map((_, i) => String.fromCharCode(65 + i));
  const input = [question, ...choices.map((choice, i) => `${letters[i]}. ${choice}`)].join("\n");
  return wordCount(input) > MAX_WORDS || letters[label] === undefined
    ? []
    : [{ input, target: letters[label], choices: letters }];
}
