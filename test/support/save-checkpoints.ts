/** @file A process that saves checkpoints until it is killed: `save-checkpoints.ts DIRECTORY`. It says when each save begins. */
import { saveCheckpoint } from "../../src/files/checkpoint.ts";

const directory = process.argv[2]!;
for (let step = 1; step < 100_000; step++) {
  process.stdout.write(`${step}\n`);
  const data = new Float32Array(100_000).fill(step);
  await saveCheckpoint(directory, { step, tensors: { w: { shape: [100_000], data } }, state: { step } });
}
