/** @file Instruction training: Super-NI's train tasks, described by their definition and by paraphrases of it. */

import { wordCount } from "../../src/data/family-task.ts";
import type { Sample, TaskFamily, TaskKind } from "../../src/data/task.ts";
import { type NiRow, type NiTask, readNiDescriptions, readNiRows, readNiTasks } from "../sources/super-ni.ts";
import { TESTED_SOURCES } from "./pretrain-text.ts";
import { CLASSIFICATIONS } from "./tasks/classification.ts";
import { carve, makeSplits, withoutTestInputs } from "./tasks/make-task.ts";

const MAX_INPUT_WORDS = 60;
const MAX_TARGET_WORDS = 20;
const MAX_DESCRIPTION_WORDS = 60;
const MAX_DESCRIPTIONS = 60;
const MIN_ROWS = 60;
const VALIDATION_ROWS = 20;
/** Every tenth description is held out. */
const HELD_OUT_EVERY = 10;

const KIND_OF_CATEGORY: Readonly<Record<string, TaskKind>> = {
  "Sentiment Analysis": "sentiment",
  "Text Categorization": "topic",
  "Information Extraction": "extraction",
  "Question Answering": "extraction",
  "Textual Entailment": "yes-no",
};

/**
 * Families over the open train tasks with short inputs and answers, without those that assistant tasks are made of and
 * without the test inputs of `tested`. Their own test split is empty. Throws E_DATA.
 */
export async function loadInstructionTasks(
  dataDirectory: string,
  { tested }: { tested: readonly TaskFamily[] },
): Promise<TaskFamily[]> {
  const tasks = (await readNiTasks(dataDirectory)).filter(isUsable);
  const rows = await readNiRows(dataDirectory, "train");
  const descriptions = await readNiDescriptions(dataDirectory);
  const families = tasks.flatMap((task): TaskFamily[] => {
    const samples = (rows.get(task.task) ?? []).flatMap(shortSample);
    const prompts = describe(task, descriptions.get(task.task) ?? []);
    if (samples.length < MIN_ROWS || prompts.validation.length === 0) return [];
    const [validation, train] = carve(`instruction ${task.task}`, samples, VALIDATION_ROWS);
    const kind = task.categories.map((category) => KIND_OF_CATEGORY[category]).find((found) => found !== undefined);
    return [
      {
        name: task.task.replaceAll("_", "-"),
        kind: kind ?? "rewriting",
        seen: true,
        paraphrases: prompts,
        ...makeSplits({ train, validation, test: [] }),
      },
    ];
  });
  return withoutTestInputs(families, tested);
}

function isUsable({ task, official_split: split, source }: NiTask): boolean {
  const isAssistantTask = CLASSIFICATIONS.some((classification) => classification.task === task);
  return split === "train" && !isAssistantTask && !source.some((name) => TESTED_SOURCES.includes(name));
}

function shortSample({ input, output }: NiRow): Sample[] {
  const target = output[0]!.trim();
  const isShort = wordCount(input) <= MAX_INPUT_WORDS && wordCount(target) <= MAX_TARGET_WORDS;
  return isShort && target !== "" ? [{ input: input.trim(), target }] : [];
}

function describe({ definition }: NiTask, descriptions: readonly string[]): TaskFamily["paraphrases"] {
  const short = descriptions.filter((text) => wordCount(text) <= MAX_DESCRIPTION_WORDS).slice(0, MAX_DESCRIPTIONS);
  const isHeldOut = (index: number) => index % HELD_OUT_EVERY === HELD_OUT_EVERY - 1;
  return {
    train: [firstSentences(definition, MAX_DESCRIPTION_WORDS), ...short.filter((_, index) => !isHeldOut(index))],
    validation: short.filter((_, index) => isHeldOut(index)),
    test: [],
  };
}

/** Whole sentences up to a number of words; a longer first sentence is cut. */
function firstSentences(text: string, maxWords: number): string {
  let kept = "";
  for (const sentence of text.match(/[^.!?]+[.!?]*\s*/g) ?? [text]) {
    if (wordCount(kept + sentence) > maxWords) break;
    kept += sentence;
  }
  return kept === "" ? text.split(/\s+/).slice(0, maxWords).join(" ") : kept.trim();
}
