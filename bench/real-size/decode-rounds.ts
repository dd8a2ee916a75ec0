/** @file Reading a prompt and decoding, in rounds: one program alone, or two beside each other. */
import { setTimeout } from "node:timers/promises";
import { type BenchOptions, median, medianInterval, pairedRatios } from "../support/bench.ts";
import type { MemoryUse } from "../support/memory.ts";
import { type Answer, numberOf, type Worker } from "../support/worker.ts";
import type { DecodeTask } from "./decode-task.ts";
import { memoryValues } from "./memory.ts";
import type { Measured } from "./rows.ts";

/** A program that decodes. */
export type Program = {
  /** Before the names of its values. */
  readonly prefix: string;
  readonly start: () => Promise<Started>;
};

/** One that has its model in memory and answers `prefill` and `decode`. */
type Started = {
  readonly worker: Pick<Worker, "ask" | "close">;
  readonly loadMs: number;
  readonly memory: () => Promise<Answer> | MemoryUse;
  readonly about: Measured["about"];
};

type Lengths = Pick<DecodeTask, "promptTokens" | "newTokens">;
type Rounds = Pick<BenchOptions, "repetitions" | "warmUp" | "log"> & {
  /** Before each step. */
  readonly rest?: () => Promise<void>;
};

const steps = ["prefill", "decode"] as const;
/** Threads of the program that ran before go on spinning for a while in case that more work comes. */
const restMs = 200;

/**
 * What loading, reading a prompt and decoding take: milliseconds of every round, and the rates of the median round. Beside a peer also the
 * ratio of tokens/s: in turn its median over rounds, with the interval of that median where there are rounds enough; else of the medians.
 * @param peer undefined: ours alone
 * @param inTurn whether both are loaded at once and take turns; else all rounds of one come before those of the other
 */
export async function decodeRounds(
  ours: Program,
  peer: Program | undefined,
  inTurn: boolean,
  lengths: Lengths,
  rounds: Rounds,
): Promise<Required<Measured>> {
  if (peer === undefined) return decodeTogether([ours], lengths, rounds);
  const found = { values: {} as Record<string, number>, about: {}, raw: {} as Record<string, readonly number[]> };
  for (const group of inTurn ? [[ours, peer]] : [[ours], [peer]]) {
    const { values, about, raw } = await decodeTogether(group, lengths, rounds);
    Object.assign(found.values, values);
    Object.assign(found.about, about);
    Object.assign(found.raw, raw);
  }
  for (const step of steps) {
    const [ourMs, theirMs] = [ours, peer].map(({ prefix }) => found.raw[`${prefix}${step} ms`]!) as [
      number[],
      number[],
    ];
    const name = `${step}, ours / ${peer.prefix.trim()}`;
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
  { promptTokens, newTokens }: Lengths,
  { repetitions, warmUp, log, rest = () => setTimeout(restMs) }: Rounds,
): Promise<Required<Measured>> {
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
          await rest();
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
