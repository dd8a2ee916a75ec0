/** @file Both passes of Transformer²: what each takes, whether the first names the right skill, and other adapters in the second. */
import { groupBy } from "../../../src/base/group-by.ts";
import { EvalTask } from "../../../src/data/eval-task.ts";
import { otherSkill } from "../../../src/dispatch/first-pass.ts";
import { classifierName } from "../../../src/dispatch/skill-pool-file.ts";
import type { LogLine } from "../../../src/eval/log.ts";
import { itemsOf, mean, standardErrorOf } from "../../../src/eval/statistics.ts";
import { benchmarkTasks, suites } from "../../../src/eval/tasks/suites.ts";
import { subjectIn, unused } from "../../transformer2/draw.ts";
import { SKILLS, type TaskName, UNSEEN } from "../../transformer2/tasks.ts";
import { fewShot } from "../../transformer2/trainings.ts";
import { number, paragraphs, table } from "../markdown.ts";
import * as paper from "../paper-transformer2.ts";
import type { Budget, Context, Page } from "../row.ts";
import { type Arm, askArms, askSkills, base, questionsOf, rescored } from "../skills/ask.ts";
import { againstArm, differenceTable, standing } from "../skills/compare.ts";
import { paperModel, stepNote, trainingNotes } from "../skills/notes.ts";
import { oneSpace } from "../skills/one-space.ts";
import { openPlace } from "../skills/place.ts";
import { openPool, type Pool, type PoolName } from "../skills/pool.ts";
import { searched, usualShots } from "../skills/search.ts";
import { dispatchers } from "./t2-accuracy.ts";

/** Questions that are timed: of one token, and of long answers. */
const timedItems: Readonly<Record<Budget, { readonly short: number; readonly long: number }>> = {
  minutes: { short: 3, long: 2 },
  hours: { short: 100, long: 20 },
  full: { short: 200, long: 200 },
};
/** Times that a question is asked, over which its one first pass is spread. */
const timesAsked = 10;
/** Of a long answer. */
const longTokens = 96;

const seconds = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / 1000;

export async function timesPage(context: Context): Promise<Page> {
  const pool = await openPool("svf", context);
  const [prompt] = dispatchers(pool);
  const { short, long } = timedItems[context.budget];
  const [gsm8k] = await benchmarkTasks(suites.get("gsm8k")!, { data: context.data, items: long });
  const written: EvalTask = { ...gsm8k!, name: "gsm8k, long answers", maxTokens: longTokens, ...unused };
  const lines = [
    ...(await askArms([written], [prompt!], context, { id: "transformer2-timed", timed: long })),
    ...(await askSkills({ tasks: [fewShot], arms: [prompt!], items: short, timed: short }, context)),
  ];
  const mixture = await searched({ pool, task: fewShot, shots: usualShots }, context);
  const rows = [...groupBy(lines, ({ task }) => task)].map(([task, own]) => {
    const first = seconds(own.map(({ dispatch }) => dispatch?.ms ?? 0));
    const second = seconds(own.flatMap(({ ms }) => ms ?? []));
    return [
      `${task} (n ${own.length})`,
      number(first, 2),
      number(second, 2),
      `${number((100 * first) / second, 0)} %`,
      number((1000 * first) / own.length, 0),
      number((1000 * first) / own.length / timesAsked, 1),
      number(mean(own.map(({ dispatch }) => dispatch?.tokens ?? 0)), 0),
    ];
  });
  const perQuestion = mixture.ms / questionsOf(context);
  return {
    text: paragraphs(
      `Seconds of all questions together, each asked alone: the first pass, in which the model names a skill, and the second, in which it answers; long answers have at most ${longTokens} tokens.`,
      table(
        [
          "task",
          "first pass",
          "second pass",
          "first ÷ second",
          "ms a question, first",
          `amortised over ${timesAsked}`,
          "tokens read",
        ],
        rows,
      ),
      `A question that comes again is remembered and needs no first pass: amortised, its milliseconds are spread over ${timesAsked} times that it is asked. Few-shot dispatch has no first pass at all. Its search for ${fewShot} took ${number(mixture.ms / 1000, 0)} s once, which is ${number(perQuestion, 0)} ms a question over ${questionsOf(context)} questions.`,
      stepNote(context),
      ...trainingNotes(pool.missing),
      `## The paper's rows (${paperModel}; seconds)`,
      table(
        ["", "first pass", "second pass", "first ÷ second"],
        Object.entries(paper.seconds).map(([task, { first, second }]) => [
          task,
          number(first, 2),
          number(second, 2),
          `${number((100 * first) / second, 0)} %`,
        ]),
      ),
    ),
  };
}

/** What needs no skill: the first pass should say so. */
async function otherTask(context: Context): Promise<EvalTask> {
  const { families } = await openPlace(context);
  const samples = families[classifierName].test
    .filter(({ target }) => target === otherSkill)
    .slice(0, questionsOf(context))
    .map(({ input }) => ({ input, target: otherSkill }));
  return EvalTask.parse({
    name: otherSkill,
    stratum: "skills",
    systemPrompt: "Nothing is asked for.",
    ...unused,
    scorer: "exact",
    maxTokens: 1,
    samples,
  });
}

/** A row for each task: how often the first pass named each skill. */
function confusion(lines: readonly LogLine[], expected: (task: string) => string): string {
  const names = [...SKILLS, otherSkill];
  return table(
    ["task", ...names, "right, %"],
    [...groupBy(lines, ({ task }) => task)].map(([task, own]) => {
      const named = (name: string) => own.filter(({ dispatch }) => dispatch?.skill === name).length;
      return [task, ...names.map(named), number((100 * named(expected(task))) / own.length)];
    }),
  );
}

export async function classificationPage(context: Context): Promise<Page> {
  const pool = await openPool("svf", context);
  const rewarded = await openPool("svf-rewarded", context);
  const naming = (own: Pool, by: string): Arm[] =>
    dispatchers(own).flatMap(({ label, method }) => (label === "by classifier" ? [{ label: by, method }] : []));
  const arms = [
    dispatchers(pool)[0]!,
    ...naming(pool, "by classifier, trained on answers"),
    ...naming(rewarded, "by classifier, trained by rewards"),
  ];
  const other = await otherTask(context);
  const lines = [
    ...(await askSkills({ tasks: [...SKILLS, ...UNSEEN], arms }, context)),
    ...(await askArms([other], arms, context)),
  ];
  const unseen: readonly string[] = UNSEEN;
  const expected = (task: string) => (unseen.includes(task) ? "science" : task);
  // Right is what names the skill, whatever is answered with it.
  const named = lines.map((line) => rescored(line, Number(line.dispatch?.skill === expected(line.task))));
  const right = (label: string) => {
    const own = named.filter(({ method }) => method === label);
    const scores = own.map(({ scores: all, scorer }) => all[scorer]!.score);
    const error = standardErrorOf(scores, itemsOf(own.map((line) => `${line.task} ${subjectIn(line)}`)));
    return `${number(100 * mean(scores))} ± ${number(100 * error)} %`;
  };
  const [byPrompt, ...byClassifier] = arms.map(({ label }) => label);
  return {
    text: paragraphs(
      "Which skill the first pass names, question by question of test splits. Of tasks that no skill was trained for, `science` counts as right: its questions have their form.",
      ...arms.flatMap(({ label }) => {
        const own = lines.filter(({ method }) => method === label);
        return [`### ${label}: ${right(label)} of ${own.length} right`, confusion(own, expected)];
      }),
      "The share of all questions has a standard error. What a classifier names right beside the prompt:",
      ...differenceTable(named, byClassifier, [againstArm(byPrompt!)]),
      stepNote(context),
      ...trainingNotes([...pool.missing, ...rewarded.missing]),
      "The documents: a classifier is better than the prompt with 8 B parameters and not better with 70 B (without numbers).",
    ),
  };
}

const poolLabels = { svf: "SVF", lora: "LoRA", ia3: "IA³" } as const satisfies Readonly<
  Partial<Record<PoolName, string>>
>;

/** Pools of other adapters under the same dispatchers. */
export async function secondPassPage(context: Context): Promise<Page> {
  const arms: Arm[] = [];
  const missing = [];
  for (const name of ["svf", "lora", "ia3"] as const) {
    const pool = await openPool(name, context);
    missing.push(...pool.missing);
    const [prompt] = dispatchers(pool);
    arms.push({ label: `${poolLabels[name]}, by prompt`, method: prompt!.method });
  }
  const lines = await askSkills({ tasks: UNSEEN, arms: [base, ...arms] }, context);
  return {
    text: paragraphs(
      "The first pass names a skill by prompt; in the second it is one of factors by rewards (five skills), or a LoRA or IA³ adapter on answers, at the better of two rates by validation (two skills: the first pass knows fewer names).",
      ...standing(
        lines,
        arms.map(({ label }) => label),
        context,
      ),
      stepNote(context),
      ...trainingNotes(missing),
      "The documents ask for this and print no numbers.",
    ),
  };
}

export async function mixtureOfLorasPage(context: Context): Promise<Page> {
  const tasks: readonly TaskName[] = UNSEEN;
  const arms: Arm[] = [];
  const lines: LogLine[] = [];
  const missing = [];
  for (const name of ["svf", "lora"] as const) {
    const pool = await openPool(name, context);
    missing.push(...pool.missing);
    const named = (label: string) => `${poolLabels[name]}: ${label}`;
    arms.push(...dispatchers(pool).map(({ label, method }) => ({ label: named(label), method })));
    const { label, method } = await searched({ pool, task: fewShot, shots: usualShots }, context);
    lines.push(...(await askSkills({ tasks: [fewShot], arms: [{ label: named(label), method }] }, context)));
  }
  const all = [...(await askSkills({ tasks, arms: [base, ...arms] }, context)), ...lines];
  const labels = [...new Set(all.map(({ method }) => method))].filter((label) => label !== base.label);
  return {
    text: paragraphs(
      "Mixtures of LoRAs, W + Σ α_k B_k A_k, by the same dispatchers as factors of singular values. Of LoRAs there are two skills, trained on answers at the better of two rates by validation; of factors there are five, trained by rewards. So the pools differ in more than in what is mixed.",
      ...standing(all, labels, context),
      stepNote(context),
      ...trainingNotes(missing),
      "The documents promise this baseline and print no numbers.",
      "## One space of experts",
      ...(await oneSpace(context)),
    ),
  };
}
