/** @file A process that decodes by our runtime: `decode-worker.ts JSON`; says how long loading took, then answers `prefill`, `decode` and `memory`. */
import { createCachedModel } from "../../src/decode/cached-model.ts";
import { openModel } from "../../src/models/model-file.ts";
import { timed } from "../support/bench.ts";
import { watchMemory } from "../support/memory.ts";
import { serve } from "../support/worker.ts";
import { type DecodeTask, promptIds } from "./decode-task.ts";
import { goFirst } from "./memory.ts";

goFirst();
const memory = watchMemory();
const task = JSON.parse(process.argv[2]!) as DecodeTask;
const from = performance.now();
const model = await openModel(task.path, { keepBlocks: task.keepBlocks });
const opened = performance.now();
await using cached = await createCachedModel(model, {
  threads: task.threads,
  capacity: task.promptTokens + task.newTokens,
});
const compiled = performance.now();
const prompt = promptIds(task);

let next = 0;

async function prefill() {
  cached.rewind([], { reuse: false });
  const ms = await timed(async () => {
    next = likeliest(await cached.feed(prompt));
  });
  return { ms };
}

async function decode() {
  const ms = await timed(async () => {
    for (let i = 0; i < task.newTokens; i++) next = likeliest(await cached.feed([next]));
  });
  return { ms };
}

await serve({ openMs: opened - from, compileMs: compiled - opened }, { prefill, decode, memory });

function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  if (!Number.isFinite(logits[best])) throw new Error(`internal: a logit is ${logits[best]}`);
  return best;
}
