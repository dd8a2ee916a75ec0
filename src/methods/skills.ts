/** @file The model with several skills: chosen question by question in a first pass, or mixed by what a few examples say. */

import { AppError } from "../base/errors.ts";
import { requireRunning } from "../base/interrupt.ts";
import type { StepChange } from "../decode/cached-model.ts";
import { findShares, type SearchName } from "../dispatch/few-shot.ts";
import { type Choice, createFirstPass, otherSkill } from "../dispatch/first-pass.ts";
import { createShotScorer, type Shots } from "../dispatch/shots.ts";
import { everywhere, whole } from "../dispatch/skill-pool.ts";
import { classifierName, openSkillPool } from "../dispatch/skill-pool-file.ts";
import { choosingScorers, scorersOf } from "../eval/scorers/table.ts";
import { readingCounter } from "./flops.ts";
import { freeOfCost, type Method, type Subject, type Task } from "./method.ts";
import { refusesExamples, shots } from "./shots.ts";

/** Who names the skill in the first pass: the base model, or the folder's skill of that name. */
export type Dispatching = "prompt" | "classifier";

const speakers: Readonly<Record<Dispatching, string>> = {
  prompt: "which the model itself names",
  classifier: `which the skill "${classifierName}" names`,
};

/** `folder`: skills, each under its name. */
export const chosenSkill = (folder: string, by: Dispatching): Method => ({
  summary: `each question by one of the skills in FOLDER, ${speakers[by]} in a first pass, or by the base model`,
  needs: { training: "once", beside: "each question" },
  async prepare(subject, _, { threads = 0, device = "cpu" } = {}) {
    const from = performance.now();
    const pool = await openSkillPool(folder, subject);
    if (by === "classifier" && pool.classifier === undefined)
      throw new AppError(
        "E_NOT_FOUND",
        `${folder}: expected a skill "${classifierName}", which names the others; found none`,
      );
    const change = by === "classifier" ? pool.classifier : undefined;
    const first = createFirstPass({ ...subject, change }, pool.names, { threads, device });
    const flopsOf = readingCounter({ model: subject.model, change });
    const changes = new Map<string, StepChange>();
    const dispatched = ({ skill, inputTokens: tokens }: Pick<Choice, "skill" | "inputTokens">) => {
      if (skill !== otherSkill && !changes.has(skill)) changes.set(skill, whole(pool, skill));
      return { skill, tokens, flops: tokens === 0 ? 0 : flopsOf(tokens), change: changes.get(skill) };
    };
    return {
      model: subject.model,
      async dispatch(input, signal) {
        const choice = await first.choose(input, signal);
        return { ...dispatched(choice), ms: choice.ms };
      },
      dispatchMany: async (inputs, signal) => (await first.chooseMany(inputs, signal)).map(dispatched),
      cost: { ...freeOfCost, seconds: (performance.now() - from) / 1000, bytes: pool.bytes },
      close: async () => first[Symbol.asyncDispose](),
    };
  },
});

export type Mixing = { readonly search: SearchName; readonly perLayer?: boolean };

/** All skills of a folder at once: how much of each, a search over `count` examples says. */
export const mixedSkills = (folder: string, count: number, { search, perLayer = false }: Mixing): Method => ({
  summary: summaries[search](perLayer),
  needs: { training: "once", beside: "nothing" },
  refuses: (_, task) => refusesExamples(task, count) ?? (search === "uniform" ? undefined : refusesChoices(task)),
  async prepare(subject, task, { threads = 0, device = "cpu", signal } = {}) {
    const from = performance.now();
    const pool = await openSkillPool(folder, subject);
    const { change, steer } = pool.steered();
    const skills = pool.names.length;
    let evaluations = 0;
    if (search === "uniform") steer(everywhere(pool.layers, new Array<number>(skills).fill(1 / skills)));
    else {
      const sizes = { skills, layers: pool.layers, examples: count };
      await using scorer = createShotScorer({ ...subject, change }, shotsOf(task, count), { threads, device });
      const found = await findShares(
        sizes,
        (shares) => {
          steer(shares);
          return scorer.score(signal);
        },
        { search, perLayer, signal },
      );
      requireRunning(signal);
      steer(found.shares);
      evaluations = found.evaluations;
    }
    const seconds = (performance.now() - from) / 1000;
    const flops = evaluations * flopsOf(subject, change, shots(task, count));
    return { model: subject.model, change, cost: { seconds, flops, bytes: pool.bytes, examples: count } };
  },
});

const summaries: Readonly<Record<SearchName, (perLayer: boolean) => string>> = {
  cem: (perLayer) =>
    `the skills in FOLDER mixed${perLayer ? " layer by layer" : ""} as N examples say, by the cross-entropy method`,
  random: () => "control: the same by as many random mixtures",
  uniform: () => "control: the skills in FOLDER, an equal share of each",
};

const scorerOf = (task: Task) => scorersOf({ ...task, samples: [...task.examples] })[0]!;

/** A search scores answers: where each question has choices of its own, examples would need theirs. */
const refusesChoices = (task: Task): string | undefined =>
  task.labels === undefined && (task.layout !== undefined || choosingScorers.has(scorerOf(task)))
    ? "needs examples with choices, or labels; these examples have none"
    : undefined;

function shotsOf(task: Task, count: number): Shots {
  const { labels, layout: textLayout, maxTokens } = task;
  return { examples: shots(task, count), labels, textLayout, scorer: scorerOf(task), maxTokens };
}

/** Of reading all examples once. */
function flopsOf(
  { model, tokenizer }: Subject,
  change: StepChange,
  examples: readonly Task["examples"][number][],
): number {
  const count = readingCounter({ model, change });
  return examples.reduce((sum, { input, target }) => sum + count(tokenizer.encode(input + target).length), 0);
}
