/** @file What the training benchmarks share: our steps, the machine's best matrix product and the peer's steps in turn. */
import { fileURLToPath } from "node:url";
import { AppError } from "../../src/base/errors.ts";
import {
  atLeast,
  atMost,
  type BenchOptions,
  type BenchResult,
  interleave,
  median,
  medians,
  pairedRatio,
} from "./bench.ts";
import type { FrozenWeights } from "./expert-training.ts";
import type { Work } from "./flops.ts";
import { startPeer } from "./peer.ts";
import type { Problem } from "./problem.ts";
import { type Answer, numberOf, startScript, type Worker } from "./worker.ts";

const trainWorker = fileURLToPath(new URL("./train-worker.ts", import.meta.url));

export type TrainingRun = {
  /** Stands before the names of what was measured. */
  readonly label: string;
  readonly problem: Problem;
  readonly work: Work;
  readonly frozen: FrozenWeights;
  /** The share of the best product rate to reach. */
  readonly shareLimit: number;
  readonly peakLimitMb?: number;
  /** The peer's script in `bench/peers`. */
  readonly peerScript: string;
};

/** Measures one way of training, in processes of its own. */
export async function runTraining(run: TrainingRun, options: BenchOptions): Promise<BenchResult> {
  const { label, problem, work } = run;
  options.log(`${label}: ${work.gigaFlops.toFixed(1)} GFLOP a step = ${work.formula}`);
  const measured = await measure(run, options);
  const { ours, products, peer } = measured;
  if (peer !== undefined) requireSame(label, { loss: 0.01 }, ours.steps, peer.steps);
  const rates = series(products, (size) => `${label} product ${size} GFLOP/s`);
  const raw: Record<string, readonly number[]> = {
    ...stepSeries(label, ours),
    ...rates,
    ...(peer === undefined ? {} : stepSeries(`${label} PyTorch`, peer)),
  };
  const stepMs = raw[`${label} step ms`]!;
  const rate = work.gigaFlops / (median(stepMs) / 1000);
  const best = Math.max(...Object.values(rates).map(median));
  const share = rate / best;
  const peerRatio = peer === undefined ? undefined : pairedRatio(raw[`${label} PyTorch step ms`]!, stepMs);
  return {
    configuration: {
      [label]: {
        ...problem.config,
        ...(problem.experts === undefined ? {} : { experts: problem.experts, frozenWeights: run.frozen }),
        rows: problem.rows,
        time: problem.time,
        formula: work.formula,
        gigaFlopsPerStep: work.gigaFlops,
        graphProductGigaFlops: measured.graphGigaFlops,
        ...(peer === undefined ? {} : { peer: peer.description }),
      },
    },
    raw,
    medians: {
      ...medians(raw),
      [`${label} GFLOP/s`]: rate,
      [`${label} best product GFLOP/s`]: best,
      ...(ours.peakMb === undefined ? {} : { [`${label} peak resident MB`]: ours.peakMb }),
      ...(peer?.peakMb === undefined ? {} : { [`${label} PyTorch peak resident MB`]: peer.peakMb }),
    },
    ratios: {
      [`${label} share of the best product`]: share,
      ...(peerRatio === undefined ? {} : { [`${label} PyTorch time / ours`]: peerRatio }),
    },
    checks: [
      atLeast(`${label}: share of the best matrix product`, share, run.shareLimit),
      ...(peerRatio === undefined ? [] : [atLeast(`${label}: PyTorch's time over ours`, peerRatio, 1)]),
      ...(ours.peakMb === undefined || run.peakLimitMb === undefined
        ? []
        : [atMost(`${label}: peak resident memory, MB`, ours.peakMb, run.peakLimitMb)]),
    ],
  };
}

/** What a program answered, one entry a step, and the most it held. */
type Stepped = { readonly steps: readonly Answer[]; readonly peakMb: number | undefined };

type Measured = {
  readonly ours: Stepped;
  /** Matrix products between our steps, in the same process. */
  readonly products: readonly Answer[];
  readonly graphGigaFlops: Answer[string] | undefined;
  readonly peer: (Stepped & { readonly description: unknown }) | undefined;
};

/** Our steps, products and the peer's steps in turn, in two processes that live as long as this call. */
async function measure(run: TrainingRun, options: BenchOptions): Promise<Measured> {
  const { label, problem } = run;
  const ours = await startScript(trainWorker, [JSON.stringify(problem), String(options.threads), run.frozen]);
  await using worker = ours.worker;
  const theirs = options.peer !== "none" ? await startPeer(run.peerScript, "PyTorch", problem, options) : undefined;
  await using peer = theirs?.worker;
  const step = async (who: string, subject: Worker): Promise<Answer> => {
    const answer = await subject.ask("step");
    options.log(
      `${label} ${who}: ${numberOf(answer, "ms").toFixed(0)} ms, loss ${numberOf(answer, "loss").toFixed(4)}`,
    );
    return answer;
  };
  const subjects: Record<string, () => Promise<Answer>> = {
    step: () => step("ours", worker),
    products: () => worker.ask("products"),
    ...(peer === undefined ? {} : { peer: () => step("PyTorch", peer) }),
  };
  const answers = await interleave(subjects, options);
  return {
    ours: { steps: answers["step"]!, peakMb: await peakMbOf(worker) },
    products: answers["products"]!,
    graphGigaFlops: ours.ready["graphGigaFlops"],
    peer:
      theirs === undefined || peer === undefined
        ? undefined
        : { steps: answers["peer"]!, peakMb: await peakMbOf(peer), description: theirs.description },
  };
}

/** Undefined where the system does not say. */
async function peakMbOf(worker: Worker): Promise<number | undefined> {
  const { peakMb } = await worker.ask("memory");
  return typeof peakMb === "number" ? peakMb : undefined;
}

const stepSeries = (label: string, { steps }: Stepped): Record<string, number[]> => ({
  [`${label} step ms`]: steps.map((answer) => numberOf(answer, "ms")),
  [`${label} loss`]: steps.map((answer) => numberOf(answer, "loss")),
});

/** Answers of equal keys as one series per key. */
const series = (answers: readonly Answer[], name: (key: string) => string): Record<string, number[]> =>
  Object.fromEntries(
    Object.keys(answers[0]!).map((key) => [name(key), answers.map((answer) => numberOf(answer, key))]),
  );

/**
 * Step by step, both programs must have found the same numbers, each within its share of the peer's.
 * @throws E_RUNTIME naming the first that differs
 */
export function requireSame(
  label: string,
  tolerances: Readonly<Record<string, number>>,
  ours: readonly Answer[],
  theirs: readonly Answer[],
): void {
  for (const [name, tolerance] of Object.entries(tolerances))
    ours.forEach((answer, i) => {
      const [a, b] = [numberOf(answer, name), numberOf(theirs[i]!, name)];
      if (!(Math.abs(a - b) <= tolerance * Math.abs(b)))
        throw new AppError("E_RUNTIME", `${label}: expected equal ${name}, found ${a} (ours) and ${b} (PyTorch)`);
    });
}
