/** @file T17: on the shipped pair the right prompt decides; another task's prompt does not do as well. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { readJsonFile } from "../../src/base/json-file.ts";
import { demoFileOf, readDemoScenarios } from "../../src/cli/demo-scenarios.ts";
import { EvalTask } from "../../src/data/eval-task.ts";
import { summarize } from "../../src/eval/report.ts";
import { evaluate } from "../../src/eval/run-eval.ts";
import { mean } from "../../src/eval/statistics.ts";
import { pairSubject } from "../../src/eval/subject.ts";
import { loadPair } from "../../src/pair/pair-file.ts";
import { createSpecializer } from "../../src/pair/specialize.ts";
import { createSwappableDecoder } from "../../src/pair/swap.ts";
import { encodeInput, encodeTarget } from "../../src/text/prompt.ts";
import { promptControlsPath } from "../support/prompt-controls.ts";

const folder = join(import.meta.dirname, "../../pairs/smollm2");

test("T17: over rules of kinds that were trained, the right prompt beats one of another task by far more than chance", async () => {
  const tasks = await readJsonFile(promptControlsPath, z.array(EvalTask));
  await using subject = pairSubject(await loadPair(folder));
  const { lines } = await evaluate(subject, tasks, { methods: ["specialized", "far-prompt"], timedQueries: 0 });
  const { methods, promptEffect } = summarize(lines).strata["tasks"]!;
  expect(methods["far-prompt"]).toMatchObject({ tasks: 19, n: 38 });
  expect(promptEffect!.low).toBeGreaterThan(0.1);
});

const samplesOfEach = 2;

/** The prompts of the demo were written before any generator was looked at. */
test("T17: the right answers of every prompt are likelier under it than under each of the five others", async () => {
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
