/**
 * @file `swap`: from a gate file to an edge model that is ready, by merging anew and by swapping gates; and what unmerged experts cost per token.
 *
 * Every way is measured in a process of its own, so that none pays for the memory of another.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRng } from "../src/base/rng.ts";
import { loadPair, type Pair } from "../src/pair/pair-file.ts";
import { writeSpecialization } from "../src/pair/specialization-file.ts";
import { writeBenchPair } from "./real-size/pair.ts";
import { realModel, specializedPair } from "./real-size/shapes.ts";
import { writeRandomModel } from "./real-size/weights.ts";
import { atMost, type Bench, type BenchOptions, median, medians } from "./support/bench.ts";
import { cacheFolder, llamaShape } from "./support/problem.ts";
import { randomSpecialization } from "./support/served-pair.ts";
import { type Answer, numberOf, startScript } from "./support/worker.ts";

/** From one gate file to another, the base held: seconds. */
const swapLimitSeconds = 0.5;
/** The cloud model only has to be there. */
const cloud = { hidden: 64, ffn: 128, layers: 1, heads: 2, kvHeads: 2, context: 256, tied: true } as const;
const worker = fileURLToPath(new URL("./real-size/swap-worker.ts", import.meta.url));
const gateFiles = 4;

async function writeGates(pair: Pair, seed: string): Promise<string> {
  const specialization = { ...randomSpecialization(pair, createRng(seed)), promptHmac: "0".repeat(64) };
  return (await writeSpecialization(join(pair.directory, `gates-${seed}`), specialization)).file;
}

async function preparePair({ quick, log }: BenchOptions) {
  const { config } = realModel(specializedPair.edge, { quick });
  const folder = join(cacheFolder, quick ? "swap-quick" : "swap");
  await mkdir(folder, { recursive: true });
  const parts = { edge: join(folder, "edge"), cloud: join(folder, "cloud") };
  await writeRandomModel(parts.edge, config, "swap", { dtype: "F32", shardBytes: Infinity, log });
  const cloudConfig = llamaShape({ ...cloud, vocab: config.vocab });
  await writeRandomModel(parts.cloud, cloudConfig, "swap cloud", { dtype: "F32" });
  const directory = join(folder, "pair");
  const shape = await writeBenchPair(
    directory,
    { directory: parts.cloud, config: cloudConfig },
    { directory: parts.edge, config },
  );
  const pair = await loadPair(directory);
  const files: string[] = [];
  for (let i = 0; i < gateFiles; i++) files.push(await writeGates(pair, String(i)));
  return { folder, directory, shape, files };
}

export const swap: Bench = {
  run: async (options) => {
    const { folder, directory, shape, files } = await preparePair(options);
    const rounds = options.warmUp + options.repetitions;
    async function measure(way: "merge" | "swap" | "buffers"): Promise<Answer[]> {
      const args = [way, directory, String(options.threads), ...files];
      const answers: Answer[] = [];
      const started = await startScript(worker, args);
      await using process = started.worker;
      for (let round = 0; round < rounds; round++) {
        const answer = await process.ask("round");
        options.log(`${way}: ${JSON.stringify(answer)}`);
        if (round >= options.warmUp) answers.push(answer);
      }
      answers.push(await process.ask("memory"));
      return answers;
    }
    const found: Record<string, Answer[]> = {};
    const peaks: Record<string, number> = {};
    for (const way of ["merge", "buffers", "swap"] as const) {
      const answers = await measure(way);
      peaks[`${way}: peak MB`] = numberOf(answers.pop()!, "peakMb");
      found[way] = answers;
    }
    if (!options.quick) await rm(folder, { recursive: true, force: true });
    const series = (way: string, name: string) => found[way]!.map((answer) => numberOf(answer, name));
    const raw = {
      "merge: gate file to ready s": series("merge", "readyS"),
      "merge: reading adapted weights s": series("merge", "readS"),
      "merge: reading and adding s": series("merge", "mergeS"),
      "merge: opening the session s": series("merge", "compileS"),
      "merge: decode ms per token": series("merge", "tokenMs"),
      "merge into buffers that are there s": series("buffers", "mergeS"),
      "swap: gate file to ready s": series("swap", "readyS"),
      "swap: gate file to first token s": series("swap", "firstTokenS"),
      "swap: decode ms per token": series("swap", "tokenMs"),
    };
    const middle = medians(raw);
    const swapped = middle["swap: gate file to ready s"]!;
    return {
      configuration: { edge: shape.edge, experts: shape.generator.experts, rank: shape.generator.rank },
      raw,
      medians: { ...middle, ...peaks },
      ratios: {
        "merge: share of reading weights": median(
          series("merge", "readS").map((read, i) => read / series("merge", "readyS")[i]!),
        ),
        "time per token, swapped / merged":
          middle["swap: decode ms per token"]! / middle["merge: decode ms per token"]!,
      },
      checks: [atMost("swap: gate file to ready, s", swapped, swapLimitSeconds)],
    };
  },
};
