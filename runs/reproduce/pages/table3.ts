/** @file `table3` and `gpt4tools-repeats`: GPT4Tools by its five metrics, tools in the prompt and in the weights. */
import { createRng } from "../../../src/base/rng.ts";
import type { LogLine } from "../../../src/eval/log.ts";
import { itemsOf, mean, standardErrorOf } from "../../../src/eval/statistics.ts";
import { splitInstruction } from "../../../src/eval/tasks/gpt4tools.ts";
import { agentRows, agentTask, withToolsShuffled } from "../agent.ts";
import { ask, askTasks, differenceTable } from "../ask.ts";
import { number, paragraphs, table } from "../markdown.ts";
import { gpt4toolsSpread, table3 as printed } from "../paper.ts";
import type { Budget, Context, Page } from "../row.ts";
import { oneSeed, pairOf } from "../shipped-pair.ts";

const metrics = {
  SR_t: "gpt4tools-thought",
  SR_act: "gpt4tools-action",
  SR_args: "gpt4tools-arguments",
  SR: "gpt4tools-success",
  IoU: "gpt4tools-iou",
  average: "gpt4tools",
} as const;
const roles = { base: "no tools", prompted: "tools in the prompt", specialized: "tools in the weights" } as const;
const smallModel =
  "The metrics ask for the agent's exact format. A model of 135 M parameters rarely keeps to it with or without tools; where all rows are near 0 nothing can be concluded of the method.";

const scoresOf = (lines: readonly LogLine[], scorer: string): number[] =>
  lines.map(({ scores }) => scores[scorer]!.score);
const shareOf = (lines: readonly LogLine[], scorer: string): number => 100 * mean(scoresOf(lines, scorer));

/** With its standard error over items; items of one request are no independent draws. */
function cellOf(lines: readonly LogLine[], scorer: string): string {
  const error = standardErrorOf(scoresOf(lines, scorer), itemsOf(lines.map(({ input }) => input)));
  return `${number(shareOf(lines, scorer))} ± ${number(100 * error)}`;
}

const meanOf = (lines: readonly LogLine[], key: "inputTokens" | "flops"): number =>
  mean(lines.flatMap((line) => line[key] ?? []));

export async function table3Page(context: Context): Promise<Page> {
  pairOf("table3", context);
  const items = { minutes: 2, hours: 200, full: 652 };
  const lines = await ask({ id: "table3", suites: ["gpt4tools"], items, methods: Object.keys(roles) }, context);
  const methods = [...new Set([...Object.keys(roles), ...lines.map(({ method }) => method)])];
  const of = (role: string) => lines.filter(({ method }) => method === role);
  const times = (key: "inputTokens" | "flops") => number(meanOf(of("prompted"), key) / meanOf(of("specialized"), key));
  return {
    text: paragraphs(
      `${of("base").length} test items of GPT4Tools, four or five tools each, in %, ± one standard error over items. Each item has a prompt of its own, and so a cloud pass of its own. Answers are written freely.`,
      table(
        ["", ...Object.keys(metrics), "tokens read"],
        methods.map((method) => [
          Object.hasOwn(roles, method) ? `${method}, ${roles[method as keyof typeof roles]}` : method,
          ...Object.values(metrics).map((scorer) => cellOf(of(method), scorer)),
          number(meanOf(of(method), "inputTokens"), 0),
        ]),
      ),
      ...differenceTable(lines, "prompted"),
      "A task of these differences is one prompt, AVE is the mean of the five metrics.",
      `Compression ratio: ${times("inputTokens")}× in tokens. Reading takes ${times("flops")} times fewer operations, which is the speed-up before an answer is written; milliseconds stand in \`fig4\`.`,
      smallModel,
      "Rows 2, 3 and 5 of the paper are out: the training set of 71,000 cannot be had. So LoRA-Gen's row is its row 4, without training on GPT4Tools. A LoRA without prompts, trained on other tasks, stands beside them where it is named (`--methods lora:FOLDER`).",
      oneSeed,
      "## The paper's rows (Gemma-2B)",
      table(
        ["", ...Object.keys(metrics), "ratio"],
        Object.entries(printed).map(([name, { cells, average }]) => [
          name,
          ...cells.map((cell) => number(cell)),
          number(average),
          name.startsWith("LoRA-Gen") ? "10.1×" : "–",
        ]),
      ),
    ),
  };
}

const evaluations = 4;
const repeatItems: Readonly<Record<Budget, number>> = { minutes: 1, hours: 50, full: 100 };

export async function gpt4toolsRepeatsPage(context: Context): Promise<Page> {
  pairOf("gpt4tools-repeats", context);
  const rows = await agentRows(context.data, repeatItems[context.budget]);
  const seeds = Array.from({ length: evaluations }, (_, i) => i + 1);
  const tasks = seeds.flatMap((seed) =>
    rows.map((row, at) => {
      const rng = createRng(`tools ${seed} ${at}`);
      return agentTask(`item-${at}`, withToolsShuffled(splitInstruction(row).system, rng), [row], seed);
    }),
  );
  const methods = ["prompted", "specialized"];
  const lines = await askTasks(tasks, { id: "gpt4tools-repeats", methods }, context);
  const averages = methods.map((role) =>
    seeds.map((seed) =>
      shareOf(
        lines.filter((line) => line.method === role && line.seed === seed),
        metrics.average,
      ),
    ),
  );
  return {
    text: paragraphs(
      `The average of GPT4Tools' five metrics in %, over ${rows.length} test items, ${evaluations} times: each time the tools of every prompt stand in another order. What the paper varied is not said; greedy answers to the same prompts would be the same.`,
      table(
        ["", ...seeds.map((seed) => `order ${seed}`), "mean", "deviation, points"],
        methods.map((role, i) => [
          role,
          ...averages[i]!.map((value) => number(value)),
          number(mean(averages[i]!)),
          number(deviationOf(averages[i]!), 2),
        ]),
      ),
      `The paper: ± ${gpt4toolsSpread} points (Gemma-2B). The spread is of the order of tools alone; the items are the same each time.`,
      smallModel,
      oneSeed,
    ),
  };
}

function deviationOf(values: readonly number[]): number {
  const average = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - average) ** 2, 0) / (values.length - 1));
}
