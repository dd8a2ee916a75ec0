/** @file Answers of a model in training, sampled by its own decoder, and what a scorer makes of them. */
import { AppError } from "../base/errors.ts";
import type { Rng } from "../base/rng.ts";
import type { Sample } from "../data/task.ts";
import { createDecoder, type Decoder } from "../decode/decoder.ts";
import { scorers } from "../eval/scorers/table.ts";
import { input } from "../graph/build.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { wrapLinear } from "../nn/parts.ts";
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
  "json-equal",
  "function-name",
  "function-call",
  "set-overlap",
  "regex",
] as const;
export type RewardName = (typeof rewardNames)[number];

/** A question as the model reads it. */
export type Question = { readonly ids: readonly number[]; readonly sample: Sample };

export type Sampled = { readonly ids: readonly number[]; readonly reward: number };

export type RolloutOptions = {
  readonly answers: number;
  readonly temperature: number;
  readonly maxTokens: number;
  readonly scorer: RewardName;
};

/** Owns a session: close it. */
export type Policy = {
  /** Answers of the model at a state: for each question as many as asked, each with its stop token and its reward from −1 to 1. */
  sample(
    state: Readonly<TrainingState>,
    questions: readonly Question[],
    options: RolloutOptions & { readonly rng: Rng },
  ): Promise<Sampled[][]>;
  close(): Promise<void>;
};

/** Compiled when it is first asked. What is trained is fed with every step, so that one session serves all of a run. */
export function createPolicy(
  model: FrozenModel,
  adaptation: Adaptation,
  weights: Readonly<Record<string, WeightSource>>,
  tokenizer: Tokenizer,
  threads: number,
): Policy {
  const shapes = [...adaptation.parameters].map(([name, { shape }]) => [name, shape] as const);
  const feeds = Object.fromEntries(shapes.map(([name, shape]) => [stepNames.parameter(name), zeros("f32", shape)]));
  const nodes = Object.fromEntries(shapes.map(([name, shape]) => [name, input(stepNames.parameter(name), shape)]));
  const open = () =>
    createDecoder(model, {
      threads,
      change: { wrap: (parts) => wrapLinear(parts, adaptation.adapt(nodes)), weights, feeds },
    });
  let decoder: Promise<Decoder> | undefined;
  return {
    async sample(state, questions, { answers, temperature, maxTokens, scorer, rng }) {
      for (const [name, { data }] of Object.entries(feeds)) data.set(state[name]!.data);
      decoder ??= open();
      const asked = await decoder;
      const all: Sampled[][] = [];
      for (const [place, { ids, sample }] of questions.entries()) {
        const sampled: Sampled[] = [];
        for (let i = 0; i < answers; i++) {
          const said = await asked.generate(ids, {
            temperature,
            maxTokens,
            tokenizer,
            rng: rng.split(`answer-${place}-${i}`),
            reusePrefix: i > 0, // what the cache holds of another state is not true any more
          });
          // The token that stopped it is part of what was decided; which of several it was does not matter to a model that has one.
          const stop = said.finish === "stop" ? model.config.eosIds.slice(0, 1) : [];
          sampled.push({ ids: [...said.ids, ...stop], reward: rewardOf(scorer, sample, said.text!, said.finish) });
        }
        all.push(sampled);
      }
      return all;
    },
    close: async () => (await decoder)?.close(),
  };
}

function rewardOf(name: RewardName, { target }: Sample, answer: string, finish: string): number {
  const { score } = scorers[name].score({ target, answer, finish: finish === "stop" ? "stop" : "length" });
  return toReward(score, () => `scorer ${name}, where ${JSON.stringify(target.slice(0, 60))} is right`);
}

/** 1 where an answer is right, −1 where it is wrong, between where it is partly so. Throws E_NAN saying which. */
export function toReward(score: number, what: () => string): number {
  if (!Number.isFinite(score)) throw new AppError("E_NAN", `reward: expected a number, found ${score}: ${what()}`);
  return 2 * score - 1;
}
