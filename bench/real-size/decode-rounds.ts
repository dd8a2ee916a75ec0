/** @file Reading a prompt and decoding, in rounds: ours alone, or beside llama.cpp. */
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type BenchOptions, median, medianInterval, pairedRatios } from "../support/bench.ts";
import { type MemoryUse, watchMemory } from "../support/memory.ts";
import { startPeer } from "../support/peer.ts";
import { type Answer, numberOf, startScript, type Worker } from "../support/worker.ts";
import { type DecodeTask, promptIds } from "./decode-task.ts";
import { goFirst, memoryValues } from "./memory.ts";
import type { Measured } from "./rows.ts";

/** A process that has its model in memory and answers `prefill` and `decode`. */
type Started = {
  readonly worker: Worker;
  readonly loadMs: number;
  readonly memory: () => Promise<Answer> | MemoryUse;
  readonly about: Measured["about"];
};
type Program = { readonly prefix: string; readonly start: () => Promise<Started> };

const ourScript = fileURLToPath(new URL("./decode-worker.ts", import.meta.url));
const peerScript = "llama_cpp_decode.py";
const peerName = "llama.cpp";
const steps = ["prefill", "decode"] as const;
/** Threads of the program that ran before go on spinning for a while in case that more work comes. */
const restMs = 200;

/**
 * What loading, reading a prompt and decoding take: milliseconds of every round, and the rates of the median round. Beside a peer also the
 * ratio of tokens/s: in turn its median over rounds, with the interval of that median where there are rounds enough; else of the medians.
 * @param peer the same task for llama.cpp; undefined: ours alone
 * @param inTurn whether both are loaded at once and take turns; else all rounds of one come before those of the other
 */
export async function decodeRounds(
  task: DecodeTask,
  peer: DecodeTask | undefined,
  inTurn: boolean,
  options: BenchOptions,
): Promise<Required<Measured>> {
  const ours: Program = { prefix: "", start: () => startOurs(task) };
  if (peer === undefined) return decodeTogether([ours], task, options);
  const theirs: Program = { prefix: `${peerName} `, start: () => startPeerOn(peer, options) };
  const found = { values: {} as Record<string, number>, about: {}, raw: {} as Record<string, readonly number[]> };
  for (const group of inTurn ? [[ours, theirs]] : [[ours], [theirs]]) {
    const { values, about, raw } = await decodeTogether(group, task, options);
    Object.assign(found.values, values);
    Object.assign(found.about, about);
    Object.assign(found.raw, raw);
  }
  for (const step of steps) {
    const [ourMs, theirMs] = [found.raw[`${step} ms`]!, found.raw[`${peerName} ${step} ms`]!];
    const name = `${step}, ours / ${peerName}`;
    const ratios = pairedRatios(theirMs, ourMs);
    const interval = inTurn ? medianInterval(ratios) : undefined;
    found.values[name] = inTurn ? median(ratios) : median(theirMs) / median(ourMs);
    if (interval === undefined) continue;
    found.values[`${name}, low`] = interval.low;
    found.values[`${name}, high`] = interval.high;
  }
  return found;
}

/**
 * Programs that are loaded at the same time. In a round all of them read the prompt, then all of them decode, so that the same step of two
 * programs follows directly; the order changes from round to round.
 */
async function decodeTogether(
  programs: readonly Program[],
  { promptTokens, newTokens }: DecodeTask,
  options: BenchOptions,
): Promise<Required<Measured>> {
  const { warmUp, repetitions, log } = options;
  const values: Record<string, number> = {};
  const about: Record<string, Measured["about"][string]> = {};
  const raw = Object.fromEntries(
    programs.flatMap(({ prefix }) => steps.map((step) => [`${prefix}${step} ms`, [] as number[]])),
  );
  const started: (Program & Started)[] = [];
  try {
    for (const program of programs) started.push({ ...program, ...(await program.start()) });
    for (let round = 0; round < warmUp + repetitions; round++) {
      const said: string[] = [];
      for (const step of steps)
        for (const { prefix, worker } of round % 2 === 0 ? started : started.toReversed()) {
          await setTimeout(restMs);
          const ms = numberOf(await worker.ask(step), "ms");
          said.push(`${prefix}${step} ${(ms / 1000).toFixed(2)} s`);
          if (round >= warmUp) raw[`${prefix}${step} ms`]!.push(ms);
        }
      log(`  ${said.join(", ")}`);
    }
    for (const { prefix, loadMs, memory, about: own } of started) {
      const tokens = { prefill: promptTokens, decode: newTokens };
      values[`${prefix}load s`] = loadMs / 1000;
      for (const step of steps)
        values[`${prefix}${step} tokens/s`] = (1000 * tokens[step]) / median(raw[`${prefix}${step} ms`]!);
      Object.assign(values, memoryValues(await memory(), prefix));
      Object.assign(about, own);
    }
  } finally {
    for (const { worker } of started) await worker.close();
  }
  return { values, about, raw };
}

async function startOurs(task: DecodeTask): Promise<Started> {
  const { worker, ready } = await startScript(ourScript, [JSON.stringify(task)]);
  const loadMs = numberOf(ready, "openMs") + numberOf(ready, "compileMs");
  return { worker, loadMs, memory: () => worker.ask("memory"), about: {} };
}

/** llama.cpp, watched from here from before it opens its file. */
async function startPeerOn(task: DecodeTask, options: BenchOptions): Promise<Started> {
  const { worker, description } = await startPeer(peerScript, { ...task, prompt: promptIds(task) }, options);
  goFirst(worker.pid);
  const memory = watchMemory(worker.pid);
  const loadMs = numberOf(await worker.ask("open"), "ms");
  return { worker, loadMs, memory, about: { peer: description } };
}
