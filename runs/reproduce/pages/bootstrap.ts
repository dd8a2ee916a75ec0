/** @file `s0-table21` and `s0-table24`: bootstrap intervals from table 2's log, over tasks as the authors first did, and over the items of a task. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { AppError } from "../../../src/base/errors.ts";
import { groupBy } from "../../../src/base/group-by.ts";
import { createRng } from "../../../src/base/rng.ts";
import type { LogLine } from "../../../src/eval/log.ts";
import { clusterBootstrap, mean } from "../../../src/eval/statistics.ts";
import { linesOfPage } from "../ask-trained.ts";
import { number, paragraphs, signed, table } from "../markdown.ts";
import type { Context, Page } from "../row.ts";
import { oneSeed, untrainedTasks } from "../shipped-pair.ts";

const shipped = "specialized-5shot";
const resamples = 10_000;

/** Scores of our method and another one on the questions of a task that both were asked. */
type Paired = { readonly task: string; readonly columns: readonly [readonly number[], readonly number[]] };

/** Ours, and the questions that it shares with every other method. */
type Compared = {
  readonly own: string;
  readonly paired: readonly (readonly [method: string, tasks: readonly Paired[]])[];
};

/**
 * Ours is the generator in the paper's configuration where it was asked, with the most steps and the first seed, else the pair that ships.
 * Throws E_DATA without the log, or without either in it.
 */
async function readPaired(id: string, { work }: Context): Promise<Compared> {
  const path = join(work, "table2.jsonl");
  const needed = new AppError(
    "E_DATA",
    `${id}: not run yet: needs table2's log with a pair (npm run reproduce -- table2)`,
  );
  if (!existsSync(path)) throw needed;
  const byMethod = groupBy(await linesOfPage("table2", work), ({ method }) => method);
  const stepsOf = (method: string) => Number(/\(G0, (\d+) steps, seed 1\)$/.exec(method)?.[1] ?? 0);
  const own = [...byMethod.keys()].reduce((best, one) => (stepsOf(one) > stepsOf(best) ? one : best), shipped);
  const ours = byMethod.get(own);
  if (ours === undefined) throw needed;
  const keyOf = ({ task, seed, sample }: LogLine) => JSON.stringify([task, seed, sample]);
  const scoreOf = ({ scores, scorer }: LogLine) => scores[scorer]!.score;
  const paired = [...byMethod].flatMap(([method, lines]) => {
    if (method === own) return [];
    const others = new Map(lines.map((line) => [keyOf(line), scoreOf(line)]));
    const common = ours.filter((line) => others.has(keyOf(line)));
    const tasks = [...groupBy(common, ({ task }) => task)].map(
      ([task, asked]): Paired => ({
        task,
        columns: [asked.map(scoreOf), asked.map((line) => others.get(keyOf(line))!)],
      }),
    );
    return [[method, tasks] as const];
  });
  return { own, paired };
}

const difference = ([one, two]: readonly number[]): number => one! - two!;
const interval = ({ low, high }: { low: number; high: number }): string =>
  `[${signed(100 * low, 2)}, ${signed(100 * high, 2)}]`;
const lacking =
  "Of LoRA, LoRAMoE, MixLoRA and G0, LoRA-Gen in the paper's configuration, there are rows once `table2` trained and asked them; where G0 is among them, the others are held against it.";

export async function table21Page(context: Context): Promise<Page> {
  const { own, paired } = await readPaired("s0-table21", context);
  const rows = paired.map(([method, tasks]) => {
    const means = [0, 1].map((k) => tasks.map(({ columns }) => mean(columns[k]!)));
    const rng = createRng(`s0-table21 ${method}`);
    const found = difference(means.map(mean));
    return [
      `${own} − ${method}`,
      String(tasks.length),
      signed(100 * found, 2),
      interval(clusterBootstrap([means], difference, { rng, resamples })),
    ];
  });
  return {
    text: paragraphs(
      "**The wrong unit, kept because the documents have it**: the authors first resampled the eight tasks' accuracies as if they were eight samples, found that all their intervals hold 0, and withdrew the table. Eight tasks are no sample of anything, and the answers to the thousands of questions behind them are thrown away.",
      `Ours in the same way: differences of AVE in points, tasks resampled ${number(resamples, 0)} times, 95 %.`,
      table(["difference", "tasks", "points", "95 %"], rows),
      "The paper: 0 is within all four intervals (LoRA, LoRAMoE, MixLoRA, AutoCompressors). Intervals over items of a task: `s0-table24`; over both: `table2`.",
      lacking,
      untrainedTasks,
      oneSeed,
    ),
  };
}

/** The paper's intervals on HellaSwag, as shares. */
const printed = {
  "LoRA-Gen − LoRAMoE (Gemma-2B)": [0.0063, 0.0338],
  "LoRA-Gen − MixLoRA (Gemma-2B)": [0.0052, 0.0327],
  "LoRA-Gen − AutoCompressors (OPT-2.7B)": [0.0022, 0.0297],
} as const;

export async function table24Page(context: Context): Promise<Page> {
  const { own, paired } = await readPaired("s0-table24", context);
  const rows = paired.flatMap(([method, tasks]) =>
    tasks.map(({ task, columns }) => {
      const rng = createRng(`s0-table24 ${method} ${task}`);
      const found = difference(columns.map((column) => mean(column)));
      const within = interval(clusterBootstrap([columns], difference, { rng, resamples }));
      return [`${own} − ${method}`, task, String(columns[0].length), signed(100 * found, 2), within];
    }),
  );
  return {
    text: paragraphs(
      `Differences in points on each task, its items resampled ${number(resamples, 0)} times, 95 %. Paired: a resampled item brings the answers of both methods. The paper has HellaSwag alone, where its method is best, and its intervals are as wide as unpaired ones; here all tasks stand side by side. With so many rows one in twenty intervals misses 0 by chance.`,
      table(["difference", "task", "n", "points", "95 %"], rows),
      lacking,
      untrainedTasks,
      oneSeed,
      "## The paper's rows (HellaSwag)",
      table(
        ["difference", "95 %, points"],
        Object.entries(printed).map(([name, [low, high]]) => [name, interval({ low, high })]),
      ),
    ),
  };
}
