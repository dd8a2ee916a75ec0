/** @file Transformer² from few examples: how many, against training on the same ones and against chance; what is mixed, generation by generation. */
import { type Panel, renderChart } from "../../../src/cli/chart.ts";
import { type TaskName, UNSEEN } from "../../transformer2/tasks.ts";
import { fewShot, shotCounts, stepsOf, type Training } from "../../transformer2/trainings.ts";
import { number, paragraphs, table } from "../markdown.ts";
import * as paper from "../paper-transformer2.ts";
import type { Context, Page } from "../row.ts";
import { type Arm, askSkills, base, shareOf } from "../skills/ask.ts";
import { againstArm, againstBase, differenceTable, standing } from "../skills/compare.ts";
import { paperModel, stepNote, trainingNotes } from "../skills/notes.ts";
import { openPool } from "../skills/pool.ts";
import { type Mixture, searched, usualShots, type Wanted } from "../skills/search.ts";
import { type Trained, trainedAll } from "../skills/trained.ts";

type Spec = Omit<Wanted, "pool">;

async function mixturesOf(specs: readonly Spec[], context: Context): Promise<Mixture[]> {
  const pool = await openPool("svf", context);
  const found: Mixture[] = [];
  for (const spec of specs) found.push(await searched({ pool, ...spec }, context));
  return found;
}

const byShots: readonly Spec[] = shotCounts.map((shots) => ({ task: fewShot, shots }));

/** What a search took, as cells. */
const costOf = ({ evaluations, shots, ms }: Mixture): string[] => [
  number(ms / 1000, 0),
  (evaluations * shots).toLocaleString("en"),
];

const searchNote =
  "A search asks its examples by 32 mixtures a generation, ten times; answers read are mixtures × examples. Examples come from a training split, the same ones for all; a larger number holds the smaller. The best mixture on the examples is kept, none is chosen by the questions asked.";

export async function shotsPage(context: Context): Promise<Page> {
  const found = await mixturesOf(byShots, context);
  const lines = await askSkills({ tasks: [fewShot], arms: [base, ...found] }, context);
  return {
    text: paragraphs(
      ...standing(
        lines,
        found.map(({ label }) => label),
        context,
      ),
      table(
        ["", "of its examples right, %", "seconds of search", "answers read"],
        found.map((one) => [one.label, number(100 * one.accuracy), ...costOf(one)]),
      ),
      searchNote,
      stepNote(context),
      `## The paper's row (${paperModel})`,
      table(
        ["", ...Object.keys(paper.shots).map((count) => `${count} shots`)],
        [["few-shot dispatch, ARC-c", ...Object.values(paper.shots).map(({ search }) => number(search, 2))]],
      ),
    ),
  };
}

const onShots = (shots: number, isLong = false): Training => ({
  task: fewShot,
  adapter: "ia3",
  by: "shots",
  shots,
  ...(isLong ? { isLong } : {}),
});

export async function sameShotsPage(context: Context): Promise<Page> {
  const found = await mixturesOf(byShots, context);
  const trained = await trainedAll([...shotCounts.map((shots) => onShots(shots)), onShots(3, true)], context);
  const done = trained.filter(({ failed }) => failed === undefined);
  const arms: Arm[] = [base, ...found, ...done.map((one) => ({ label: labelOf(one, context), method: one.method }))];
  const lines = await askSkills({ tasks: [fewShot], arms }, context);
  const tuned = (label: string, isLong: boolean) => {
    const { shots } = found.find((one) => one.label === label)!;
    const own = done.find(({ training }) => training.shots === shots && (training.isLong ?? false) === isLong);
    return own === undefined ? undefined : { arm: labelOf(own, context) };
  };
  const percent = (label: string) => number(100 * (shareOf(lines, label, fewShot) ?? Number.NaN));
  const costs = [
    ...found.map((one) => [one.label, percent(one.label), ...costOf(one), "–"]),
    ...done.map((one) => {
      const { training, seconds } = one;
      const steps = stepsOf(training, context.budget);
      const read = (steps * Math.min(training.shots!, 8)).toLocaleString("en");
      const label = labelOf(one, context);
      return [label, percent(label), number(seconds, 0), read, read];
    }),
  ];
  return {
    text: paragraphs(
      ...standing(
        lines,
        [...found, ...done.map((one) => ({ label: labelOf(one, context) }))].map(({ label }) => label),
        context,
      ),
      "A search, and IA³ on the very examples that it read:",
      ...differenceTable(
        lines,
        found.map(({ label }) => label),
        [
          { title: "− IA³ on the same shots", against: (label) => tuned(label, false) },
          { title: "− IA³, ten times the steps", against: (label) => tuned(label, true) },
        ],
      ),
      "Equal compute, as far as it goes: seconds on the same processors, answers read forward, and answers gone through backward.",
      table(["", `${fewShot}, %`, "seconds", "forward", "backward"], costs),
      "IA³ sees the examples alone: they also say which of its states is kept. 1,000 steps stand at three examples, where they cost least.",
      searchNote,
      ...trainingNotes(trained),
      `## The paper's rows, ARC-c (${paperModel})`,
      table(
        ["", ...Object.keys(paper.shots).map((count) => `${count} shots`)],
        (["search", "100 steps", "1,000 steps"] as const).map((key) => [
          key === "search" ? "few-shot dispatch" : `IA³, ${key}`,
          ...Object.values(paper.shots).map((cells) => number(cells[key], 2)),
        ]),
      ),
    ),
  };
}

const labelOf = ({ training }: Trained, { budget }: Context): string =>
  `IA³ on ${training.shots} shots, ${stepsOf(training, budget).toLocaleString("en")} steps`;

export async function randomPage(context: Context): Promise<Page> {
  const specs = (["cem", "random"] as const).map((search): Spec => ({ task: fewShot, shots: usualShots, search }));
  const found = await mixturesOf(specs, context);
  const lines = await askSkills({ tasks: [fewShot], arms: [base, ...found] }, context);
  const [cem, random] = [found[0]!.label, found[1]!.label];
  return {
    text: paragraphs(
      ...standing(lines, [cem, random], context, { rivals: [againstBase, againstArm(random)] }),
      table(
        ["task, search", "of its examples right, %", "mixtures tried", "seconds"],
        found.map(({ task, label, accuracy, evaluations, ms }) => [
          `${task}: ${label}`,
          number(100 * accuracy),
          evaluations,
          number(ms / 1000, 0),
        ]),
      ),
      "Random shooting tries as many mixtures, all drawn from where the cross-entropy method begins. The public code has it, the documents print no number of it.",
      stepNote(context),
    ),
  };
}

/** The mixtures of both tasks, in all layers alike and layer by layer. */
const mapped: readonly Spec[] = UNSEEN.flatMap((task) =>
  [false, true].map((perLayer): Spec => ({ task, shots: usualShots, perLayer })),
);

export async function mapsPage(context: Context): Promise<Page> {
  const found = await mixturesOf(mapped, context);
  const skills = found[0]!.skills;
  const meanOf = ({ shares }: Mixture, skill: number) =>
    shares.reduce((sum, row) => sum + row[skill]!, 0) / shares.length;
  const layered = found.filter((_, i) => mapped[i]!.perLayer === true);
  const panels = layered.map(
    ({ task, shares, skills: names }): Panel => ({
      title: `${task}: share of each skill, by layer`,
      height: 220,
      fromZero: true,
      lines: names.map((name, skill) => ({
        name,
        points: shares.map((row, layer) => [layer, row[skill]!] as const),
        dots: true,
      })),
    }),
  );
  const lines = await askSkills({ tasks: UNSEEN, arms: [base] }, context);
  for (const one of found) lines.push(...(await askSkills({ tasks: [one.task], arms: [one] }, context)));
  const uniform = number(1 / skills.length, 2);
  return {
    text: paragraphs(
      `Shares α of each skill that ${usualShots} examples choose, from 0 to 1; an equal share of each would be ${uniform}. Layer by layer it is the mean over layers.`,
      table(
        ["task, search", ...skills],
        found.map((one) => [`${one.task}: ${one.label}`, ...skills.map((_, skill) => number(meanOf(one, skill), 2))]),
      ),
      "![shares by layer](t2-fig7.svg)",
      ...standing(lines, [...new Set(found.map(({ label }) => label))], context),
      stepNote(context),
      "The paper's figure 7 has maps of α for MATH, HumanEval and ARC-c; some are near uniform. Its numbers are not in the documents.",
    ),
    pictures: {
      "t2-fig7.svg": renderChart(panels, {
        title: "What few examples mix",
        lastStep: Math.max(1, layered[0]!.shares.length - 1),
      }),
    },
  };
}

export async function generationsPage(context: Context): Promise<Page> {
  const specs: Spec[] = [...byShots, ...mapped.filter(({ task, perLayer }) => task !== fewShot || perLayer === true)];
  const found = await mixturesOf(specs, context);
  const nameOf = (task: TaskName, label: string) => `${task}: ${label}`;
  const generations = Math.max(1, ...found.map(({ history }) => history.length - 1));
  const panel = (title: string, pick: (one: Mixture["history"][number]) => number): Panel => ({
    title,
    height: 240,
    lines: found.map(({ task, label, history }) => ({
      name: nameOf(task, label),
      points: history.map((one) => [one.generation, pick(one)] as const),
      dots: true,
    })),
  });
  return {
    text: paragraphs(
      "By generation: the share of its examples that the best mixture so far has right. Behind it, what the whole search took; light is two generations.",
      table(
        [
          "task, search",
          ...Array.from({ length: generations + 1 }, (_, i) => String(i + 1)),
          "seconds",
          "answers read",
        ],
        found.map((one) => [
          nameOf(one.task, one.label),
          ...Array.from({ length: generations + 1 }, (_, i) => {
            const point = one.history[i];
            return point === undefined ? "–" : number(100 * point.accuracy);
          }),
          ...costOf(one),
        ]),
      ),
      "![scores by generation](t2-app-d.svg)",
      searchNote,
      "The documents: ten generations are enough for some tasks; a light setting takes about ten minutes on ARC-c.",
    ),
    pictures: {
      "t2-app-d.svg": renderChart(
        [
          panel("Best so far: share of examples right", ({ accuracy }) => accuracy),
          panel("Mean of a generation, by what mixtures are compared", ({ mean }) => mean),
        ],
        { title: "Few-shot dispatch, generation by generation", lastStep: generations },
      ),
    },
  };
}
