/** @file Measuring a whole training step of a generator over two full-size models, in fp32 beside PyTorch. */
import { fileURLToPath } from "node:url";
import { type BenchOptions, interleave, median, pairedRatio } from "../support/bench.ts";
import { type GeneratorBatch, type GeneratorProblem, generatorProblem } from "../support/generator-problem.ts";
import { startPeer } from "../support/peer.ts";
import { requireSame } from "../support/training-run.ts";
import { type Answer, numberOf, startScript } from "../support/worker.ts";
import { memoryValues } from "./memory.ts";
import type { Measured } from "./rows.ts";

const worker = fileURLToPath(new URL("./generator-worker.ts", import.meta.url));
const peerScript = "train_generator.py";
/**
 * How far apart the numbers of both programs may be. The balance loss depends on the gates alone, the norm on every gradient: random
 * answers have about the same loss whatever the gates are.
 */
const tolerances = { loss: 1e-3, balanceLoss: 1e-2, gradientNorm: 1e-2 } as const;

export type GeneratorStep = {
  /** Stands in the name of the cached inputs. */
  readonly name: string;
  readonly models: Parameters<typeof generatorProblem>[1];
  readonly batch: GeneratorBatch;
  /** Whether PyTorch takes the same steps in turn: both models are Llama's architecture, in one file of fp32 each. */
  readonly beside: boolean;
};

/** Steps in a process of its own, in turn with PyTorch's where that is asked for. */
export async function measureGeneratorStep(step: GeneratorStep, options: BenchOptions): Promise<Measured> {
  const { name, models, batch, beside } = step;
  const problem = await generatorProblem(name, models, batch);
  const started = await startScript(worker, [JSON.stringify(problem), String(options.threads)]);
  await using ours = started.worker;
  const theirs =
    beside && options.peer !== "none" ? await startPeer(peerScript, "PyTorch", problem, options) : undefined;
  await using peer = theirs?.worker;
  const ask = async (who: string, subject: typeof ours): Promise<Answer> => {
    const answer = await subject.ask("step");
    const shown = Object.keys(tolerances).map((key) => `${key} ${numberOf(answer, key).toFixed(5)}`);
    options.log(`  ${who} ${(numberOf(answer, "ms") / 1000).toFixed(1)} s, ${shown.join(", ")}`);
    return answer;
  };
  const rounds = await interleave<string, Answer>(
    { ours: () => ask("ours", ours), ...(peer === undefined ? {} : { peer: () => ask("PyTorch", peer) }) },
    options,
  );
  const times = milliseconds(rounds["ours"]!);
  const memory = await ours.ask("memory");
  const values: Record<string, number> = {
    "ready s": numberOf(started.ready, "readyMs") / 1000,
    "step s": median(times) / 1000,
    loss: numberOf(rounds["ours"]!.at(-1)!, "loss"),
    ...memoryValues(memory),
    "peak MB": numberOf(memory, "peakMb"),
  };
  if (theirs !== undefined && peer !== undefined) {
    requireSame(name, tolerances, rounds["ours"]!, rounds["peer"]!);
    const peerTimes = milliseconds(rounds["peer"]!);
    values["PyTorch step s"] = median(peerTimes) / 1000;
    values["PyTorch peak MB"] = numberOf(await peer.ask("memory"), "peakMb");
    values["PyTorch time / ours"] = pairedRatio(peerTimes, times);
  }
  const { repetitions, warmUp } = options;
  const peerOf = theirs === undefined ? {} : { peer: theirs.description };
  return { values, about: { ...about(problem, batch), repetitions, warmUp, ...peerOf } };
}

const milliseconds = (answers: readonly Answer[]): number[] => answers.map((answer) => numberOf(answer, "ms"));

const about = (
  { shape: { edge, generator }, recompute }: GeneratorProblem,
  batch: GeneratorBatch,
): Measured["about"] => ({
  ...batch,
  recompute,
  dropout: 0,
  metaTokens: edge.layers,
  experts: generator.experts,
  rank: generator.rank,
});
