/** @file `loragen plot`: a training run as a chart. */
import { basename, extname, join, resolve } from "node:path";
import type { Command } from "commander";
import { writeFileAtomic } from "../../base/atomic-file.ts";
import { AppError } from "../../base/errors.ts";
import { readFileBounded } from "../../base/read-file.ts";
import type { CliContext } from "../context.ts";
import { formatBytes } from "../format.ts";
import { jsonOption } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";
import { bestValidation, type RunLog, readRunLog } from "../run-log.ts";

type Flags = JsonFlag & { readonly out?: string };

const examples = `
Examples:
  $ loragen plot work/assistant/edge                    writes work/assistant/edge/chart.svg
  $ loragen plot work/assistant/edge --out edge.html`;

export function addPlot(program: Command, context: CliContext): void {
  program
    .command("plot")
    .summary("draw a training run: loss, learning rate, expert load, speed")
    .description("Draws the log of a training run as one self-contained picture.")
    .argument("<run>", "the output folder of the run")
    .option(
      "--out <file>",
      "where to write, .svg or .html; an earlier chart is replaced, nothing else (default: RUN/chart.svg)",
    )
    .addOption(jsonOption())
    .addHelpText("after", examples)
    .action((run: string, flags: Flags) => plotCommand(context, run, flags));
}

async function plotCommand(context: CliContext, run: string, flags: Flags): Promise<void> {
  const file = flags.out ?? join(run, "chart.svg");
  const wrap = documents[extname(file).toLowerCase()];
  if (wrap === undefined)
    throw new AppError("E_USAGE", `--out: expected a name that ends in .svg or .html, found ${file}`);
  const log = await readRunLog(run);
  const { renderRunChart } = await import("../run-chart.ts"); // the chart library is only loaded here
  const title = titleOf(run, log);
  const text = wrap(renderRunChart(log, { title }).replace(/<\/svg>\s*$/, `${mark}</svg>`), title);
  if (flags.out !== undefined) await requireChartOrNothing(file);
  await writeFileAtomic(file, text);
  const best = bestValidation(log);
  const bytes = Buffer.byteLength(text);
  const result = { file, bytes, steps: log.training.at(-1)!.step, best: best ?? null };
  printResult(context, flags, result, () => `${file}: ${title}, ${formatBytes(bytes)}`);
}

/** In every chart: by it one is told from a user's own picture or page. */
const mark = "<!-- drawn by loragen plot -->";
const maxChartBytes = 256 * 2 ** 20;

/** Throws E_USAGE where a file is there that is no chart. */
async function requireChartOrNothing(file: string): Promise<void> {
  try {
    if (Buffer.from(await readFileBounded(file, maxChartBytes)).includes(mark)) return;
  } catch (error) {
    if (error instanceof AppError && error.code === "E_NOT_FOUND") return;
    throw error;
  }
  throw new AppError("E_USAGE", `--out: ${file} is no chart that loragen plot drew: expected one, or no file there`);
}

/** By the ending of the file's name. */
const documents: Readonly<Record<string, (svg: string, title: string) => string>> = {
  ".svg": (svg) => `${svg}\n`,
  ".html": (svg, title) =>
    `<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>${escapeHtml(title)}</title>\n<style>body { margin: 2rem auto; max-width: 960px }</style>\n${svg}\n</html>\n`,
};

const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`);

function titleOf(run: string, log: RunLog): string {
  const best = bestValidation(log);
  const steps = `step ${log.training.at(-1)!.step}`;
  const name = basename(resolve(run));
  return best === undefined
    ? `${name}: ${steps}`
    : `${name}: ${steps}, best validation loss ${best.loss.toFixed(4)} at step ${best.step}`;
}
