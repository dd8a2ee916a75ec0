/**
 * @file A process that loads what an edge device holds for a way of answering, answers once, and prints its memory and times as JSON:
 * `edge-memory.ts TASK`, a task as JSON. Memory of a process is its peak: each way needs a process of its own.
 */
import { peakResidentMb } from "../../bench/support/memory.ts";
import { createDecoder } from "../../src/decode/decoder.ts";
import { openModel } from "../../src/models/model-file.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { readSpecialization } from "../../src/pair/specialization-file.ts";
import { createSpecializer } from "../../src/pair/specialize.ts";
import { specializedEdge } from "../../src/pair/specialized-edge.ts";
import { EdgeTask } from "./edge-task.ts";

type Ready = { readonly run: () => Promise<unknown>; readonly close: () => Promise<void> };

/** Everything up to the first token. */
const ready: { readonly [W in EdgeTask["way"]]: (task: EdgeTask) => Promise<Ready> } = {
  async edge({ model, tokens, maxTokens }) {
    const decoder = await createDecoder(await openModel(model, { keepBlocks: true }));
    return { run: () => decoder.generate(tokens, { maxTokens }), close: () => decoder.close() };
  },
  async specialised({ pair: folder, specialization, tokens, maxTokens }) {
    const pair = await loadPair(folder, { readKnown: false });
    const decoder = await createDecoder(await specializedEdge(pair, await readSpecialization(specialization, pair)));
    return { run: () => decoder.generate(tokens, { maxTokens }), close: () => decoder.close() };
  },
  async cloud({ pair: folder, prompt }) {
    const specializer = await createSpecializer(await loadPair(folder, { readKnown: false }));
    return { run: () => specializer.specialize(prompt), close: () => specializer.close() };
  },
};

const task = EdgeTask.parse(JSON.parse(process.argv[2]!));
const from = performance.now();
const { run, close } = await ready[task.way](task);
const loaded = performance.now();
await run();
const answered = performance.now();
await close();
const peakMb = peakResidentMb() ?? (process.resourceUsage().maxRSS * 1024) / 1e6;
process.stdout.write(JSON.stringify({ peakMb, loadMs: loaded - from, answerMs: answered - loaded }));
