/**
 * @file A specialisation from labelled examples: gates over a pair's pool of experts, searched for without gradients or learnt with them, from
 * the predicted gates on. What is kept is chosen by examples that were set aside.
 */
import { AppError } from "../base/errors.ts";
import { float16ToFloat32, float32ToFloat16 } from "../base/half.ts";
import { requireRunning } from "../base/interrupt.ts";
import { createRng } from "../base/rng.ts";
import { frozenSources } from "../models/frozen-model.ts";
import { poolSources, requirePool, steeredGates } from "../pair/gated-edge.ts";
import { maxGate } from "../pair/packed-gates.ts";
import type { EdgePair } from "../pair/pair.ts";
import { requireSamePair, type Specialization } from "../pair/specialization.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { type Example, encodeInput, encodeTarget } from "../text/prompt.ts";
import { frozenPrefix } from "../train/adapted-step.ts";
import { type Row, requireContext } from "../train/batch.ts";
import { gatesFeeds, gatesName, gatesSpec } from "../train/gates-step.ts";
import { parametersOf } from "../train/state.ts";
import { stepNames } from "../train/step.ts";
import { createTrainer } from "../train/trainer.ts";
import { searchShots } from "./shot-search.ts";
import { createShotScorer, type ShotScore, type ShotScorer, type Shots, shotReward } from "./shots.ts";

export const gateWays = ["searched", "learnt"] as const;
export type GateWay = (typeof gateWays)[number];

export type FromExamplesOptions = Pick<CompileOptions, "threads" | "device"> & {
  readonly way?: GateWay;
  readonly scorer?: Shots["scorer"];
  /** A closed list of answers, chosen by likelihood. */
  readonly labels?: readonly string[];
  /** Of a search: a change of gates for each layer by itself; else one for all layers. */
  readonly perLayer?: boolean;
  readonly generations?: number;
  readonly population?: number;
  /** Of learning. */
  readonly steps?: number;
  readonly learningRate?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onState?: (state: TriedGates) => void;
};

/** Gates that were tried on the examples set aside. */
export type TriedGates = {
  /** The generation or step after which they stood; 0: the predicted ones. */
  readonly at: number;
  /** On the examples set aside. */
  readonly heldOut: ShotScore;
};

export type FromExamples = {
  readonly specialization: Specialization;
  readonly way: GateWay;
  readonly fitted: number;
  readonly heldOut: number;
  /** Which of the tried ones was kept: the first of the best. */
  readonly kept: TriedGates;
  readonly tried: readonly TriedGates[];
  /** Times that a set of examples was asked, and steps of learning. */
  readonly evaluations: number;
  readonly steps: number;
  readonly ms: number;
};

export const fromExamplesDefaults = {
  way: "searched",
  scorer: "exact",
  perLayer: false,
  generations: 10,
  population: 32,
  steps: 60,
  learningRate: 0.03,
  seed: 1,
} as const satisfies FromExamplesOptions;

/** Share of the examples that is set aside, at least one. */
const heldOutShare = 0.25;
/** How far the first candidates of a search scatter around the predicted gates, which are about 1/K. */
const firstDeviation = 0.3;
/** States of a training that are tried on the examples set aside. */
const triedStates = 10;
/** Rows of a training step at most. */
const batchRows = 16;
const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };

/** Examples to fit gates to, and those that are set aside. Throws E_DATA for fewer than two. */
export function splitExamples(
  examples: readonly Example[],
  seed: number = fromExamplesDefaults.seed,
): { readonly fit: readonly Example[]; readonly heldOut: readonly Example[] } {
  if (examples.length < 2)
    throw new AppError(
      "E_DATA",
      `examples: expected at least 2, one to fit and one to choose by, found ${examples.length}`,
    );
  const order = createRng(`examples ${seed}`).shuffle([...examples]);
  const aside = Math.max(1, Math.round(heldOutShare * order.length));
  return { fit: order.slice(aside), heldOut: order.slice(0, aside) };
}

/**
 * @param start what a prompt predicts: the first state, which is kept where nothing is better on the examples set aside
 * @throws E_CONFIG for a pair without a pool; E_MISMATCH for a start of another pair; E_DATA where candidates all score alike; E_LIMIT,
 * E_NAN, E_INTERRUPTED
 */
export async function specializeFromExamples(
  pair: EdgePair,
  start: Specialization,
  { fit, heldOut }: ReturnType<typeof splitExamples>,
  options: FromExamplesOptions = {},
): Promise<FromExamples> {
  const from = performance.now();
  requirePool(pair);
  requireSamePair("start", start, pair);
  const settings = { threads: 0, device: "cpu" as const, ...fromExamplesDefaults, ...options };
  const { scorer, labels, way, onState } = settings;
  const { change, steer } = steeredGates(pair);
  const edge = { model: pair.edge, tokenizer: pair.tokenizer, layout: pair.layout, change };
  await using onFit = createShotScorer(edge, { examples: fit, scorer, labels }, settings);
  await using onHeldOut = createShotScorer(edge, { examples: heldOut, scorer, labels }, settings);
  let evaluations = 0;
  const scoreOf = (by: ShotScorer) => async (gates: Float32Array) => {
    steer(gates);
    evaluations++;
    return by.score(settings.signal);
  };
  const tried: (TriedGates & { readonly gates: Float32Array })[] = [];
  const tryOut: TryOut = async (at, gates) => {
    const state = { at, heldOut: await scoreOf(onHeldOut)(gates) };
    tried.push({ ...state, gates });
    onState?.(state);
  };
  const predicted = asStored(start.gates.flat());
  await tryOut(0, predicted);
  const steps = await ways[way](pair, predicted, { fit, score: scoreOf(onFit), tryOut }, settings);
  requireRunning(settings.signal);
  const reward = ({ heldOut: score }: TriedGates) => shotReward(score, heldOut.length);
  const best = tried.reduce((kept, state) => (reward(state) > reward(kept) ? state : kept));
  const told = tried.map(({ gates: _, ...state }) => state);
  return {
    specialization:
      best.at === 0 ? start : withGates(start, best.gates, { way, examples: fit.length + heldOut.length }),
    way,
    fitted: fit.length,
    heldOut: heldOut.length,
    kept: told[tried.indexOf(best)]!,
    tried: told,
    evaluations,
    steps,
    ms: performance.now() - from,
  };
}

/** Gates as a file holds them, in fp16: what is scored is what is written. */
const asStored = (gates: ArrayLike<number>): Float32Array =>
  float16ToFloat32(float32ToFloat16(Float32Array.from(gates, (gate) => Math.min(maxGate, Math.max(-maxGate, gate)))));

/** What the start says of its prompt's gates, that the prompt is unlike the training's, is no word on gates that were found. */
function withGates(
  { unlike: _, ...start }: Specialization,
  gates: Float32Array,
  found: NonNullable<Specialization["found"]>,
): Specialization {
  const rows = start.gates.map((row, layer) => [...gates.subarray(layer * row.length, (layer + 1) * row.length)]);
  const topK = Math.max(1, ...rows.map((row) => row.filter((gate) => gate !== 0).length));
  return { ...start, gates: rows, topK, found };
}

type TryOut = (at: number, gates: Float32Array) => Promise<void>;
type Work = {
  readonly fit: readonly Example[];
  readonly score: (gates: Float32Array) => Promise<ShotScore>;
  readonly tryOut: TryOut;
};
type Settings = Required<Omit<FromExamplesOptions, "signal" | "onState" | "labels">> &
  Pick<FromExamplesOptions, "signal">;

/** How gates are found; each returns its steps of learning. */
const ways: {
  readonly [W in GateWay]: (pair: EdgePair, start: Float32Array, work: Work, settings: Settings) => Promise<number>;
} = {
  async searched(pair, start, { fit, score, tryOut }, { perLayer, generations, population, seed, signal }) {
    const numbers = perLayer ? start.length : start.length / pair.shape.edge.layers;
    const moved = (offset: readonly number[]) => asStored(start.map((gate, i) => gate + offset[i % numbers]!));
    const zeros = new Array<number>(numbers).fill(0);
    await searchShots(
      {
        start: { mean: zeros, deviation: zeros.map(() => firstDeviation) },
        keepsBest: true,
        population,
        generations,
        seed,
        examples: fit.length,
        score: (offset) => score(moved(offset)),
        what: { candidates: "gates", parts: "experts" },
      },
      {
        signal,
        async onGeneration({ generation }, best) {
          if (best.generation === generation) await tryOut(generation + 1, moved(best.candidate));
        },
      },
    );
    return 0;
  },
  async learnt(pair, start, { fit, tryOut }, { steps, learningRate, seed, threads, device, signal }) {
    const { edge, shape, tokenizer, layout } = pair;
    const rows = fit.map(({ input, target }): Row => {
      const question = encodeInput(tokenizer, layout, input);
      const ids = [...question, ...encodeTarget(tokenizer, layout, target)];
      return { ids, answers: [[question.length, ids.length]] };
    });
    requireContext(rows, edge.config.context);
    const weights = { ...frozenSources(edge, frozenPrefix), ...poolSources(pair, frozenPrefix) };
    const width = start.length / shape.edge.layers;
    const state = { [stepNames.parameter(gatesName)]: floatTensor([shape.edge.layers, width], start.slice()) };
    await using trainer = await createTrainer(gatesSpec(edge, shape, adam), { weights, state, threads, device });
    const rng = createRng(`gates ${seed}`);
    const every = Math.max(1, Math.floor(steps / triedStates));
    for (let step = 1; step <= steps; step++) {
      requireRunning(signal);
      const batch =
        rows.length <= batchRows
          ? rows
          : rng
              .split(`step ${step}`)
              .shuffle([...rows])
              .slice(0, batchRows);
      await trainer.step([gatesFeeds(batch, tokenizer.padId)], learningRate);
      if (step % every === 0 || step === steps)
        await tryOut(step, asStored(parametersOf(trainer.state()).get(gatesName)!));
    }
    return steps;
  },
};
