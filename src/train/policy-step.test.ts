import { expect, test } from "vitest";
import { advantagesOf, watchRewards } from "./policy-step.ts";
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

test("a score that is no number is refused, saying whose it is", () => {
  expect([0, 0.75, 1].map((score) => toReward(score, () => ""))).toEqual([-1, 0.5, 1]);
  expect(() => toReward(Number.NaN, () => "scorer exact")).toThrow(/NaN: scorer exact/);
});
