/** @file Transformer² tables 4 and 6 and figures 10 and 11: what is trained, by what, at which rate, of how many singular values. */

import { type Panel, renderChart } from "../../../src/cli/chart.ts";
import { readRunLog } from "../../../src/cli/run-log.ts";
import { expertSize } from "../../../src/svf/expert.ts";
import { readExpert } from "../../../src/svf/expert-file.ts";
import {
  type AdapterName,
  ablated,
  compared,
  kindOf,
  ranks,
  rateOf,
  rivals,
  type Training,
  type Way,
} from "../../transformer2/trainings.ts";
import { number, paragraphs, table } from "../markdown.ts";
import * as paper from "../paper-transformer2.ts";
import type { Context, Page } from "../row.ts";
import { askSkills, base, skillAccuracies } from "../skills/ask.ts";
import { bothRates } from "../skills/chosen.ts";
import { againstBase, againstConstant, differenceTable, standing } from "../skills/compare.ts";
import { paperModel, stepNote, trainingNotes } from "../skills/notes.ts";
import { type Trained, trainedAll } from "../skills/trained.ts";
import { labels } from "./t2-accuracy.ts";

const ways: Readonly<Record<Way, string>> = {
  rewards: "policy gradient",
  answers: "next token",
  shots: "next token, few examples",
};
const labelOf = ({ adapter, by }: Training): string => `${labels[adapter]}, ${ways[by]}`;

/** What several trainings for one task score there, beside the base model. */
async function comparison(all: readonly Trained[], context: Context) {
  const arms = all.flatMap(({ training, method, failed }) =>
    failed === undefined ? [{ label: labelOf(training), method }] : [],
  );
  const lines = await askSkills({ tasks: [ablated], arms: [base, ...arms] }, context);
  const names = arms.map(({ label }) => label);
  return [
    ...standing(lines, names, context, { rivals: [againstBase, againstConstant] }),
    stepNote(context),
    ...trainingNotes(all),
  ];
}

export async function table4Page(context: Context): Promise<Page> {
  const adapters = ["svf-attention", "svf", "svf-both", "lora"] as const;
  const all = await trainedAll(
    (["rewards", "answers"] as const).flatMap((by) => adapters.map((adapter) => ({ task: ablated, adapter, by }))),
    context,
  );
  return {
    text: paragraphs(
      `One skill, \`${ablated}\`: which maps of each layer, learnt by what, in which form. SVF without another word is of the feed-forward block.`,
      ...(await comparison(all, context)),
      "Steps by rewards read as many questions as steps on answers, and cost more: answers are sampled, and the base model reads them too.",
      `The documents print no cell of this table: they say that both groups of maps help, that a policy gradient beats the next token with factors of singular values, and that a LoRA by rewards does not get there (${paperModel}).`,
    ),
  };
}

/** Rank-limited factors: figures 10 and 11. */
export async function ranksPage(context: Context): Promise<Page> {
  const all = await trainedAll(
    [...ranks, "svf" as const].map((adapter): Training => ({ task: ablated, adapter, by: "rewards" })),
    context,
  );
  const done = all.filter(({ failed }) => failed === undefined);
  const sizes: (string | number)[][] = [];
  for (const { training, folder } of done)
    sizes.push([labelOf(training), expertSize(await readExpert(folder)).toLocaleString("en")]);
  const panels: Panel[] = [{ title: "Reward on validation", height: 260, lines: [] }];
  let lastStep = 1;
  for (const { training, folder } of done) {
    const { validation } = await readRunLog(folder);
    const points = validation.map(({ step, reward = 0 }) => [step, reward] as const);
    panels[0] = {
      ...panels[0]!,
      lines: [...panels[0]!.lines, { name: labelOf(training), points, dots: true }],
    };
    lastStep = Math.max(lastStep, ...points.map(([step]) => step));
  }
  return {
    text: paragraphs(
      `One skill, \`${ablated}\`, with factors of the r largest singular values of each map in place of all.`,
      ...(await comparison(all, context)),
      table(["", "numbers learnt"], sizes),
      "![rewards on validation](t2-fig10-11.svg)",
      "The documents: low ranks fall short of all singular values (figures 10 and 11, without numbers).",
    ),
    pictures: { "t2-fig10-11.svg": renderChart(panels, { title: `${ablated}: rank-limited SVF`, lastStep }) },
  };
}

/** What stands fixed of each kind. */
const fixed: Readonly<Record<ReturnType<typeof kindOf>, string>> = {
  lora: "rank 16, scale 1; gate, up, down",
  dora: "rank 16, scale 1; gate, up, down",
  ia3: "k, v, down",
  svf: "all singular values; gate, up, down",
};

export async function loraSweepPage(context: Context): Promise<Page> {
  const adapters: readonly AdapterName[] = [...rivals, "svf"];
  const wanted = compared.flatMap((task) => [
    ...adapters.map((adapter): Training => ({ task, adapter, by: "answers" })),
    { task, adapter: "lora", by: "rewards" } as const,
  ]);
  const rows: (string | number)[][] = [];
  const all: Trained[] = [];
  const lines = await askSkills({ tasks: compared, arms: [base] }, context);
  const arms = new Set<string>();
  for (const training of wanted)
    for (const one of await bothRates(training, context)) {
      all.push(one);
      const { task } = training;
      const label = `${labelOf(one.training)}, ${rateOf(one.training)}`;
      const asked =
        one.failed === undefined
          ? await askSkills({ tasks: [training.task as "science"], arms: [{ label, method: one.method }] }, context)
          : [];
      lines.push(...asked);
      arms.add(label);
      const [tested] = skillAccuracies(asked).flatMap(({ tasks }) => tasks);
      rows.push([
        `${task}: ${labelOf(one.training)}`,
        rateOf(one.training),
        fixed[kindOf(training.adapter)],
        one.validation === undefined ? "–" : number(100 * one.validation),
        tested === undefined ? "–" : `${number(100 * tested.share)} ± ${number(100 * tested.error)}`,
        number(one.seconds / 60),
      ]);
    }
  return {
    text: paragraphs(
      "Two learning rates each; which of the two other pages ask is chosen by the column of validation (at most 100 questions). Test: ± one standard error over what questions are about.",
      table(["", "learning rate", "fixed", "validation, %", "test, %", "minutes trained"], rows),
      ...differenceTable(lines, [...arms], [againstBase, againstConstant]),
      stepNote(context),
      ...trainingNotes(all),
      `## The paper's rows (${paperModel})`,
      table(
        ["", ...paper.columns.own],
        (["LoRA", "IA³", "DoRA"] as const).map((name) => [
          name,
          ...paper.accuracy[name].own.map((cell) => number(cell, 2)),
        ]),
      ),
    ),
  };
}
