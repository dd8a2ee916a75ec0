/** @file What a run was begun with, kept beside its checkpoints: resuming with another configuration is refused. */
import { stat } from "node:fs/promises";
import { AppError } from "../base/errors.ts";
import { readJsonFile, writeJsonFile } from "../base/json-file.ts";
import type { Logger } from "../base/log.ts";
import type { RunConfig } from "./config.ts";
import { TrainConfig } from "./recipes/table.ts";
import { runFolder } from "./run-folder.ts";

/**
 * Keys that leave the result as it is. `threads` may change the last bits of a product; `recompute` changes none. `steps` is how far
 * a run goes: what it does on the way follows from the schedule, which is compared.
 */
const free = ["output", "steps", "threads", "logEvery", "checkpointEvery", "recompute"] as const;

/** Keeps the configuration of a run that begins. */
export async function beginRun(config: RunConfig): Promise<void> {
  await writeJsonFile(runFolder(config.output).config, config);
}

/**
 * Checks that a run goes on as it began, and keeps its configuration anew. One begun before configurations were kept is not
 * compared, with a warning.
 * @throws E_MISMATCH naming every key that differs with both values, or a number of steps below those taken
 */
export async function continueRun(config: RunConfig, stepsTaken: number, log: Logger): Promise<void> {
  const path = runFolder(config.output).config;
  if (config.steps < stepsTaken)
    throw new AppError("E_MISMATCH", `steps: expected at least the ${stepsTaken} already taken, found ${config.steps}`);
  const isKept = await stat(path).then(
    () => true,
    () => false,
  );
  if (isKept) requireSame(path, await readJsonFile(path, TrainConfig), config);
  else log.warn(`${path} is not there: whether the run was begun with the same configuration is not known`);
  await beginRun(config);
}

function requireSame(path: string, before: RunConfig, now: RunConfig): void {
  const changes = differences(decisive(before), decisive(now));
  if (changes.length > 0)
    throw new AppError(
      "E_MISMATCH",
      `${path}: the run was begun with ${changes.join("; ")}. Go on with what it was begun with, or choose another output`,
    );
}

/** What decides the result. The length of a schedule is spelled out, so that a run may be made longer where it does not follow from `steps`. */
function decisive(config: RunConfig): unknown {
  const { schedule, scheduleSteps } = config.optimizer;
  const optimizer = {
    ...config.optimizer,
    scheduleSteps: schedule === "constant" ? null : (scheduleSteps ?? config.steps),
  };
  const kept = Object.entries({ ...config, optimizer }).filter(([key]) => !(free as readonly string[]).includes(key));
  return Object.fromEntries(kept);
}

/** `seed 1, now 2` for every leaf that differs; arrays are compared whole. */
function differences(before: unknown, now: unknown, at = ""): string[] {
  if (isRecord(before) && isRecord(now)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
    return keys.flatMap((key) => differences(before[key], now[key], at === "" ? key : `${at}.${key}`));
  }
  const [old, fresh] = [before, now].map((value) => JSON.stringify(value) ?? "none");
  return old === fresh ? [] : [`${at} ${old}, now ${fresh}`];
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
