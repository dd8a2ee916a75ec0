/** @file Yes or no about a short passage: BoolQ. */
import { readBoolq } from "../../sources/boolq.ts";
import { divided, keyOf, type SkillTask } from "./task.ts";

/** Longer passages cost more than they tell here. */
const maxCharacters = 400;

export const reading: SkillTask = {
  version: 2,
  summary: `yes or no about a passage of at most ${maxCharacters} characters (BoolQ)`,
  kind: "yes-no",
  form: "Answer yes or no.",
  scorer: "first-word",
  maxTokens: 2,
  labels: ["yes", "no"],
  subjectOf: (question) => question.slice(0, question.lastIndexOf("\nQuestion: ")),
  async read(data, split, rng) {
    const rows = (await readBoolq(data, split === "test" ? "test" : "train")).flatMap(({ passage, ...row }) =>
      passage === null || passage.length > maxCharacters ? [] : [{ ...row, passage }],
    );
    const own = split === "test" ? rows : divided(rows, split, rng, ({ passage }) => keyOf(passage));
    return own.map(({ passage, question, answer }) => ({
      input: `${passage}\nQuestion: ${question}?`,
      target: answer ? "yes" : "no",
    }));
  },
};
