/** @file The same by llama.cpp, from a GGUF file: `llama-cpp-worker.ts JSON`. Its defaults, but on the CPU and with our number of threads. */
import { getLlama, LlamaLogLevel, type Token } from "node-llama-cpp";
import { watchMemory } from "../support/memory.ts";
import { serve } from "../support/worker.ts";
import { type DecodeTask, promptIds } from "./decode-task.ts";
import { goFirst } from "./memory.ts";

goFirst();
const memory = watchMemory();
const task = JSON.parse(process.argv[2]!) as DecodeTask;
const { path, threads, promptTokens, newTokens } = task;
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  progressLogs: false,
  logLevel: LlamaLogLevel.error,
  maxThreads: threads,
});
const from = performance.now();
const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, ignoreMemorySafetyChecks: true });
const opened = performance.now();
const context = await model.createContext({
  contextSize: promptTokens + newTokens + 1,
  threads,
  ignoreMemorySafetyChecks: true,
});
const sequence = context.getSequence();
const compiled = performance.now();
const prompt = promptIds(task);

async function generate() {
  await sequence.clearHistory();
  const start = performance.now();
  let read = 0;
  let count = 0;
  const tokens = sequence.evaluate(prompt as Token[], { temperature: 0, yieldEogToken: true });
  for await (const _ of tokens) {
    if (count === 0) read = performance.now();
    if (count++ === newTokens) break;
  }
  const decodeMs = performance.now() - read;
  if (count !== newTokens + 1) throw new Error(`internal: llama.cpp made ${count} tokens of ${newTokens + 1}`);
  return { prefillMs: read - start, decodeMs };
}

await serve(
  {
    openMs: opened - from,
    compileMs: compiled - opened,
    description: `llama.cpp ${llama.llamaCppRelease.release}, ${threads} threads of ${context.currentThreads}`,
  },
  { generate, memory },
);
await context.dispose();
await model.dispose();
await llama.dispose();
