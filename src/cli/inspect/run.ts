/** @file The output folder of a training run explained: how far it came. */
import { formatCount } from "../format.ts";
import { bestValidation, readRunLog } from "../run-log.ts";
import { facts, type Inspection } from "./inspection.ts";

export async function inspectRun(directory: string): Promise<Inspection> {
  const log = await readRunLog(directory);
  const last = log.training.at(-1)!;
  const best = bestValidation(log);
  return {
    json: { kind: "run", directory, last, best: best ?? null },
    lines: (colors) => [
      colors.bold(`${directory}: a training run at step ${last.step}`),
      "",
      ...facts([
        ["loss", last.loss.toFixed(4)],
        ["best", best === undefined ? "not validated yet" : `${best.loss.toFixed(4)} at step ${best.step}`],
        ["speed", `${formatCount(last.tokensPerSecond)} tokens/s`],
        ["memory", `${last.memoryMb} MB`],
      ]),
      "",
      `next  loragen plot ${directory}`,
    ],
  };
}

/** A run that ended before it wrote a log: there is no step to tell of. */
export function inspectBegunRun(directory: string): Inspection {
  return {
    json: { kind: "run", directory, last: null, best: null },
    lines: (colors) => [
      colors.bold(`${directory}: a training run that has logged no step yet`),
      "",
      "next  run loragen train again with the same configuration; add --resume where there is a checkpoint",
    ],
  };
}
