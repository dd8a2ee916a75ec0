/** @file Transformer² figure 4 and what is said of it: how rewards go over the steps, what stopping early saves, how steady it is. */
import { type Panel, renderChart } from "../../../src/cli/chart.ts";
import { type RunLog, readRunLog } from "../../../src/cli/run-log.ts";
import type { LogLine } from "../../../src/eval/log.ts";
import { mean } from "../../../src/eval/statistics.ts";
import type { SkillName } from "../../transformer2/tasks.ts";
import { compared, kindOf, nameOf, plan, rateOf, type Training } from "../../transformer2/trainings.ts";
import { number, paragraphs, signed, table } from "../markdown.ts";
import type { Context, Page } from "../row.ts";
import { askSkills, base, shareOf } from "../skills/ask.ts";
import { againstArm, againstBase, differenceTable } from "../skills/compare.ts";
import { lastState } from "../skills/last-state.ts";
import { stepNote, trainingNotes } from "../skills/notes.ts";
import { trainedAll } from "../skills/trained.ts";

const byRewards = (task: SkillName, adapter: "svf" | "lora" = "svf"): Training => ({ task, adapter, by: "rewards" });

/** The validation whose state is the result. */
function bestOf({ validation }: RunLog) {
  return validation.reduce((best, one) => ((one.reward ?? -1) > (best.reward ?? -1) ? one : best));
}

/** Of a whole run, from its log: the largest divergence from the base model, and the mean length of a sampled answer in tokens. */
function extentOf({ training }: RunLog) {
  return { kl: Math.max(...training.map(({ kl = 0 }) => kl)), length: mean(training.map(({ length = 0 }) => length)) };
}

export async function curvesPage(context: Context): Promise<Page> {
  const skills = await trainedAll(plan.skills, context);
  const beside = await trainedAll(
    compared.map((task): Training => ({ task, adapter: "svf", by: "answers" })),
    context,
  );
  const [chosen, end] = ["chosen", "last"] as const;
  const all: LogLine[] = [];
  const panels: Panel[] = [];
  const rows: (string | number)[][] = [];
  const costs: (string | number)[][] = [];
  let lastStep = 1;
  for (const one of skills.filter(({ failed }) => failed === undefined)) {
    const { training, folder, method, seconds } = one;
    const task = training.task as SkillName;
    const log = await readRunLog(folder);
    const best = bestOf(log);
    const steps = log.training.at(-1)!.step;
    lastStep = Math.max(lastStep, steps);
    panels.push({
      title: `${task}: reward`,
      height: 150,
      lines: [
        { name: "training", points: log.training.map(({ step, reward = 0 }) => [step, reward]), faint: true },
        { name: "validation", points: log.validation.map(({ step, reward = 0 }) => [step, reward]), dots: true },
        { name: "chosen", points: [[best.step, best.reward ?? 0]], dots: true, color: "#3c8d5a" },
      ],
    });
    const last = await lastState(folder);
    const arms = [
      base,
      { label: chosen, method },
      ...(last === undefined ? [] : [{ label: end, method: `svf:${last}` }]),
    ];
    const lines = await askSkills({ tasks: [task], arms }, context);
    all.push(...lines);
    const percent = (label: string) => {
      const share = shareOf(lines, label, task);
      return share === undefined ? "–" : number(100 * share);
    };
    rows.push([task, best.step, steps, percent(base.label), percent(chosen), percent(end)]);
    const { kl, length } = extentOf(log);
    costs.push([nameOf(training), number(seconds / 60), number(length), number(kl, 3)]);
  }
  for (const { training, seconds } of beside) costs.push([nameOf(training), number(seconds / 60), "–", "–"]);
  return {
    text: paragraphs(
      "Rewards of sampled answers in training, of the likeliest answers on validation, and the state that is kept: the one with the highest reward on validation. Its accuracy on test stands beside that of the last state, which is what no stopping would have given.",
      "![rewards](t2-fig4.svg)",
      table(["skill", "chosen at step", "of", "test: base, %", "chosen, %", "last, %"], rows),
      ...differenceTable(all, [chosen, end], [againstBase, againstArm(end)]),
      "What rewards cost, beside training on answers: minutes with validation, tokens of a sampled answer, and the largest divergence from the base model a token.",
      table(["training", "minutes", "tokens an answer", "largest KL"], costs),
      stepNote(context),
      ...trainingNotes([...skills, ...beside]),
      "The paper's figure 4 has curves of its three skills, which overfit without early stopping; its numbers are not in the documents.",
    ),
    pictures: { "t2-fig4.svg": renderChart(panels, { title: "Skills by rewards", lastStep }) },
  };
}

/** How steady a training by rewards is. */
function steadiness(log: RunLog) {
  const rewards = log.training.map(({ reward = 0 }) => reward);
  const changes = rewards.slice(1).map((reward, i) => reward - rewards[i]!);
  const validated = log.validation.map(({ reward = 0 }) => reward);
  let [highest, worstDrop] = [Number.NEGATIVE_INFINITY, 0];
  for (const reward of validated) {
    highest = Math.max(highest, reward);
    worstDrop = Math.max(worstDrop, highest - reward);
  }
  return {
    swing: changes.length === 0 ? 0 : Math.sqrt(mean(changes.map((change) => change ** 2))),
    worstDrop,
    first: validated[0] ?? 0,
    last: validated.at(-1) ?? 0,
    highest,
  };
}

export async function stabilityPage(context: Context): Promise<Page> {
  const trainings = compared.flatMap((task) => [
    byRewards(task),
    byRewards(task, "lora"),
    { ...byRewards(task, "lora"), rate: "second" as const },
  ]);
  const intents = { ...byRewards("intents"), rate: "second" as const };
  const all = await trainedAll([...trainings, intents], context);
  const rows: (string | number)[][] = [];
  for (const { training, folder, failed } of all) {
    const log = await readRunLog(folder).catch(() => undefined);
    const name = `${training.task}: ${kindOf(training.adapter) === "svf" ? "SVF" : "LoRA"}`;
    if (log === undefined || log.validation.length === 0) {
      rows.push([name, rateOf(training), "–", "–", "–", "–", "–", failed ?? ""]);
      continue;
    }
    const { swing, worstDrop, first, last, highest } = steadiness(log);
    rows.push([
      name,
      rateOf(training),
      number(swing, 2),
      number(worstDrop, 2),
      number(extentOf(log).kl, 3),
      signed(first, 2),
      signed(highest, 2),
      signed(last, 2),
    ]);
  }
  return {
    text: paragraphs(
      "Trainings by rewards, which lie between −1 and 1: the root mean square of the change from one step's reward to the next (batches differ, so it is never 0), the deepest fall of the reward on validation below what it had reached, the largest divergence from the base model a token, and the reward on validation at first, at best and at the end.",
      table(["", "rate", "swing", "worst drop", "largest KL", "first", "best", "last"], rows),
      stepNote(context),
      ...trainingNotes(all),
      "The documents: factors of singular values learn by rewards with few oscillations, a LoRA does not (without numbers).",
    ),
  };
}
