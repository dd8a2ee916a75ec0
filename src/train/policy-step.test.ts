import { expect, test } from "vitest";
import { fullLogits, randomLlama } from "../../test/support/random-llama.ts";
import { createRng } from "../base/rng.ts";
import { input, weight } from "../graph/build.ts";
import { grad } from "../graph/grad.ts";
import { frozenSources } from "../models/frozen-model.ts";
import { denseParts, frozenWeights, wrapLinear } from "../nn/parts.ts";
import { compile } from "../runtime/node.ts";
import { floats, floatTensor } from "../runtime/tensor.ts";
import { frozenPrefix } from "./adapted-step.ts";
import { loraAdaptation } from "./lora-step.ts";
import { advantagesOf, policyFeeds, policySpec, watchRewards } from "./policy-step.ts";
import { toReward } from "./rollout.ts";

test("a reward is compared with those of the other answers: to its question, or in the batch", () => {
  const rewards = [
    [1, -1, -1],
    [1, 1, 1],
  ];
  expect(advantagesOf(rewards, "question")).toEqual([
    [2, -1, -1],
    [0, 0, 0],
  ]);
  const [first] = advantagesOf(rewards, "batch");
  expect(first![0]).toBeCloseTo(1 - 1 / 5, 12);
  expect(first![1]).toBeCloseTo(-1 - 3 / 5, 12);
  expect(advantagesOf(rewards, "none")).toEqual(rewards);
  expect(advantagesOf([[1], [-1]], "question")).toEqual([[1], [-1]]);
});

test("rewards that never differ end a run after some batches, saying so; one that differs starts the count anew", () => {
  const watch = watchRewards(3);
  for (const rewards of [[-1, -1], [-1], [-1, 1], [-1, -1], [1, 1]]) watch(rewards);
  expect(() => watch([-1, -1])).toThrow(
    expect.objectContaining({ code: "E_DATA", message: expect.stringMatching(/last 3/) }),
  );
});

test("rewards that never differ from the first batch on end a run sooner than those of a model that has learnt", () => {
  const batches = (count: number, watch: (rewards: readonly number[]) => void) => {
    for (let i = 0; i < count; i++) watch([1, 1]);
  };
  const stuck = expect.objectContaining({ code: "E_DATA", message: expect.stringMatching(/last 15/) });
  expect(() => batches(15, watchRewards())).toThrow(stuck);
  const watch = watchRewards();
  batches(14, watch);
  watch([1, -1]);
  batches(49, watch);
  expect(() => batches(1, watch)).toThrow(/last 50/);
});

test("a score that is no number is refused, saying whose it is", () => {
  expect([0, 0.75, 1].map((score) => toReward(score, () => ""))).toEqual([-1, 0.5, 1]);
  expect(() => toReward(Number.NaN, () => "scorer exact")).toThrow(/NaN: scorer exact/);
});

test("at a temperature the gradient is that of the reward expected of what is sampled at it, less the divergence there", async () => {
  const [temperature, klShare] = [0.5, 0.3];
  const model = randomLlama({ layers: 1, vocab: 12 });
  const adaptation = loraAdaptation({ edge: model.config, rank: 1, alpha: 2, targets: ["up"] });
  const shapes = [...adaptation.parameters].map(([name, { shape }]) => [name, shape] as const);
  const rng = createRng("policy");
  const numbers = (name: string, shape: readonly number[]) =>
    rng.split(name).fillNormal(new Float32Array(shape.reduce((a, b) => a * b, 1)), 0.5);
  const point = new Map(shapes.map(([name, shape]) => [name, numbers(name, shape)]));
  const way = new Map(shapes.map(([name, shape]) => [name, numbers(`way of ${name}`, shape)]));
  const question = [1, 5, 7];
  const rewards = Array.from({ length: model.config.vocab }, (_, id) => (id % 3 === 0 ? 1 : -1));

  /** By hand: p of every token that may answer, at the temperature. */
  const sharesOf = (logits: Float32Array): number[] => {
    const weights = Array.from(logits, (logit) => Math.exp(logit / temperature));
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((value) => value / sum);
  };
  const policyAt = async (step: number): Promise<number[]> => {
    const nodes = Object.fromEntries(shapes.map(([name, shape]) => [name, weight(name, shape)]));
    const moved = [...point].map(([name, values]) => {
      const data = values.map((value, i) => value + step * way.get(name)![i]!);
      return [name, { kind: "data", data }] as const;
    });
    const parts = wrapLinear(denseParts(frozenWeights()), adaptation.adapt(nodes));
    const weights = { ...model.weights, ...Object.fromEntries(moved) };
    return sharesOf((await fullLogits({ ...model, weights }, question, parts)).at(-1)!);
  };
  const base = sharesOf((await fullLogits(model, question)).at(-1)!);
  const lossOf = (policy: readonly number[]): number =>
    policy.reduce((sum, p, id) => sum - p * rewards[id]! + klShare * p * Math.log(p / base[id]!), 0);

  const spec = policySpec(
    { config: model.config },
    adaptation,
    { klShare, klDirection: "toBase", temperature },
    { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    1,
  );
  const nodes = Object.fromEntries(shapes.map(([name, shape]) => [name, input(name, shape)]));
  const gradients = grad(
    spec.objective(nodes, {}).loss,
    shapes.map(([name]) => nodes[name]!),
  );
  const outputs = Object.fromEntries(shapes.map(([name], i) => [`d ${name}`, gradients[i]!]));
  await using session = await compile({ outputs }, { weights: frozenSources(model, frozenPrefix), threads: 1 });
  // Every answer once, as often as it is sampled: its probability times the number of answers is its weight in their mean.
  const policy = await policyAt(0);
  const answers = policy.map((p, id) => ({
    row: { ids: [...question, id], answers: [[question.length, question.length + 1]] as const },
    reward: rewards[id]!,
    advantage: policy.length * p * rewards[id]!,
  }));
  const given = Object.fromEntries(shapes.map(([name, shape]) => [name, floatTensor(shape, point.get(name)!)]));
  const found = await session.run({ ...given, ...policyFeeds(answers, 0) });
  const along = shapes.reduce(
    (sum, [name]) => sum + floats(found[`d ${name}`]).reduce((part, value, i) => part + value * way.get(name)![i]!, 0),
    0,
  );
  const step = 0.01;
  const wanted = (lossOf(await policyAt(step)) - lossOf(await policyAt(-step))) / (2 * step);
  expect(Math.abs(along - wanted) / Math.abs(wanted)).toBeLessThan(0.01);
});
