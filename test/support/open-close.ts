/**
 * @file A process that opens, uses and closes something heavy twelve times and prints its resident memory in bytes after each:
 * `open-close.ts trainer|decoder`. It needs `--expose-gc`.
 */
import { createCachedModel } from "../../src/decode/cached-model.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { quantizations } from "../../src/models/quantized/layout.ts";
import { quantizeModel } from "../../src/models/quantized/quantize-model.ts";
import { floatTensor } from "../../src/runtime/tensor.ts";
import { rowFeeds } from "../../src/train/batch.ts";
import { languageModelPrefix, languageModelSpec } from "../../src/train/language-model-step.ts";
import { stepNames } from "../../src/train/step.ts";
import { createTrainer } from "../../src/train/trainer.ts";
import { randomLlama } from "./random-llama.ts";

const optimizer = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 };
const { config, weights } = randomLlama({ hidden: 256, ffn: 1024, layers: 8, heads: 4, headDim: 64, context: 64 });
const ids = Array.from({ length: 33 }, (_, i) => (7 * i) % config.vocab);
const valuesOf = (name: string) => (weights[name] as { data: Float32Array }).data;

/** 8 million weights, held three times over with their moments, and once more as the next state. */
async function trainOnce(): Promise<void> {
  const state = Object.fromEntries(
    [...parameterShapes(config)].map(([name, shape]) => [
      stepNames.parameter(name),
      floatTensor(shape, valuesOf(name).slice()),
    ]),
  );
  await using trainer = await createTrainer(languageModelSpec(config, optimizer, 1), { weights, state, threads: 1 });
  const feeds = rowFeeds(languageModelPrefix, [{ ids, answers: [[1, ids.length]] }], 0);
  await trainer.step([feeds], 0.001);
  await trainer.evaluate(feeds);
}

/** The same weights dense and as int8, packed by their sessions. */
async function decodeOnce(): Promise<void> {
  for (const model of [{ config, weights }, await quantizeModel({ config, weights }, quantizations.int8)]) {
    await using cached = await createCachedModel(model, { threads: 1 });
    await cached.feed(ids);
  }
}

const work = { trainer: trainOnce, decoder: decodeOnce }[process.argv[2] as "trainer" | "decoder"];
const collect = (globalThis as { gc?: () => void }).gc;
if (collect === undefined) throw new Error("internal: run with --expose-gc");
const resident: number[] = [];
for (let i = 0; i < 12; i++) {
  await work();
  // Buffers are given back by finalisers, which run between turns.
  for (let turn = 0; turn < 3; turn++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  resident.push(process.memoryUsage.rss());
}
process.stdout.write(JSON.stringify(resident));
