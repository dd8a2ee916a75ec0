/** @file Sentiment, topic and yes/no tasks of Super-NaturalInstructions with a few fixed answers. */

import { wordCount } from "../../../src/data/family-task.ts";
import type { Sample, TaskFamily, TaskKind } from "../../../src/data/task.ts";
import { type NiRow, readNiRows } from "../../sources/super-ni.ts";
import { UNSEEN_NI_TASKS } from "./held-out.ts";
import { carve, makeTask } from "./make-task.ts";
import { LABEL_FORMATS, LABEL_INTROS } from "./wording.ts";

type Classification = { task: string; name: string; kind: TaskKind; role: string; actions: readonly string[] };

/** The Super-NI tasks that assistant tasks are made of; none of them is used in instruction training. */
export const CLASSIFICATIONS: readonly Classification[] = [
  {
    task: "task586_amazonfood_polarity_classification",
    name: "food-review-sentiment",
    kind: "sentiment",
    role: "a judge of food reviews",
    actions: [
      "say whether the food review is positive or negative",
      "classify the polarity of a review of a food product",
      "decide if the customer liked the food: Positive or Negative",
    ],
  },
  {
    task: "task929_products_reviews_classification",
    name: "product-review-quality",
    kind: "sentiment",
    role: "a reader of product reviews",
    actions: [
      "tell a good review from a bad one",
      "decide whether the product review has a positive tone (Good Review) or a negative one (Bad review)",
      "judge the tone of the review",
    ],
  },
  {
    task: "task889_goemotions_classification",
    name: "emotion",
    kind: "sentiment",
    role: "an observer of feelings",
    actions: [
      "name the emotion of the sentence",
      "say which feeling the comment shows",
      "sort the sentence by its emotion",
    ],
  },
  {
    task: "task833_poem_sentiment_classification",
    name: "poem-sentiment",
    kind: "sentiment",
    role: "a reader of poems",
    actions: [
      "say whether the verse is positive or negative",
      "judge the mood of a line of a poem",
      "classify the sentiment of the verse",
    ],
  },
  {
    task: "task834_mathdataset_classification",
    name: "math-topic",
    kind: "topic",
    role: "a teacher of mathematics",
    actions: [
      "name the area of the maths question",
      "say which branch of mathematics the problem belongs to",
      "sort the exercise by its category",
    ],
  },
  {
    task: "task1630_openpi_classification",
    name: "how-to-topic",
    kind: "topic",
    role: "a librarian of how-to guides",
    actions: [
      "name the category of the instructions",
      "say what the how-to text is about",
      "sort the passage into one of five categories",
    ],
  },
  {
    task: "task1434_head_qa_classification",
    name: "health-topic",
    kind: "topic",
    role: "an examiner in health care",
    actions: [
      "name the subject of the exam question",
      "say to which field of health care the question belongs",
      "sort the question by its topic",
    ],
  },
  {
    task: "task575_air_dialogue_classification",
    name: "flight-speaker",
    kind: "topic",
    role: "an analyst of call centre talks",
    actions: [
      "say whether the agent or the customer is speaking",
      "tell who says the sentence in a flight booking",
      "decide which of the two speakers this is",
    ],
  },
  {
    task: "task115_help_advice_classification",
    name: "is-advice",
    kind: "yes-no",
    role: "a reader of forum posts",
    actions: [
      "say whether the sentence gives advice",
      "decide if the text is a general advice",
      "check whether somebody advises something here",
    ],
  },
  {
    task: "task1517_limit_classfication",
    name: "has-motion",
    kind: "yes-no",
    role: "an annotator of sentences",
    actions: [
      "say whether something moves in the sentence",
      "decide if the sentence tells of a motion",
      "check whether a physical motion occurs in the text",
    ],
  },
  {
    task: "task673_google_wellformed_query_classification",
    name: "well-formed-query",
    kind: "topic",
    role: "a checker of search queries",
    actions: [
      "say whether the query is well formed",
      "rate the wording of the search query as Good or Bad",
      "judge how well the query is written",
    ],
  },
  {
    task: "task1155_bard_analogical_reasoning_trash_or_treasure",
    name: "trash-or-treasure",
    kind: "topic",
    role: "a sorter of things",
    actions: [
      "replace the question mark with trash or treasure",
      "complete the analogy: is the last item trash or treasure",
    ],
  },
  {
    task: "task391_causal_relationship",
    name: "plausible-cause",
    kind: "yes-no",
    role: "a judge of cause and effect",
    actions: [
      "decide whether the first part can be the cause of the second",
      "say if the causal link between the two parts is plausible",
    ],
  },
  {
    task: "task828_copa_commonsense_cause_effect",
    name: "cause-or-effect",
    kind: "topic",
    role: "a judge of cause and effect",
    actions: [
      "say whether the second sentence is the cause or the effect of the first",
      "decide between cause and effect for the second line",
    ],
  },
  {
    task: "task970_sherliic_causal_relationship",
    name: "does-follow",
    kind: "yes-no",
    role: "a careful reader",
    actions: [
      "say whether the second statement follows from the first",
      "decide if the first sentence implies the second",
    ],
  },
];

const MAX_WORDS = 60;
const TEST_ROWS = 80;
const VALIDATION_ROWS = 40;

/** Seen tasks from the train file, unseen ones from the official test tasks; splits are carved by seed. */
export async function classificationTasks(data: string): Promise<TaskFamily[]> {
  const rows = { train: await readNiRows(data, "train"), test: await readNiRows(data, "test") };
  return CLASSIFICATIONS.map(({ task, name, kind, role, actions }) => {
    const seen = !UNSEEN_NI_TASKS.includes(task);
    const taskRows = rows[seen ? "train" : "test"].get(task) ?? [];
    const labels = [...new Set(taskRows.map(({ output }) => output[0]!.trim()))].sort();
    const samples = taskRows.filter(({ input }) => wordCount(input) <= MAX_WORDS).map((row) => sample(row, labels));
    const [test, rest] = carve(`test ${task}`, samples, seen ? TEST_ROWS : 0.7);
    const [validation, train] = carve(`validation ${task}`, rest, seen ? VALIDATION_ROWS : 0.5);
    return makeTask({
      name,
      kind,
      seen,
      phrases: {
        roles: [role, "a text classifier", "an annotator"],
        actions,
        formats: LABEL_FORMATS,
        list: { intros: LABEL_INTROS, items: labels, share: 0.7 },
      },
      labels,
      train,
      validation,
      test,
    });
  });
}

const sample = ({ input, output }: NiRow, choices: readonly string[]): Sample => ({
  input: input.trim(),
  target: output[0]!.trim(),
  choices,
});
