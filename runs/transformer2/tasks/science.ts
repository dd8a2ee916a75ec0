/** @file Science questions with four lettered options: ARC-Easy has a skill, ARC-Challenge and OpenBookQA have none. */
import { type ChoiceRow, type ChoiceSet, readChoices } from "../../sources/multiple-choice.ts";
import { divided, type SkillTask } from "./task.ts";

const letters = ["A", "B", "C", "D"];

const questionOf = ({ question, choices }: ChoiceRow): string =>
  [question, ...choices.map((choice, i) => `${letters[i]}. ${choice}`)].join("\n");

const lettered = (summary: string, set: ChoiceSet): SkillTask => ({
  version: 1,
  summary,
  kind: "multiple-choice",
  form: "Answer with one letter: A, B, C or D.",
  scorer: "first-word",
  maxTokens: 2,
  labels: letters,
  async read(data, split, rng) {
    const rows = (await readChoices(data, set, split === "test" ? "test" : "train")).filter(
      ({ choices }) => choices.length === letters.length,
    );
    const own = split === "test" ? rows : divided(rows, split, rng);
    return own.map((row) => ({ input: questionOf(row), target: letters[row.label]! }));
  },
});

export const science = lettered("science of grade school, four lettered options (ARC-Easy)", "arc_easy");
export const arcChallenge = lettered("harder science, four lettered options (ARC-Challenge)", "arc_challenge");
export const openBook = lettered("science facts put to use, four lettered options (OpenBookQA)", "openbookqa");
