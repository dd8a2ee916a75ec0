/** @file Whether one number of two digits is larger than another. */
import type { SkillTask } from "./task.ts";

const numbers = Array.from({ length: 90 }, (_, i) => 10 + i);
/** Of all pairs, in drawn order: so many for validation, so many for test, the others for training. Each is asked both ways. */
const held = { validation: 250, test: 500 } as const;

export const largerNumber: SkillTask = {
  version: 2,
  summary: "whether the first of two numbers of two digits is the larger",
  kind: "yes-no",
  form: "Answer yes or no.",
  scorer: "first-word",
  maxTokens: 2,
  labels: ["yes", "no"],
  subjectOf: (question) => (question.match(/\d+/g) ?? []).sort().join(" and "),
  async read(_, split, rng) {
    const all = numbers.flatMap((a) => numbers.flatMap((b) => (a < b ? [[a, b] as const] : [])));
    const pairs = rng.split("pairs").shuffle(all);
    const from = { validation: 0, test: held.validation, train: held.validation + held.test };
    const to = { validation: held.validation, test: from.train, train: pairs.length };
    return pairs.slice(from[split], to[split]).flatMap(([smaller, larger]) => [
      { input: `Is ${smaller} larger than ${larger}?`, target: "no" },
      { input: `Is ${larger} larger than ${smaller}?`, target: "yes" },
    ]);
  },
};
