/** @file Training by rewards: a skill of Transformer², or a LoRA, by REINFORCE with a KL to the base model. */
import { z } from "zod";
import { needsCode, runsAnswers } from "../../eval/scorers/table.ts";
import { frozenSources } from "../../models/frozen-model.ts";
import type { Feeds } from "../../runtime/session.ts";
import { encodeInput, encodePrompted, PromptLayout, SPECIAL_TOKEN_LAYOUT } from "../../text/prompt.ts";
import { frozenPrefix } from "../adapted-step.ts";
import { requireContext } from "../batch.ts";
import { common, count, edgeKeys, Tasks } from "../config.ts";
import type { BatchRequest, Job, Opening } from "../job.ts";
import { Adapter, openLearner } from "../learner.ts";
import { openEdge } from "../open-frozen.ts";
import {
  advantagesOf,
  baselines,
  klDirections,
  policyFeeds,
  policySpec,
  type RatedAnswer,
  watchRewards,
} from "../policy-step.ts";
import { createPolicy, type Question, trainingRewardNames } from "../rollout.ts";
import type { TaskSource } from "../task-batches.ts";
import { edgeNames, type Recipe } from "./recipe.ts";

export const ReinforceRun = z.strictObject({
  kind: z.literal("reinforce"),
  ...common,
  /** The result is the state with the highest reward on validation: training is stopped early, after the fact. */
  bestBy: common.bestBy.unwrap().prefault({ metric: "reward", goal: "highest" }),
  /** How prompt, input and answer are set apart (docs/models.md). */
  layout: PromptLayout.default(SPECIAL_TOKEN_LAYOUT),
  tasks: Tasks,
  ...edgeKeys,
  /** What is trained. */
  adapter: Adapter.prefault({ kind: "svf" }),
  reward: z
    .strictObject({
      /** 1 where it finds an answer right, −1 where wrong. */
      scorer: z.enum(trainingRewardNames).default("exact"),
      /** Answers to each question. */
      answers: count.default(1),
      /** Of their sampling, and of the distribution that is trained. */
      temperature: z.number().positive().default(1),
      /** Longest answer in tokens. */
      maxTokens: count.default(64),
      /** Whether the model reads the task's prompt, or the input alone. */
      prompted: z.boolean().default(true),
      /** What a reward is compared with: the mean of the other answers to the question, or in the batch. */
      baseline: z.enum(baselines).default("batch"),
      /** Weight of the divergence from the base model, and its direction. */
      klShare: z.number().min(0).default(0.1),
      klDirection: z.enum(klDirections).default("toBase"),
    })
    .prefault({}),
});
export type ReinforceRun = z.infer<typeof ReinforceRun>;

export const reinforce: Recipe<ReinforceRun> = {
  schema: ReinforceRun,
  names: edgeNames,
  open,
};

async function open(config: ReinforceRun, { edge: baseName }: ReinforceRun, opening?: Opening): Promise<Job> {
  const { scorer } = config.reward;
  if (runsAnswers(scorer) && opening?.runCode === undefined) throw needsCode(scorer, "reward: ");
  const { edge, tokenizer, source } = await openEdge(config);
  const learner = await openLearner(config, edge, baseName, opening);
  const { optimizer, recompute, reward } = config;
  const spec = policySpec(edge, learner.adaptation, reward, optimizer, optimizer.maxGradientNorm);
  const policy = createPolicy(edge, learner.adaptation, learner.weights, tokenizer, {
    threads: config.threads,
    runCode: opening?.runCode,
  });
  const watch = watchRewards();
  const rated = async ({ rng, index, state }: BatchRequest, split: "train" | "validation"): Promise<Feeds> => {
    const isTraining = split === "train";
    const groups = source.draw(rng.split("questions"), { split, index }, config.batch);
    const questions = groups.flatMap((group) => questionsOf(source, group, reward.prompted));
    const sampled = await policy.sample(state, questions, {
      ...reward,
      ...(isTraining ? {} : { answers: 1, temperature: 0 }), // what a user would get
      rng: rng.split("answers"),
    });
    const rewards = sampled.map((ofQuestion) => ofQuestion.map((answer) => answer.reward));
    if (isTraining) watch(rewards.flat());
    const advantages = advantagesOf(rewards, reward.baseline);
    const answers = sampled.flatMap((ofQuestion, place) =>
      ofQuestion.map(({ ids, reward: own }, i): RatedAnswer => {
        const before = questions[place]!.ids;
        const row = { ids: [...before, ...ids], answers: [[before.length, before.length + ids.length]] as const };
        return { row, reward: own, advantage: advantages[place]![i]! };
      }),
    );
    requireContext(
      answers.map(({ row }) => row),
      edge.config.context,
    );
    return policyFeeds(answers, tokenizer.padId);
  };
  return {
    spec: { ...spec, recompute },
    weights: { ...frozenSources(edge, frozenPrefix), ...learner.weights },
    start: learner.start,
    batch: (request) => rated(request, "train"),
    validation: (request) => rated(request, "validation"),
    warnings: learner.warnings,
    save: learner.save,
    close: policy.close,
  };
}

function questionsOf(
  { tokenizer, layout }: TaskSource,
  { prompt, queries }: ReturnType<TaskSource["draw"]>[number],
  prompted: boolean,
): Question[] {
  return queries.map((sample) => ({
    sample,
    ids: prompted
      ? encodePrompted(tokenizer, layout, { prompt, input: sample.input })
      : encodeInput(tokenizer, layout, sample.input),
  }));
}
