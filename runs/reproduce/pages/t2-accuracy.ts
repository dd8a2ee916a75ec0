/** @file Transformer² tables 1, 2 and 7: skills on their own tasks and on tasks that none was trained for, beside other adapters. */
import type { LogLine } from "../../../src/eval/log.ts";
import { SKILLS, type SkillName, UNSEEN } from "../../transformer2/tasks.ts";
import { type AdapterName, compared, plan, rivals } from "../../transformer2/trainings.ts";
import { number, paragraphs, table } from "../markdown.ts";
import * as paper from "../paper-transformer2.ts";
import type { Context, Page } from "../row.ts";
import { type Arm, askSkills, base, shareOf } from "../skills/ask.ts";
import { baseScores } from "../skills/base-scores.ts";
import { chosen, type Validated } from "../skills/chosen.ts";
import { againstArm, againstBase, againstConstant, standing } from "../skills/compare.ts";
import { paperModel, stepNote, trainingNotes } from "../skills/notes.ts";
import { openPool, type Pool } from "../skills/pool.ts";
import { searched, usualShots } from "../skills/search.ts";
import { type Trained, trainedAll } from "../skills/trained.ts";

/** Own tasks, each asked by what was trained for it, all under one label. */
export async function askOwn(label: string, all: readonly Trained[], context: Context): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for (const { training, method, failed } of all)
    if (failed === undefined)
      lines.push(...(await askSkills({ tasks: [training.task as SkillName], arms: [{ label, method }] }, context)));
  return lines;
}

export const svf = "SVF by rewards";

export const labels: Readonly<Record<AdapterName, string>> = {
  svf: "SVF",
  "svf-attention": "SVF, attention",
  "svf-both": "SVF, both",
  "svf-16": "SVF, rank 16",
  "svf-64": "SVF, rank 64",
  "svf-256": "SVF, rank 256",
  lora: "LoRA",
  dora: "DoRA",
  ia3: "IA³",
};
export const onAnswers = (adapter: AdapterName): string => `${labels[adapter]} on answers`;

/** Other adapters for the tasks that have them, each at the better of its two rates. */
export async function othersOf(
  adapters: readonly AdapterName[],
  context: Context,
  tasks: readonly SkillName[] = compared,
): Promise<Validated[]> {
  const all: Validated[] = [];
  for (const task of tasks)
    for (const adapter of adapters) all.push(await chosen({ task, adapter, by: "answers" }, context));
  return all;
}

export async function table1Page(context: Context): Promise<Page> {
  const skills = await trainedAll(plan.skills, context);
  const loras = await othersOf(["lora"], context);
  const lines = [
    ...(await askSkills({ tasks: SKILLS, arms: [base] }, context)),
    ...(await askOwn(onAnswers("lora"), loras, context)),
    ...(await askOwn(svf, skills, context)),
  ];
  return {
    text: paragraphs(
      ...standing(lines, [svf, onAnswers("lora")], context, { rivals: [againstBase, againstConstant] }),
      "A constant answer costs nothing to beat: it is the target that comes most often in the questions asked.",
      stepNote(context),
      ...trainingNotes([...skills, ...loras]),
      `## The paper's rows (${paperModel})`,
      paperTable("own", ["base model", "LoRA", "SVF; Transformer² from few examples"]),
      "## The base model on the documents' own tasks",
      ...(await baseScores(context)),
    ),
  };
}

function paperTable(part: "own" | "unseen", names: readonly (keyof typeof paper.accuracy)[]): string {
  return table(
    ["", ...paper.columns[part]],
    names.map((name) => [name, ...paper.accuracy[name][part].map((cell) => number(cell, 2))]),
  );
}

/** Ways from a question to a skill that a pool of skills has. */
export function dispatchers({ folder, hasClassifier }: Pool): Arm[] {
  return [
    { label: "by prompt", method: `skills-prompt:${folder}` },
    ...(hasClassifier ? [{ label: "by classifier", method: `skills-classifier:${folder}` }] : []),
    { label: "uniform mixture", method: `skills-uniform:${folder}` },
  ];
}

/** Each skill by itself, on tasks that it is not for. */
const alone = ({ skills }: Pool): Arm[] =>
  skills.map(({ training, method }) => ({ label: `${training.task} alone`, method }));

/** Of several arms the one that is right most often, in hindsight: no dispatcher that chooses one skill for a task can be better. */
function oracle(lines: readonly LogLine[], arms: readonly Arm[], task: string): LogLine[] {
  const best = arms
    .map(({ label }) => ({ label, share: shareOf(lines, label, task) ?? -1 }))
    .reduce((a, b) => (b.share > a.share ? b : a));
  return lines
    .filter((line) => line.task === task && line.method === best.label)
    .map((line) => ({ ...line, method: oracleLabel }));
}
const oracleLabel = "oracle choice";

export async function table2Page(context: Context): Promise<Page> {
  const pool = await openPool("svf", context);
  const mixtures = [];
  for (const task of UNSEEN) mixtures.push(await searched({ pool, task, shots: usualShots }, context));
  const rivalsOf = await othersOf(rivals, context, ["science"]);
  const others = rivalsOf
    .filter(({ failed }) => failed === undefined)
    .map(({ training, method }) => ({ label: `${onAnswers(training.adapter)}, of science`, method }));
  const ways = dispatchers(pool);
  const singles = alone(pool);
  const lines = await askSkills({ tasks: UNSEEN, arms: [base, ...others, ...ways, ...singles] }, context);
  for (const { task, method, label } of mixtures)
    lines.push(...(await askSkills({ tasks: [task], arms: [{ label, method }] }, context)));
  for (const task of UNSEEN) lines.push(...oracle(lines, [base, ...singles], task));
  const home = [
    ...(await askSkills({ tasks: SKILLS, arms: [base, ...ways] }, context)),
    ...(await askOwn(oracleLabel, pool.skills, context)),
  ];
  const judged = [...ways.map(({ label }) => label), ...new Set(mixtures.map(({ label }) => label))];
  const rivalArms = [againstBase, againstArm(oracleLabel), againstArm("uniform mixture")];
  return {
    text: paragraphs(
      "## Tasks that no skill was trained for",
      ...standing(lines, judged, context, { rivals: rivalArms }),
      `The oracle choice is the single skill, or the base model, that turned out best on the questions asked: it knows what no dispatcher knows. Few-shot dispatch has read ${usualShots} labelled examples of a training split; the others none.`,
      "## The skills' own tasks",
      ...standing(home, judged, context, { rivals: rivalArms, isSecond: true }),
      "Here the oracle choice is the skill of the task.",
      stepNote(context),
      ...trainingNotes([...pool.missing, ...rivalsOf]),
      `## The paper's rows (${paperModel})`,
      paperTable("unseen", Object.keys(paper.accuracy) as (keyof typeof paper.accuracy)[]),
      `With an equal share of each skill, MATH is at ${number(paper.uniformMath, 2)}.`,
    ),
  };
}

export async function table7Page(context: Context): Promise<Page> {
  const others = await othersOf(rivals, context);
  const skills = await trainedAll(
    compared.map((task) => ({ task, adapter: "svf", by: "rewards" })),
    context,
  );
  const all = [...others, ...skills];
  const lines = await askSkills({ tasks: compared, arms: [base] }, context);
  const away = await askSkills({ tasks: UNSEEN, arms: [base] }, context);
  for (const adapter of [...rivals, "svf" as const]) {
    const own = all.filter(({ training }) => training.adapter === adapter);
    const label = adapter === "svf" ? svf : onAnswers(adapter);
    lines.push(...(await askOwn(label, own, context)));
    for (const { training, method, failed } of own)
      if (training.task === "science" && failed === undefined)
        away.push(...(await askSkills({ tasks: UNSEEN, arms: [{ label, method }] }, context)));
  }
  const names = [...rivals.map(onAnswers), svf];
  return {
    text: paragraphs(
      ...standing(lines, names, context),
      "What was trained for `science`, on tasks that nothing was trained for:",
      ...standing(away, names, context, { isSecond: true }),
      "Adapters on answers have the better of two learning rates by validation ([the sweep](t2-table6-lora.md)).",
      stepNote(context),
      ...trainingNotes(all),
      `## The paper's rows (${paperModel})`,
      paperTable("own", Object.keys(paper.accuracy) as (keyof typeof paper.accuracy)[]),
      paperTable("unseen", Object.keys(paper.accuracy) as (keyof typeof paper.accuracy)[]),
    ),
  };
}
