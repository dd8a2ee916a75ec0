/** @file Learning by rewards: REINFORCE with a baseline, and a KL divergence to the model before (Transformer² eq. 1). */
import { AppError } from "../base/errors.ts";
import {
  add,
  constant,
  crossEntropy,
  div,
  flattenRows,
  gather,
  input,
  less,
  mean,
  mul,
  scale,
  size,
  sum,
  where,
} from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import { embed, forward, logits } from "../models/decoder.ts";
import { klPerRow } from "../nn/loss.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { type Adaptation, adaptedParts, type FrozenShape } from "./adapted-step.ts";
import { type Row, rowFeeds, rowInputs } from "./batch.ts";
import { edgePrefix } from "./generator-step.ts";
import type { StepSpec } from "./step.ts";

/** How a policy is held to the model before. `toBase`: KL(policy ‖ base), the paper's; `fromBase`: KL(base ‖ policy), the published code's. */
export const klDirections = ["toBase", "fromBase"] as const;
export type KlDirection = (typeof klDirections)[number];

/** `temperature`: of the sampling. What is trained is what was sampled from. */
export type PolicyLoss = { readonly klShare: number; readonly klDirection: KlDirection; readonly temperature: number };

const names = { advantage: "policy.advantage", share: "policy.share", rewards: "policy.rewards" } as const;

/**
 * Mean over answers of −A Σ_t log π(y_t) + λ Σ_t KL_t, with the KL over the whole vocabulary at each token of an answer. Policy and base are
 * softmax(logits ÷ temperature): answers y have to be drawn from the very π whose log is trained, or the gradient is that of no reward.
 * Metrics: reward, the share of rewards above 0, KL a token, tokens an answer.
 */
export function policySpec(
  edge: FrozenShape,
  adaptation: Adaptation,
  { klShare, klDirection, temperature }: PolicyLoss,
  optimizer: AdamWConfig,
  maxGradientNorm: number,
): StepSpec {
  return {
    parameters: new Map([...adaptation.parameters].map(([name, { shape }]) => [name, shape])),
    weigh: (batch) => batch[names.rewards]!.data.length,
    optimizer,
    maxGradientNorm,
    objective: (parameters) => {
      const { tokens, rows, targets, segments } = rowInputs(edgePrefix);
      const advantage = input(names.advantage, targets.shape);
      const share = input(names.share, targets.shape);
      const rewards = input(names.rewards, ["policy_answers"]);
      const { plain, student } = adaptedParts(edge, adaptation, parameters, tokens);
      const { config } = edge;
      const [policy, base] = [student, plain].map((parts) => {
        const states = gather(flattenRows(forward(config, parts, embed(config, parts, tokens), segments)), rows);
        return scale(logits(config, parts, states), 1 / temperature);
      }) as [Node, Node];
      const divergence = klDirection === "toBase" ? klPerRow(policy, base) : klPerRow(base, policy);
      const towards = sum(mul(advantage, crossEntropy(policy, targets)));
      return {
        loss: add(towards, scale(sum(mul(share, divergence)), klShare)),
        metrics: {
          reward: mean(rewards),
          solved: mean(where(less(constant(0), rewards), constant(1), constant(0))),
          kl: mean(divergence),
          length: div(size(targets.shape), size(rewards.shape)),
        },
      };
    },
  };
}

/** An answer that was given: the tokens of question and answer, and how good it was. */
export type RatedAnswer = { readonly row: Row; readonly reward: number; readonly advantage: number };

/** The tensors of a batch of rated answers, one row each. */
export function policyFeeds(answers: readonly RatedAnswer[], padId: number): Feeds {
  const share = 1 / answers.length;
  const perToken = (of: (answer: RatedAnswer) => number) => {
    const values = answers.flatMap((answer) => {
      const [from, to] = answer.row.answers[0]!;
      return new Array<number>(to - from).fill(of(answer));
    });
    return floatTensor([values.length], Float32Array.from(values));
  };
  const rewards = Float32Array.from(answers, ({ reward }) => reward);
  return {
    ...rowFeeds(
      edgePrefix,
      answers.map(({ row }) => row),
      padId,
    ),
    [names.advantage]: perToken(({ advantage }) => advantage * share),
    [names.share]: perToken(() => share),
    [names.rewards]: floatTensor([rewards.length], rewards),
  };
}

export const baselines = ["question", "batch", "none"] as const;
/** What a reward is compared with: the mean of the other answers to the same question, or of all others in the batch. */
export type Baseline = (typeof baselines)[number];

/**
 * Rewards less the mean of the others, which leaves the gradient unbiased. Where there are no others nothing is taken away.
 * @param rewards of each question's answers
 */
export function advantagesOf(rewards: readonly (readonly number[])[], baseline: Baseline): number[][] {
  const totalOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
  const all = rewards.flat();
  return rewards.map((ofQuestion) => {
    const others = baseline === "question" ? ofQuestion : baseline === "batch" ? all : [];
    const total = totalOf(others);
    return ofQuestion.map((reward) => (others.length < 2 ? reward : reward - (total - reward) / (others.length - 1)));
  });
}

/** Batches without a difference between rewards, behind each other, after which a run ends. */
const maxStuckBatches = 50;
/**
 * The same at the beginning, where rewards that are alike move nothing: every batch asks the same model. With 32 answers a batch, one that is
 * right once in a hundred times is given up in one run of 120, one that is right twice in a hundred in one of 16,000.
 */
const maxFirstStuckBatches = 15;

/** Throws E_DATA where answers are all as good, step after step: there is nothing to learn from. */
export function watchRewards(
  most = maxStuckBatches,
  first = Math.min(most, maxFirstStuckBatches),
): (rewards: readonly number[]) => void {
  let stuck = 0;
  let bound = first;
  return (rewards) => {
    const isStuck = rewards.every((reward) => reward === rewards[0]);
    stuck = isStuck ? stuck + 1 : 0;
    if (!isStuck) bound = most;
    if (stuck === bound)
      throw new AppError(
        "E_DATA",
        `reward: expected answers that differ in it, found ${rewards[0]} for all in each of the last ${bound} batches: the model never solves this task, or always; take another task, scorer or temperature, or more answers to a question`,
      );
  };
}
