/**
 * @file A process that trains what a configuration file describes, going on from its checkpoints: `train.ts CONFIG [STEP TURNS]`.
 * With a moment given it kills itself there: TURNS turns of the event loop after step STEP was logged, wherever it is then, and at
 * the latest when the next but one step is logged. It expects `logEvery` 1.
 */
import { AppError } from "../../src/base/errors.ts";
import type { Progress } from "../../src/base/progress.ts";
import { runTraining } from "../../src/train/run.ts";
import { quietContext } from "./toy-training.ts";

const die = () => process.kill(process.pid, "SIGKILL");

/** Dies by itself once it has been told of the step. */
function deadlyProgress(step: number, turns: number): (total: number, start: number) => Progress {
  let left = turns;
  const countDown = (): void => {
    if (left-- <= 0) die();
    else setImmediate(countDown);
  };
  return (_, start) => {
    if (start >= step) countDown();
    const update = (now: number): void => {
      if (now === step) countDown();
      if (now >= Math.max(step, start) + 2) die();
    };
    return { update, note: () => undefined, finish: () => undefined };
  };
}

const [path, step, turns] = process.argv.slice(2);
try {
  const moment = step === undefined ? {} : { progress: deadlyProgress(Number(step), Number(turns)) };
  await runTraining(path!, quietContext({ resume: true, ...moment }));
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
}
