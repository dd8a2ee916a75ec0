/** @file T17: on the pair that ships the right prompt decides. The prompts of the demo were written before any generator was looked at. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { demoFileOf, readDemoScenarios } from "../../src/cli/demo-scenarios.ts";
import { mean } from "../../src/eval/statistics.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { createSpecializer } from "../../src/pair/specialize.ts";
import { createSwappableDecoder } from "../../src/pair/swap.ts";
import { encodeInput, encodeTarget } from "../../src/text/prompt.ts";

const samplesOfEach = 2;

test("T17: the right answers of every prompt are likelier under it than under each of the five others", async () => {
  const folder = join(import.meta.dirname, "../../pairs/smollm2");
  const pair = await loadPair(folder);
  const { tokenizer, layout } = pair;
  const scenarios = await readDemoScenarios(demoFileOf(folder));
  await using specializer = await createSpecializer(pair);
  await using decoder = await createSwappableDecoder(pair, { capacity: 256 });

  /** Nats a token of each scenario's answers, under one prompt. */
  const losses: number[][] = [];
  for (const { prompt } of scenarios) {
    await decoder.swap(await specializer.specialize(prompt));
    const row: number[] = [];
    for (const { samples } of scenarios) {
      const found: number[] = [];
      for (const { input, expected } of samples.slice(0, samplesOfEach)) {
        const answer = encodeTarget(tokenizer, layout, expected);
        const [score] = await decoder.score(encodeInput(tokenizer, layout, input), [answer]);
        found.push(-score! / answer.length);
      }
      row.push(mean(found));
    }
    losses.push(row);
  }
  for (const [i, { name }] of scenarios.entries())
    for (const [other, row] of losses.entries())
      if (other !== i) expect(losses[i]![i], `${name} under ${scenarios[other]!.name}`).toBeLessThan(row[i]!);
});
