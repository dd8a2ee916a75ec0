/** @file What ours is beside the claims of the documents' texts: from logs of pages that were made, each named with its figure. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { LogLine } from "../../src/eval/log.ts";
import { harmonicMean, mean } from "../../src/eval/statistics.ts";
import type { TrainingName } from "../reasoning/trainings.ts";
import { ablationTasks, seenTasks, stepsOf } from "./arms.ts";
import { accuracies } from "./ask.ts";
import { linesOfPage, shownMethod } from "./ask-trained.ts";
import { number } from "./markdown.ts";
import { contextCounts, ratioOf } from "./pages/gpt4tools-context.ts";
import type { Context } from "./row.ts";
import { asConfigured } from "./trained-pair.ts";

/** What a page's log says of some methods. NaN stands for what was not asked. */
type Log = {
  /** Of a method without a training, as it stands in the log. */
  readonly plain: (method: string) => readonly LogLine[];
  /** Of the first seed of what `runs/reasoning` trains, with the steps of the budget. */
  readonly trained: (name: TrainingName, form: string) => readonly LogLine[];
};

type Own =
  | { readonly page: string; readonly of: (log: Log) => number }
  /** Another source than the log of a page that has its name. */
  | { readonly page: string; readonly find: (context: Context) => Promise<number> }
  | { readonly out: string };

/** Shares of right answers in percent, by task. */
const sharesOf = (lines: readonly LogLine[]): ReadonlyMap<string, number> =>
  new Map(accuracies(lines).flatMap(({ tasks }) => tasks.map(({ task, share }) => [task, 100 * share])));

/** A mean over tasks of one method less that of another, where both were asked the same tasks. */
function difference(
  one: readonly LogLine[],
  other: readonly LogLine[],
  over: (shares: readonly number[]) => number = mean,
): number {
  const [own, against] = [sharesOf(one), sharesOf(other)];
  const isSame = own.size > 0 && own.size === against.size && [...own.keys()].every((task) => against.has(task));
  return isSame ? over([...own.values()]) - over([...against.values()]) : Number.NaN;
}

const meanOf = (lines: readonly LogLine[], key: "inputTokens" | "ms"): number =>
  mean(lines.flatMap((line) => line[key] ?? []));
const times = (slow: readonly LogLine[], fast: readonly LogLine[], key: "inputTokens" | "ms" = "ms"): number =>
  meanOf(slow, key) / meanOf(fast, key);

/** Tasks that the paper trains on and ours does too. */
const trainedOn: readonly string[] = [...seenTasks, "boolq"];
const meanOverSeen = (lines: readonly LogLine[]): number => {
  const shares = sharesOf(lines);
  return mean(trainedOn.map((task) => shares.get(task) ?? Number.NaN));
};

const generated = ({ trained }: Log, form = "specialized-5shot") => trained("generator", form);

/** Answers of the first seed of an ablation's arm. */
async function armLines(name: string, context: Context): Promise<readonly LogLine[]> {
  const lines = await linesOf(`ablation-${name}-${stepsOf(context)}-1`, context);
  return lines.filter(({ method }) => method.startsWith("specialized"));
}

const againstUsual =
  (arm: string, tasks: readonly string[]) =>
  async (context: Context): Promise<number> => {
    const of = async (name: string) => (await armLines(name, context)).filter(({ task }) => tasks.includes(task));
    return difference(await of(arm), await of(asConfigured.name));
  };

const own = {
  tokensLeft: { page: "table2", of: (log) => times(generated(log), log.plain("prompted-5shot"), "inputTokens") },
  overLora: {
    page: "table2",
    of: (log) => difference(generated(log), log.trained("lora", "lora-5shot"), harmonicMean),
  },
  speedOverLora: { page: "table2", of: (log) => times(log.trained("lora", "lora-5shot"), generated(log)) },
  speedOverMixlora: { page: "table2", of: (log) => times(log.trained("mixlora", "mixlora-5shot"), generated(log)) },
  speedOverLoramoe: { page: "table2", of: (log) => times(log.trained("loramoe", "loramoe-5shot"), generated(log)) },
  speedOverAutocompressors: {
    page: "s0-table20",
    of: (log) => times(log.trained("autocompressor", "autocompressor"), generated(log, "specialized")),
  },
  ratio: { page: "table2", of: (log) => times(log.plain("prompted-5shot"), generated(log), "inputTokens") },
  ratioOfAutocompressors: {
    page: "s0-table20",
    of: (log) => times(log.plain("prompted"), log.trained("autocompressor", "autocompressor"), "inputTokens"),
  },
  toolsInWeights: {
    page: "table3",
    of: ({ plain }) => difference(oneTask(plain("specialized")), oneTask(plain("prompted"))),
  },
  untrainable: { out: "the training set of 71,000 cannot be had" },
  withoutBalance: { page: "table5", find: againstUsual("auxCoefficient-0", ablationTasks) },
  seenMean: { page: "table2", of: (log) => meanOverSeen(generated(log)) },
  seenMeanOfMixlora: { page: "table2", of: ({ trained }) => meanOverSeen(trained("mixlora", "mixlora-5shot")) },
  oneShot: {
    page: "table6",
    of: (log) => difference(generated(log, "specialized-1shot"), log.plain("prompted-5shot"), harmonicMean),
  },
  direct: {
    page: "table8",
    find: againstUsual(
      "generation-direct",
      ablationTasks.filter((task) => !seenTasks.includes(task)),
    ),
  },
  toolsCompressed: {
    page: "gpt4tools-context",
    async find(context) {
      const isThere = existsSync(join(context.data, "gpt4tools")) && existsSync(context.model);
      return isThere ? ratioOf((await contextCounts(context)).items) : Number.NaN;
    },
  },
  agentSpeed: { page: "fig4", of: ({ plain }) => times(plain("prompted"), plain("specialized")) },
} as const satisfies Readonly<Record<string, Own>>;

export type OwnName = keyof typeof own;

/** Every item of GPT4Tools is a task of its own, and both methods have all of them. */
const oneTask = (lines: readonly LogLine[]): readonly LogLine[] =>
  lines.map((line) => ({ ...line, task: "gpt4tools" }));

const linesOf = async (id: string, { work }: Context): Promise<LogLine[]> =>
  existsSync(work) ? linesOfPage(id, work) : [];

/** "1.9 (`table2`)", that its page was not made yet, or why there is none. */
export async function ownFigure(name: OwnName, digits: number, context: Context): Promise<string> {
  const one: Own = own[name];
  if ("out" in one) return `out, because ${one.out}`;
  const value = "find" in one ? await one.find(context) : one.of(logOf(await linesOf(one.page, context), context));
  return Number.isFinite(value) ? `${number(value, digits)} (\`${one.page}\`)` : `not run yet (\`${one.page}\`)`;
}

function logOf(lines: readonly LogLine[], context: Context): Log {
  const plain = (method: string) => lines.filter((line) => line.method === method);
  return { plain, trained: (name, form) => plain(shownMethod(form, { name, seed: 1 }, context)) };
}
