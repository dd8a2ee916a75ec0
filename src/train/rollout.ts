/** @file Answers of a model in training, sampled by its own decoder, and what a scorer makes of them. */
import { AppError } from "../base/errors.ts";
import type { Rng } from "../base/rng.ts";
import type { Sample } from "../data/task.ts";
import { createBatchModel } from "../decode/batch-model.ts";
import { type Batcher, createBatcher } from "../decode/batcher.ts";
import { generate } from "../decode/generate.ts";
import type { RunCode } from "../eval/run-code.ts";
import { scoreLine } from "../eval/scorers/table.ts";
import { input } from "../graph/build.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { type Parts, wrapLinear } from "../nn/parts.ts";
import type { WeightSource } from "../runtime/session.ts";
import { zeros } from "../runtime/tensor.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";
import type { Adaptation } from "./adapted-step.ts";
import type { TrainingState } from "./state.ts";
import { stepNames } from "./step.ts";

/** Scorers that reward: those that look at a written answer, and run nothing. */
export const rewardNames = [
  "exact",
  "normalized",
  "first-number",
  "first-word",
  "last-number",
  "math-answer",
  "json-equal",
  "function-name",
  "function-call",
  "set-overlap",
  "regex",
] as const;
export type RewardName = (typeof rewardNames)[number];

/** What a training may be rewarded by besides: the last one runs what the model wrote, where the user allows it. */
export const trainingRewardNames = [...rewardNames, "code-run"] as const;
type TrainingRewardName = (typeof trainingRewardNames)[number];

/** A question as the model reads it. */
export type Question = { readonly ids: readonly number[]; readonly sample: Sample };

export type Sampled = { readonly ids: readonly number[]; readonly reward: number };

export type RolloutOptions = {
  readonly answers: number;
  readonly temperature: number;
  readonly maxTokens: number;
  readonly scorer: TrainingRewardName;
};

/** Owns a session: close it. */
export type Policy = {
  /**
   * Answers of the model at a state: for each question as many as asked, each with its stop token and its reward from −1 to 1. Many are
   * sampled at once, each from its own stream: what it says does not depend on the others.
   */
  sample(
    state: Readonly<TrainingState>,
    questions: readonly Question[],
    options: RolloutOptions & { readonly rng: Rng },
  ): Promise<Sampled[][]>;
  close(): Promise<void>;
};

/** Answers that are sampled at once. Each has a cache of its own, as long as its question and answer. */
const rolloutRows = 16;

/** Compiled when it is first asked. What is trained is fed with every step, so that one session serves all of a run. */
export function createPolicy(
  model: FrozenModel,
  adaptation: Adaptation,
  weights: Readonly<Record<string, WeightSource>>,
  tokenizer: Tokenizer,
  { threads, runCode }: { readonly threads: number; readonly runCode?: RunCode | undefined },
): Policy {
  const { vocab, eosIds, context: capacity } = model.config;
  const shapes = [...adaptation.parameters].map(([name, { shape }]) => [name, shape] as const);
  const feeds = Object.fromEntries(shapes.map(([name, shape]) => [stepNames.parameter(name), zeros("f32", shape)]));
  const nodes = Object.fromEntries(shapes.map(([name, shape]) => [name, input(stepNames.parameter(name), shape)]));
  const wrap = (parts: Parts) => wrapLinear(parts, adaptation.adapt(nodes));
  const gating = { change: { wrap, weights }, feeds: () => feeds, shape: [0, 0] } as const;
  const open = async () =>
    createBatcher(await createBatchModel(model, { slots: rolloutRows, gating, threads }), {
      slots: rolloutRows,
      capacity,
      vocab,
    });
  const defaults = { vocab, eosIds, reusePrefix: false, now: () => performance.now() };
  const rewardOf = createRewards(runCode && oneByOne(runCode));
  let opened: Promise<Batcher> | undefined;

  async function answer({ ids, sample }: Question, { maxTokens, scorer, ...options }: Asking): Promise<Sampled> {
    const sequence = (await opened!).start({ gates: new Float32Array(), positions: ids.length + maxTokens });
    try {
      const chosen: number[] = []; // the token that stopped it is part of what was decided
      const onToken = ({ id }: { readonly id: number }) => void chosen.push(id);
      const said = await generate(sequence, ids, defaults, { ...options, maxTokens, tokenizer, onToken });
      return { ids: chosen, reward: await rewardOf(scorer, sample, said.text!, said.finish) };
    } finally {
      sequence.close();
    }
  }

  return {
    async sample(state, questions, { answers, rng, ...options }) {
      for (const [name, { data }] of Object.entries(feeds)) data.set(state[name]!.data);
      opened ??= open();
      await opened;
      const all: Sampled[][] = questions.map(() => []);
      const wanted = questions.flatMap((_, place) => Array.from({ length: answers }, (_, i) => ({ place, i })));
      const work = async () => {
        for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
          const { place, i } = next;
          all[place]![i] = await answer(questions[place]!, { ...options, rng: rng.split(`answer-${place}-${i}`) });
        }
      };
      const ends = await Promise.allSettled(Array.from({ length: rolloutRows }, work));
      const failed = ends.find((end) => end.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      return all;
    },
    close: async () => (await opened)?.close(),
  };
}

type Asking = Omit<RolloutOptions, "answers"> & { readonly rng: Rng };

type Rewards = (name: TrainingRewardName, sample: Sample, answer: string, finish: string) => Promise<number>;

const createRewards =
  (runCode: RunCode | undefined): Rewards =>
  async (name, { target }, answer, finish) => {
    const line = { target, answer, finish: finish === "stop" ? "stop" : "length" } as const;
    const { scores } = await scoreLine(line, [name], runCode);
    return toReward(scores[name]!.score, () => `scorer ${name}, where ${JSON.stringify(target.slice(0, 60))} is right`);
  };

/** Answers end together, and a program that waits for others' processors would miss its deadline. */
function oneByOne(runCode: RunCode): RunCode {
  let last: Promise<unknown> = Promise.resolve();
  return (program) => {
    const own = last.then(() => runCode(program));
    last = own.catch(() => undefined);
    return own;
  };
}

/** 1 where an answer is right, −1 where it is wrong, between where it is partly so. Throws E_NAN saying which. */
export function toReward(score: number, what: () => string): number {
  if (!Number.isFinite(score)) throw new AppError("E_NAN", `reward: expected a number, found ${score}: ${what()}`);
  return 2 * score - 1;
}
