/** @file A process that goes from gate files to ready edge models: `swap-worker.ts merge|buffers|swap PAIR THREADS FILE…`. */
import { createDecoder, type Decoder } from "../../src/decode/decoder.ts";
import { add, input, matmul } from "../../src/graph/build.ts";
import { assembleLora, merge } from "../../src/pair/merge.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { readSpecialization } from "../../src/pair/specialization-file.ts";
import { createSwappableDecoder } from "../../src/pair/swap.ts";
import { compile } from "../../src/runtime/node.ts";
import { readWeight } from "../../src/runtime/read-weight.ts";
import { floatTensor, type Tensor, zeros } from "../../src/runtime/tensor.ts";
import { peakResidentMb } from "../support/memory.ts";
import { type Answer, serve } from "../support/worker.ts";
import { goFirst } from "./memory.ts";

goFirst();
const [way, directory, threadsText, ...files] = process.argv.slice(2);
const threads = Number(threadsText);
const pair = await loadPair(directory!);
const prompt = [1, 2, 3, 4];
const tokens = 8;
let next = 0;
const nextFile = (): string => files[next++ % files.length]!;

/** Seconds that work takes, and what it gives. */
async function clocked<T>(work: () => Promise<T>): Promise<[seconds: number, value: T]> {
  const from = performance.now();
  const value = await work();
  return [(performance.now() - from) / 1000, value];
}

async function perToken(decoder: Decoder): Promise<number> {
  const { ms, outputTokens } = await decoder.generate(prompt, {
    maxTokens: tokens + 1,
    stopIds: [],
    reusePrefix: false,
  });
  return ms.decode / (outputTokens - 1);
}

const capacity = prompt.length + tokens + 1;

/** All anew: weights read, added to, put into a session. */
async function mergeRound(): Promise<Answer> {
  const file = nextFile();
  const adapted = [...assembleLora(pair, await readSpecialization(file, pair)).keys()];
  const [readS] = await clocked(async () => {
    for (const name of adapted) await readWeight(pair.edge.weights[name]!);
  });
  const [mergeS, merged] = await clocked(async () => merge(pair, await readSpecialization(file, pair)));
  const [compileS, decoder] = await clocked(() => createDecoder(merged, { threads, capacity }));
  const tokenMs = await perToken(decoder);
  await decoder.close();
  return { readS, mergeS, compileS, readyS: mergeS + compileS, tokenMs };
}

/** Base weights and sums held in memory: the least that merging anew could take, were there a session that reads the sums. */
async function bufferRounds(): Promise<() => Promise<Answer>> {
  const held = new Map<string, { readonly base: Tensor; readonly merged: Tensor }>();
  for (const [name, { inputs, outputs }] of assembleLora(pair, await readSpecialization(files[0]!, pair))) {
    const base = floatTensor([outputs, inputs], await readWeight(pair.edge.weights[name]!));
    held.set(name, { base, merged: zeros("f32", [outputs, inputs]) });
  }
  const w = input("w", ["outputs", "inputs"]);
  const change = matmul(input("b", ["rank", "outputs"]), input("a", ["rank", "inputs"]), { transA: true });
  const session = await compile({ outputs: { merged: add(w, change) } }, { threads });
  return async () => {
    const [mergeS] = await clocked(async () => {
      const adapter = assembleLora(pair, await readSpecialization(nextFile(), pair));
      for (const [name, { rank, inputs, outputs, a, b }] of adapter) {
        const { base, merged } = held.get(name)!;
        const feeds = { w: base, a: floatTensor([rank, inputs], a), b: floatTensor([rank, outputs], b) };
        await session.run(feeds, { merged });
      }
    });
    return { mergeS };
  };
}

async function swapRounds(): Promise<() => Promise<Answer>> {
  const decoder = await createSwappableDecoder(pair, { threads, capacity });
  return async () => {
    const file = nextFile();
    const [readyS] = await clocked(async () => decoder.swap(await readSpecialization(file, pair)));
    const [tokenS] = await clocked(() => decoder.generate(prompt, { maxTokens: 1, stopIds: [] }));
    return { readyS, firstTokenS: readyS + tokenS, tokenMs: await perToken(decoder) };
  };
}

const ways: Readonly<Record<string, () => Promise<() => Promise<Answer>>>> = {
  merge: async () => mergeRound,
  buffers: bufferRounds,
  swap: swapRounds,
};
const round = await ways[way!]!();
await serve({}, { round, memory: () => ({ peakMb: peakResidentMb() ?? null }) });
