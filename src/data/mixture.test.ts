import { createHash } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { testTokenizer } from "../../test/support/tiny-pair.ts";
import { createRng } from "../base/rng.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer-file.ts";
import { type Group, type MixtureOptions, sampleGroup } from "./mixture.ts";
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
  const tokenizer: Tokenizer = await loadTokenizer(testTokenizer);
  options = { tokenizer, limits: { prompt: 128, input: 16, target: 16 } };
});
const draw = (seed: number, extra: Partial<MixtureOptions> = {}, count = 200, list: readonly TaskFamily[] = tasks) => {
  const rng = createRng(seed);
  return Array.from({ length: count }, () => sampleGroup(list, rng, { ...options, ...extra }));
};

/** What a recipe's draws are known by: they must not change. */
const digest = (groups: readonly Group[]): string =>
  createHash("sha256")
    .update(JSON.stringify(groups.map(({ task, ...group }) => ({ ...group, task: task.name }))))
    .digest("hex")
    .slice(0, 16);

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

  test("shows from minShots to maxShots examples, every number of them about as often", () => {
    const shown = (extra: Partial<MixtureOptions>) =>
      draw(6, { shotProbability: 0.7, shotsOnlyProbability: 0.3, limits: roomy, ...extra }).map(
        ({ prompt }) => prompt.match(/Input: /g)?.length ?? 0,
      );
    const roomy = { ...options.limits, prompt: 1000 };
    expect(new Set(shown({ minShots: 5, maxShots: 5 }))).toEqual(new Set([5])); // "always 5"
    const counts = shown({ minShots: 2, maxShots: 4 });
    for (const count of [2, 3, 4]) expect(counts.filter((found) => found === count).length).toBeGreaterThan(40);
    expect(counts.every((count) => count >= 2 && count <= 4)).toBe(true);
    expect(new Set(shown({}))).toEqual(new Set([1, 2, 3, 4, 5]));
  });

  test("a prompt without room for minShots examples shows none, and is not of examples alone", () => {
    const groups = draw(7, { shotProbability: 0.5, shotsOnlyProbability: 0.3, minShots: 5, maxShots: 5 });
    const counts = groups.map(({ prompt }) => prompt.match(/Input: /g)?.length ?? 0);
    expect(new Set(counts)).toEqual(new Set([0, 5]));
    groups.forEach(({ style }, i) => {
      expect(style === "description").toBe(counts[i] === 0);
    });
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

  const tooLong = (split: string): Sample => ({ input: `${split} ${"word ".repeat(60)}`, target: "x" });
  const few = (name: string, count: number) =>
    family(name, {
      train: [...samples("train", count), tooLong("train")],
      validation: [tooLong("validation"), ...samples("validation", count)],
    });

  test("asks all that a task has within the limits where that is less than a prompt's queries", () => {
    const list = [few("few", 3), ...tasks];
    const groups = draw(10, { split: "validation", queriesPerPrompt: 6 }, 200, list).filter(
      ({ task }) => task.name === "few",
    );
    expect(groups.length).toBeGreaterThan(20);
    for (const { queries } of groups) expect(new Set(queries)).toEqual(new Set(samples("validation", 3)));
    expect(new Set(groups.map(({ queries }) => queries[0]!.input)).size).toBe(3);
    const alone = { queriesPerPrompt: 6, shotProbability: 0, shotsOnlyProbability: 0 };
    for (const { queries } of draw(11, alone, 20, [few("few", 3)])) expect(queries).toHaveLength(3);
  });

  test("in training leaves one of too few samples to be an example, and asks the only one there is", () => {
    const groups = draw(12, { queriesPerPrompt: 6, shotProbability: 0.5, shotsOnlyProbability: 0.2 }, 300, [
      few("few", 3),
    ]);
    expect(new Set(groups.map(({ style }) => style))).toEqual(new Set(["description", "description+shots", "shots"]));
    for (const { prompt, queries } of groups) {
      expect(queries).toHaveLength(2);
      for (const { input } of queries) expect(prompt).not.toContain(`Input: ${input}\n`);
    }
    for (const { queries, style } of draw(13, {}, 50, [few("one", 1)])) {
      expect(queries).toEqual(samples("train", 1));
      expect(style).toBe("description");
    }
  });

  test("draws the same of tasks with samples enough, and passes over one that has none within the limits", () => {
    const list = [few("none", 0), few("enough", 4)];
    expect(digest(draw(14, {}, 200, list))).toBe("6b05fa4cf8c77601");
    expect(digest(draw(15, { queriesPerPrompt: 9, shotProbability: 0.6, dropWords: 0.3 }))).toBe("d3ae1dbebd0361b2");
    expect(digest(draw(16, { split: "validation", queriesPerPrompt: 10 }))).toBe("ae669595bf138062");
  });
});
