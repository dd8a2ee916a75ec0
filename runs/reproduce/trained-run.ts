/** @file A training that a page needs: begun where it was not, gone on with where it was stopped, kept where it is done. */
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { writeFileAtomic } from "../../src/base/atomic-file.ts";
import { AppError } from "../../src/base/errors.ts";
import { runTraining } from "../../src/train/run.ts";
import type { Context } from "./row.ts";

export type TrainedRun = {
  /** How progress calls it. */
  readonly name: string;
  /** The run's folder; its configuration lies beside it, as OUTPUT.json. */
  readonly output: string;
  readonly config: object;
  /** What is there when it is done. */
  readonly result: string;
};

/**
 * Trains to the end.
 * @throws E_INTERRUPTED where it was stopped; E_NOT_FOUND where it is not trained and nothing may be; E_MISMATCH where it was begun with another configuration; and as `runTraining`
 */
export async function trainRun(
  { name, output, config, result }: TrainedRun,
  { signal = new AbortController().signal, noTraining = false, tell }: Pick<Context, "signal" | "noTraining" | "tell">,
): Promise<void> {
  const text = `${JSON.stringify(config, undefined, 2)}\n`;
  const path = `${output}.json`;
  await mkdir(dirname(output), { recursive: true });
  if (existsSync(path) && existsSync(output) && (await readFile(path, "utf8")) !== text)
    throw new AppError(
      "E_MISMATCH",
      `${path}: was begun with another configuration: choose another --work, or delete it`,
    );
  if (existsSync(result)) return;
  if (noTraining)
    throw new AppError(
      "E_NOT_FOUND",
      `${name}: expected it trained (${result}), found it not; nothing is to be trained`,
    );
  await writeFileAtomic(path, text);
  const { interrupted } = await runTraining(path, {
    log: { info: tell, warn: tell },
    progress: (total) => ({
      update: (done) => tell(`${name}: ${done} of ${total} steps`),
      note: tell,
      finish: () => undefined,
    }),
    now: () => performance.now(),
    signal,
    resume: true,
  });
  if (interrupted) throw new AppError("E_INTERRUPTED", `${output}: stopped; the same command goes on from there`);
}
