/** @file `loragen plot`: a training run, or a search from examples, as a chart. */
import { stat } from "node:fs/promises";
import { basename, extname, join, resolve } from "node:path";
import type { Command } from "commander";
import { writeFileAtomic } from "../../base/atomic-file.ts";
import { AppError } from "../../base/errors.ts";
import { readFileBounded } from "../../base/read-file.ts";
import type { CliContext } from "../context.ts";
import { formatBytes, formatShare } from "../format.ts";
import { jsonOption } from "../options.ts";
import { type JsonFlag, printResult } from "../output.ts";
import { bestValidation, type RunLog, readRunLog, runLogPath } from "../run-log.ts";
import { readSearchHistory, searchHistoryName } from "../search-history.ts";

type Flags = JsonFlag & { readonly out?: string };

const examples = `
Examples:
  $ loragen plot work/smollm2/generator                 writes work/smollm2/generator/chart.svg
  $ loragen plot work/smollm2/generator --out generator.html
  $ loragen plot mixed                                  a mixture of skills, or gates, that examples found`;

export function addPlot(program: Command, context: CliContext): void {
  program
    .command("plot")
    .summary("draw a training run: loss, rewards, learning rate, expert load, speed; or a search from examples")
    .description(
      "Draws the log of a training run, or the history that adapt or specialize --examples kept, as one self-contained picture.",
    )
    .argument("<run>", "the output folder of the run, or the folder that a search was kept in")
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
  const { title, svg, ...told } = await ((await hasSearch(run)) ? drawSearch(run) : drawRun(run));
  const text = wrap(svg.replace(/<\/svg>\s*$/, `${mark}</svg>`), title);
  await requireChartOrNothing(file, flags.out === undefined ? "" : "--out: ");
  await writeFileAtomic(file, text);
  const bytes = Buffer.byteLength(text);
  const result = { file, bytes, ...told };
  printResult(context, flags, result, () => `${file}: ${title}, ${formatBytes(bytes)}`);
}

/** Of a folder with both, the log of the training comes first. */
const hasSearch = async (folder: string): Promise<boolean> =>
  !(await isFile(runLogPath(folder))) && isFile(join(folder, searchHistoryName));
const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() ?? false;

// The chart library is only loaded here.
async function drawRun(run: string) {
  const log = await readRunLog(run);
  const { renderRunChart } = await import("../run-chart.ts");
  const title = titleOf(run, log);
  const [steps, best] = [log.training.at(-1)!.step, bestValidation(log) ?? null];
  return { title, svg: renderRunChart(log, { title }), steps, best };
}

async function drawSearch(folder: string) {
  const history = await readSearchHistory(folder);
  const { renderSearchChart } = await import("../search-chart.ts");
  const { of, by, counts, points } = history;
  const best = points.reduce((kept, point) => (point.accuracy > kept.accuracy ? point : kept));
  const title = `${basename(resolve(folder))}: ${of} by ${by}, best ${formatShare(best.accuracy)} at ${counts} ${best.at}`;
  const steps = points.at(-1)!.at;
  return { title, svg: renderSearchChart(history, { title }), steps, best: { step: best.at, accuracy: best.accuracy } };
}

/** In every chart: by it one is told from a user's own picture or page. */
const mark = "<!-- drawn by loragen plot -->";
const maxChartBytes = 256 * 2 ** 20;

/** Throws E_USAGE where a file is there that is no chart. */
async function requireChartOrNothing(file: string, flag: string): Promise<void> {
  try {
    if (Buffer.from(await readFileBounded(file, maxChartBytes)).includes(mark)) return;
  } catch (error) {
    if (error instanceof AppError && error.code === "E_NOT_FOUND") return;
    throw error;
  }
  throw new AppError(
    "E_USAGE",
    `${flag}${file} is no chart that loragen plot drew: expected one, or no file there; --out takes another place`,
  );
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
