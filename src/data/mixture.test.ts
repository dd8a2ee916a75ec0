import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { type MixtureOptions, sampleGroup } from "./mixture.ts";
import type { Sample, TaskFamily } from "./task.ts";

const samples = (split: string, count: number): Sample[] =>
  Array.from({ length: count }, (_, i) => ({ input: `${split} input ${i}`, target: `${split} target ${i}` }));
const family = (name: string, extra: Partial<TaskFamily> = {}): TaskFamily => ({
  name,
  kind: "routing",
  seen: true,
  paraphrases: { train: [`${name} train A`, `${name} train B`], validation: [`${name} held out`], test: [] },
  train: samples("train", 30),
  validation: samples("validation", 10),
  test: samples("test", 10),
  ...extra,
});
const tasks = [family("one"), family("two"), family("three")];

let options: MixtureOptions;
beforeAll(async () => {
  const tokenizer: Tokenizer = await loadTokenizer(join(import.meta.dirname, "../../pairs/assistant/tokenizer"));
  options = { tokenizer, limits: { prompt: 128, input: 16, target: 16 } };
});
const draw = (seed: number, extra: Partial<MixtureOptions> = {}, count = 200, list: readonly TaskFamily[] = tasks) => {
  const rng = createRng(seed);
  return Array.from({ length: count }, () => sampleGroup(list, rng, { ...options, ...extra }));
};

describe("sampling groups", () => {
  test("is determined by the seed", () => {
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  test("in training never shows held-out wordings, validation or test samples", () => {
    for (const { prompt, queries } of draw(3)) {
      expect(prompt).not.toMatch(/held out|validation|test/);
      expect(queries.every(({ input }) => input.startsWith("train"))).toBe(true);
    }
  });

  test("for validation shows held-out wordings, validation queries and train examples", () => {
    for (const { prompt, style, queries } of draw(4, { split: "validation" })) {
      if (style !== "shots") expect(prompt).toMatch(/held out/);
      expect(prompt).not.toMatch(/validation|train A|train B/);
      expect(queries.every(({ input }) => input.startsWith("validation"))).toBe(true);
    }
  });

  test("never asks what an example of the prompt answers, nor the same twice", () => {
    for (const { prompt, queries } of draw(5, { shotProbability: 0.9 })) {
      expect(new Set(queries).size).toBe(queries.length);
      for (const { input } of queries) expect(prompt).not.toContain(`Input: ${input}\n`);
    }
  });

  test("leaves out a share of a training query's words where the answer is a label, never all of them", () => {
    const labelled = family("labelled", { labels: ["train target 1"] });
    const lengths = (extra: Partial<MixtureOptions>, list = [labelled]) =>
      draw(7, extra, 300, list).flatMap(({ queries }) => queries.map(({ input }) => input.split(" ").length));
    const dropped = lengths({ dropWords: 0.4 });
    expect(Math.min(...dropped)).toBe(1);
    expect(dropped.reduce((a, b) => a + b) / dropped.length).toBeCloseTo(3 * 0.6 + 0.4 ** 3, 1);
    for (const whole of [
      lengths({}),
      lengths({ dropWords: 0.4, split: "validation" }),
      lengths({ dropWords: 0.4 }, tasks),
    ])
      expect(new Set(whole)).toEqual(new Set([3]));
  });

  test("mixes prompts with 1 to 5 examples and examples alone, as often as asked", () => {
    const groups = draw(6, { shotProbability: 0.5, shotsOnlyProbability: 0.2 }, 1000);
    const share = (style: string) => groups.filter((group) => group.style === style).length / groups.length;
    expect(share("shots")).toBeCloseTo(0.2, 1);
    expect(share("description+shots")).toBeCloseTo(0.5, 1);
    const counts = new Set(groups.map(({ prompt }) => prompt.split("Input: ").length - 1));
    expect([...counts].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    for (const { prompt, style } of groups) if (style === "shots") expect(prompt).toMatch(/^Input: /);
  });

  test("follows the weights", () => {
    const weight = ({ name }: TaskFamily) => ({ one: 0, two: 1, three: 3 })[name] ?? 0;
    const names = draw(7, { weight }, 1000).map(({ task }) => task.name);
    expect(names).not.toContain("one");
    expect(names.filter((name) => name === "three").length / 1000).toBeCloseTo(0.75, 1);
  });

  test("keeps to the token limits", () => {
    const long = family("long", { train: [...samples("train", 10), { input: "word ".repeat(60), target: "x" }] });
    const limits = { prompt: 24, input: 16, target: 16 };
    for (const { prompt, queries } of draw(8, { limits }, 200, [long])) {
      expect(options.tokenizer.encode(prompt).length).toBeLessThanOrEqual(24);
      for (const { input } of queries) expect(options.tokenizer.encode(input).length).toBeLessThanOrEqual(16);
    }
    expect(() => draw(9, { limits: { ...limits, input: 1 } })).toThrow(/within the token limits/);
  });
});
