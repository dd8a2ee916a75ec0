/** @file `fig4`: the agent with 26 tools, and the poet: what a prompt costs, and what is answered without it. */
import type { LogLine } from "../../../src/eval/log.ts";
import { mean } from "../../../src/eval/statistics.ts";
import { splitInstruction } from "../../../src/eval/tasks/gpt4tools.ts";
import { agentRows, agentTask, demoPrompt, toolOf } from "../agent.ts";
import { askTasks } from "../ask.ts";
import { number, paragraphs, table, words } from "../markdown.ts";
import { figure4SpeedUp } from "../paper.ts";
import type { Budget, Context, Page } from "../row.ts";
import { oneSeed, pairOf } from "../shipped-pair.ts";
import { askPoet, poetTable } from "./table14.ts";

const items: Readonly<Record<Budget, number>> = { minutes: 1, hours: 20, full: 20 };
const roles = ["prompted", "specialized", "base"] as const;
const shownCharacters = 80;

export async function figure4Page(context: Context): Promise<Page> {
  pairOf("fig4", context);
  const count = items[context.budget];
  const { system } = splitInstruction({ instruction: await demoPrompt(context.data) });
  const calling = (await agentRows(context.data, 652)).filter(({ output }) => toolOf(output) !== undefined);
  const task = agentTask("agent-26-tools", system, calling.slice(0, count));
  const lines = await askTasks([task], { id: "fig4", methods: [...roles], timed: count }, context);
  const poems = await askPoet("fig4", context);
  const of = (role: string) => lines.filter(({ method }) => method === role);
  const [withPrompt, without] = [meanOf(of("prompted"), "ms"), meanOf(of("specialized"), "ms")];
  const ratio = meanOf(of("prompted"), "inputTokens") / meanOf(of("specialized"), "inputTokens");
  return {
    text: paragraphs(
      `The agent's prompt of tables 15 to 17, 26 descriptions of tools, and ${count} requests of GPT4Tools' test rows that need a tool, drawn beforehand by a seed. Prompted: the model reads the tools with every request. Specialised: the tools are in the weights. The prompt is read anew for each request, as in the paper; a model that keeps it in its cache reads it once.`,
      table(
        ["agent", "right tool", "right in full", "mean of five metrics", "tokens read", "ms"],
        roles.map((role) => agentRow(role, of(role))),
      ),
      `Compression ratio: ${number(ratio, 1)}×. Speed-up, which is another thing: ${number(withPrompt / without, 2)}× (the paper: ${figure4SpeedUp}×, Gemma-2B). Time is for reading, and for writing no more tokens than the longest right answer has.`,
      "The specialised model never sees the tools' names with a request. Names that a generator was not trained on cannot be expected from gates alone: they need a [constraint](../constraints.md), which was not used here.",
      oneSeed,
      "## Answers",
      `The requests and the full answers are in the log: the rows of GPT4Tools state no licence. Here the first ${shownCharacters} characters of each answer.`,
      words(
        ["", "tool wanted", ...roles],
        of("prompted").map(({ sample, target }) => [
          String(sample + 1),
          toolOf(target)!,
          ...roles.map((role) => shown(of(role).find((line) => line.sample === sample))),
        ]),
      ),
      "## Poet",
      poetTable(poems),
      "The answers: [table14](table14.md).",
    ),
  };
}

const meanOf = (lines: readonly LogLine[], key: "ms" | "inputTokens"): number =>
  mean(lines.flatMap((line) => line[key] ?? []));

function agentRow(role: string, lines: readonly LogLine[]): string[] {
  const share = (scorer: string) => `${number(100 * mean(lines.map(({ scores }) => scores[scorer]!.score)), 0)} %`;
  const right = lines.filter(({ answer, target }) => toolOf(answer ?? "") === toolOf(target)).length;
  return [
    role,
    `${right} of ${lines.length}`,
    share("gpt4tools-success"),
    share("gpt4tools"),
    number(meanOf(lines, "inputTokens"), 0),
    number(meanOf(lines, "ms"), 0),
  ];
}

/** The beginning of an answer, as a cell. */
function shown(line: LogLine | undefined): string {
  const text = (line?.answer ?? line?.error?.message ?? "")
    .replace(/\s+/g, " ")
    .replaceAll("`", "'")
    .replaceAll("|", "¦");
  return `\`${text.slice(0, shownCharacters).trim() || " "}\``;
}
