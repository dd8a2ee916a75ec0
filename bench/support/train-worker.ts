/** @file A process that makes training steps on request: `train-worker.ts PROBLEM THREADS [fp32|int8]`, the problem as JSON. */
import { buildStep } from "../../src/train/step.ts";
import { createTrainer, type Trainer } from "../../src/train/trainer.ts";
import { expertTraining, type FrozenWeights } from "./expert-training.ts";
import { graphProducts } from "./flops.ts";
import { fullTraining } from "./full-training.ts";
import { peakResidentMb } from "./memory.ts";
import type { Problem } from "./problem.ts";
import { createProductRates } from "./product-rate.ts";
import { serve } from "./worker.ts";

const [json, threadsText, frozen = "fp32"] = process.argv.slice(2);
const problem = JSON.parse(json!) as Problem;
const threads = Number(threadsText);
const training =
  problem.experts === undefined ? await fullTraining(problem) : await expertTraining(problem, frozen as FrozenWeights);
await using trainer: Trainer = await createTrainer(training.spec, { ...training, threads });
await using products = await createProductRates(threads);

async function step() {
  const from = performance.now();
  const { loss, gradientNorm } = await trainer.step([training.batch], problem.learningRate);
  return { ms: performance.now() - from, loss: loss![0]!, gradientNorm: gradientNorm![0]! };
}

await serve(
  { graphGigaFlops: graphProducts(buildStep(training.spec), { ...training.state, ...training.batch }) },
  {
    step,
    products: () => products.measure(),
    memory: () => ({ peakMb: peakResidentMb() ?? null }),
  },
);
