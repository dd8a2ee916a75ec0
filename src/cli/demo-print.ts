/** @file The demo for a person: answers side by side, then what it cost and saved. */
import { describeSpec } from "./constraint-flags.ts";
import type { CliContext } from "./context.ts";
import { type DemoAnswer, type DemoResult, type DemoRole, roles } from "./demo-run.ts";
import type { DemoSummary } from "./demo-summary.ts";
import { formatBytes, formatMs, formatShare, plural } from "./format.ts";
import { compactHeatMap } from "./heat-map.ts";
import { type Cell, formatTable } from "./table.ts";
import type { Colors } from "./terminal.ts";

const roleTitles: Readonly<Record<DemoRole, string>> = {
  base: "base model",
  prompted: "prompted",
  specialized: "specialised",
};

const maxAnswerChars = 60;

/** One scenario: its prompt, its gates, the table of answers. */
export function describeScenario(result: DemoResult, number: number, { colors, stdout }: CliContext): string {
  const { title, prompt, promptTokens, constraint, bytes, ms, gates, rows } = result;
  const width = Math.max(80, Math.min(stdout.columns ?? 120, 160)) - 2 * 4;
  const share = (part: number) => Math.floor(width * part);
  const table = formatTable(
    [
      { title: "input", maxWidth: share(0.25) },
      { title: "expected", maxWidth: share(0.21) },
      ...roles.map((role) => ({ title: roleTitles[role], maxWidth: share(0.18) })),
    ],
    rows.map(({ input, expected, answers }) => [
      input,
      expected,
      ...roles.map((role) => answerCell(answers[role], colors)),
    ]),
  );
  return [
    colors.bold(`${number}. ${title}`),
    colors.dim(`   prompt (${plural(promptTokens, "token")}): ${cut(prompt, 150)}`),
    ...(constraint === undefined ? [] : [`   answers, found in the prompt: ${describeSpec(constraint)}`]),
    `   gates, a column for each layer (${formatBytes(bytes)}, cloud pass ${formatMs(ms.cloud)}):`,
    ...compactHeatMap(gates, colors).map((line) => `   ${line}`),
    "",
    table,
    "",
  ].join("\n");
}

function answerCell({ text, isRight, confidence }: DemoAnswer, colors: Colors): Cell {
  const paint = isRight ? colors.green : colors.red;
  const sure = confidence === undefined ? "" : ` (${Math.round(100 * confidence)}\u00a0%)`;
  return { text: `${isRight ? "✓" : "✗"}\u00a0${cut(text.trim(), maxAnswerChars) || "(nothing)"}${sure}`, paint };
}

/** The numbers, and what they do not say. */
export function describeSummary(summary: DemoSummary, prompts: number, colors: Colors): string {
  const { n, right, inputTokens, ms, specializeMs: cost } = summary;
  const table = formatTable(
    [{ title: "" }, ...roles.map((role) => ({ title: roleTitles[role], align: "right" as const }))],
    [
      [`right answers of ${n}`, ...roles.map((role) => String(right[role]))],
      ["tokens read per query", ...roles.map((role) => inputTokens[role].toFixed(1))],
      ["time per query", ...roles.map((role) => formatMs(ms[role]))],
      ["  with the prompt in the cache", "", formatMs(summary.cachedPromptMs), ""],
    ],
  );
  return [
    colors.bold(`Summary: ${plural(prompts, "prompt")}, ${plural(n, "input")}`),
    "",
    table,
    "",
    `saved per query      ${summary.savedTokens.toFixed(1)} tokens (${formatShare(summary.savedTokens / inputTokens.prompted)}), ${savedTime(summary.savedMs, ms.prompted)}`,
    `specialising         ${formatMs(cost.total)} per prompt: cloud pass ${formatMs(cost.cloud)}, merging ${formatMs(cost.merge)}, session ${formatMs(cost.compile)}`,
    `pays back            ${paysBack(summary.breakEvenQueries)}; ${paysBack(summary.breakEvenQueriesCachedPrompt)} where the prompt would be in the cache anyway`,
    `shipped per prompt   ${formatBytes(Math.round(summary.bytes))} (the prompts' text: ${formatBytes(Math.round(summary.promptBytes))})`,
    "",
    colors.dim(
      [
        "✓ the answer equals the expected one, ✗ it does not; in brackets the label's probability. All three keep to the form that",
        "the prompt demands, where one was found. Prompts, inputs and expected answers were written for this demo;",
        `${n} inputs are too few to rank methods: \`loragen eval\` measures that.`,
        "Times are of this machine, one query at a time, after a warm-up; loading the pair is not in them.",
      ].join("\n"),
    ),
  ].join("\n");
}

const savedTime = (saved: number, of: number): string =>
  saved > 0 ? `${formatMs(saved)} (${formatShare(saved / of)})` : `no time (${formatMs(-saved)} more)`;

const paysBack = (queries: number | null): string =>
  queries === null ? "never" : `after ${plural(queries, "query", "queries")}`;

const cut = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max - 1)}…` : text);
