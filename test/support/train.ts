/** @file A process that trains what a configuration file describes, going on from its checkpoints: `train.ts CONFIG`. */
import { AppError } from "../../src/base/errors.ts";
import { runTraining } from "../../src/train/run.ts";
import { quietContext } from "./toy-training.ts";

try {
  await runTraining(process.argv[2]!, quietContext({ resume: true }));
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
}
