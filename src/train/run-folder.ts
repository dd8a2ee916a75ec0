/** @file The folder of a run: what may be in it when a run begins, and the lock that keeps a second trainer out. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { ensureFolder } from "../base/folder.ts";
import { ioError } from "../base/io-error.ts";
import { readJsonFile } from "../base/json-file.ts";
import { takeLock } from "../base/lock.ts";
import { isTemporaryName } from "../base/temporary-name.ts";
import { latestCheckpoint } from "../files/checkpoint.ts";
import { TrainConfig } from "./recipes/table.ts";

export type RunFolder = {
  readonly config: string;
  readonly checkpoints: string;
  /** The best state by validation loss, as a checkpoint without moments. */
  readonly best: string;
  readonly log: string;
  readonly lock: string;
};

export const runFolder = (output: string): RunFolder => ({
  config: join(output, "config.json"),
  checkpoints: join(output, "checkpoints"),
  best: join(output, "best"),
  log: join(output, "log.jsonl"),
  lock: join(output, lockName),
});

const lockName = "train.lock";

/** Where finished runs keep their results. */
const results = ["model", "generator", "adapter"];

/**
 * Makes the folder and claims it for this process. Nothing in it is touched before it is known to be a run's.
 * @returns how it is released
 * @throws E_USAGE where there is something else in it, an earlier run's checkpoints without `resume`, or a result without checkpoints;
 * E_IO where another process trains into it
 */
export async function claimRunFolder(output: string, resume: boolean): Promise<() => Promise<void>> {
  await ensureFolder(output);
  await requireRun(output, resume);
  const { lock } = runFolder(output);
  return takeLock(lock, (holder) => `${output}: process ${holder} is training into it; if not, delete ${lock}`);
}

async function requireRun(output: string, resume: boolean): Promise<void> {
  const { checkpoints, config } = runFolder(output);
  const names = await namesIn(output);
  if (names.length === 0) return;
  if ((await latestCheckpoint(checkpoints)) !== undefined) {
    if (resume) return;
    throw new AppError(
      "E_USAGE",
      `${checkpoints} holds checkpoints of an earlier run: pass --resume to go on, or choose another output`,
    );
  }
  if (!(await isRunConfig(config)))
    throw new AppError(
      "E_USAGE",
      `${output}: expected a new or empty folder, or one of an earlier run, found others' files (${names.slice(0, 5).join(", ")}${names.length > 5 ? ", …" : ""})`,
    );
  const result = results.find((name) => names.includes(name));
  if (result !== undefined)
    throw new AppError(
      "E_USAGE",
      `${join(output, result)} is the result of an earlier run, whose checkpoints are gone: choose another output`,
    );
}

const isRunConfig = (path: string): Promise<boolean> =>
  readJsonFile(path, TrainConfig).then(
    () => true,
    () => false,
  );

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => !name.startsWith(lockName) && !isTemporaryName(name)).sort();
  } catch (error) {
    throw ioError(error, "read", folder);
  }
}
