/** @file The log of a training run, as charts and summaries need it. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema, isJson, parseJson } from "../base/json.ts";
import { readFileBounded } from "../base/read-file.ts";
import { decodeUtf8 } from "../base/utf8.ts";

/** What a run by rewards logs: mean reward, share solved, divergence a token, tokens an answer. */
export type RewardMetric = "reward" | "solved" | "kl" | "length";
export type RewardMetrics = { readonly [M in RewardMetric]?: number | undefined };

export type TrainingPoint = RewardMetrics & {
  readonly step: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly tokensPerSecond: number;
  readonly memoryMb: number;
  /** Of each expert, in shares of 1. */
  readonly expertShares?: readonly number[];
};

export type RunLog = {
  readonly path: string;
  readonly training: readonly TrainingPoint[];
  readonly validation: readonly (RewardMetrics & { readonly step: number; readonly loss: number })[];
};

const maxBytes = 512 * 2 ** 20;

const step = z.int().min(0);
const rewards = {
  reward: z.number().optional(),
  solved: z.number().optional(),
  kl: z.number().optional(),
  length: z.number().optional(),
};
const rewardsOf = ({ reward, solved, kl, length }: RewardMetrics): RewardMetrics =>
  reward === undefined ? {} : { reward, solved, kl, length };
const Validation = z.looseObject({ step, validation: z.looseObject({ loss: z.number(), ...rewards }) });
const Training = z.looseObject({
  step,
  loss: z.number(),
  learningRate: z.number(),
  tokensPerSecond: z.number(),
  memoryMb: z.number(),
  expertLoad: z.array(z.number().min(0)).optional(),
  ...rewards,
});

/** Where a run keeps its log. */
export const runLogPath = (run: string): string => join(run, "log.jsonl");

/**
 * Reads RUN/log.jsonl; a last line that was cut off is left out.
 * @throws E_NOT_FOUND where there is no log, E_FORMAT with the line's number, E_DATA where the log has no step
 */
export async function readRunLog(run: string): Promise<RunLog> {
  const path = runLogPath(run);
  if (!(await stat(run).catch(() => undefined))?.isDirectory())
    throw new AppError("E_NOT_FOUND", `${run}: expected the output folder of a training run, found no folder`);
  const lines = decodeUtf8(await readFileBounded(path, maxBytes), path).split("\n");
  const last = lines.pop()!; // what follows the last line end: nothing, or a line that was cut off
  if (isJson(last)) lines.push(last);
  const training: TrainingPoint[] = [];
  const validation: RunLog["validation"][number][] = [];
  lines.forEach((line, i) => {
    if (line.trim() === "") return;
    const what = `${path}:${i + 1}`;
    const value = parseJson(line, { what });
    if (typeof value === "object" && value !== null && "validation" in value) {
      const entry = checkSchema(value, Validation, { what });
      validation.push({ step: entry.step, loss: entry.validation.loss, ...rewardsOf(entry.validation) });
    } else training.push(toPoint(checkSchema(value, Training, { what })));
  });
  if (training.length === 0) throw new AppError("E_DATA", `${path}: expected steps, found none yet`);
  return { path, training, validation };
}

/** The validation with the lowest loss. */
export function bestValidation({ validation }: RunLog): RunLog["validation"][number] | undefined {
  return validation.reduce<RunLog["validation"][number] | undefined>(
    (best, entry) => (best === undefined || entry.loss < best.loss ? entry : best),
    undefined,
  );
}

function toPoint({ expertLoad, ...entry }: z.infer<typeof Training>): TrainingPoint {
  const { loss, learningRate, tokensPerSecond, memoryMb } = entry;
  const point = { step: entry.step, loss, learningRate, tokensPerSecond, memoryMb, ...rewardsOf(entry) };
  if (expertLoad === undefined) return point;
  const total = expertLoad.reduce((sum, load) => sum + load, 0);
  return { ...point, expertShares: expertLoad.map((load) => (total > 0 ? load / total : 0)) };
}
