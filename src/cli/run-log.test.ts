import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { panelsOf, renderRunChart } from "./run-chart.ts";
import { bestValidation, readRunLog } from "./run-log.ts";

let run: string;
beforeEach(async () => {
  run = await mkdtemp(join(tmpdir(), "run-log-"));
});
afterEach(() => rm(run, { recursive: true }));

const step = (step: number, loss: number, more = {}) =>
  JSON.stringify({ step, loss, gradientNorm: 1, learningRate: 0.001, tokensPerSecond: 100, memoryMb: 50, ...more });
const validation = (step: number, loss: number) => JSON.stringify({ step, validation: { loss } });
const write = (...lines: string[]) => writeFile(join(run, "log.jsonl"), lines.join("\n"));

test("steps and validations are told apart; the best validation is the lowest", async () => {
  await write(step(10, 3), validation(10, 3.5), step(20, 2), validation(20, 2.5), validation(30, 2.75), "");
  const log = await readRunLog(run);
  expect(log.training.map(({ step, loss }) => [step, loss])).toEqual([
    [10, 3],
    [20, 2],
  ]);
  expect(bestValidation(log)).toEqual({ step: 20, loss: 2.5 });
});

test("a last line that was cut off is left out; one that merely lacks its line end counts", async () => {
  await write(step(10, 3), step(20, 2).slice(0, 20));
  expect((await readRunLog(run)).training).toHaveLength(1);
  await write(step(10, 3), step(20, 2));
  expect((await readRunLog(run)).training).toHaveLength(2);
});

test("a damaged line anywhere else is refused with its number", async () => {
  await write(step(10, 3), step(20, 2).slice(0, 20), step(30, 1), "");
  await expect(readRunLog(run)).rejects.toMatchObject({ code: "E_FORMAT", message: expect.stringContaining(":2") });
});

test("expert loads become shares of one", async () => {
  await write(step(10, 3, { expertLoad: [30, 10] }), step(20, 2, { expertLoad: [0, 0] }), "");
  expect((await readRunLog(run)).training.map(({ expertShares }) => expertShares)).toEqual([
    [0.75, 0.25],
    [0, 0],
  ]);
});

test("the chart has a panel for expert load only where there are experts, and is one document of its own", async () => {
  await write(step(10, 3), step(20, 2), validation(20, 2.5), "");
  const plain = await readRunLog(run);
  expect(panelsOf(plain).map(({ title }) => title)).toEqual(["Loss", "Learning rate", "Tokens per second"]);
  await write(step(10, 3, { expertLoad: [30, 10] }), step(20, 2, { expertLoad: [20, 20] }), "");
  const withExperts = await readRunLog(run);
  expect(panelsOf(withExperts)).toHaveLength(4);
  const svg = renderRunChart(withExperts, { title: "a <run> & more" });
  expect(svg).toMatch(/^<svg [\s\S]*<\/svg>$/);
  expect(svg).toContain("a &lt;run&gt; &amp; more");
  expect(svg).toContain("expert 1");
  expect(svg).not.toMatch(/<script|href="http|<image/);
});

test("a run by rewards has its learning curves: reward, share solved, divergence and length", async () => {
  const rewards = { reward: -0.5, solved: 0.25, kl: 0.01, length: 6 };
  const validated = JSON.stringify({ step: 20, validation: { loss: 1, ...rewards, reward: 0.5 } });
  await write(step(10, 3, rewards), step(20, 2, rewards), validated, "");
  const log = await readRunLog(run);
  const panels = panelsOf(log);
  expect(panels.map(({ title }) => title)).toEqual([
    "Loss",
    "Reward",
    "Share solved",
    "Divergence from the base model, a token",
    "Tokens an answer",
    "Learning rate",
    "Tokens per second",
  ]);
  expect(panels[1]!.lines.map(({ points }) => points.at(-1))).toEqual([
    [20, -0.5],
    [20, -0.5],
    [20, 0.5],
  ]);
  expect(bestValidation(log)).toMatchObject({ step: 20, reward: 0.5 });
});

test("the smoothed loss is the mean of its neighbours, without lag", async () => {
  await write(...Array.from({ length: 240 }, (_, i) => step(i + 1, i)), "");
  const [, smoothed] = panelsOf(await readRunLog(run))[0]!.lines;
  expect(smoothed!.points[100]).toEqual([101, 100]); // of a straight line every mean lies on it
  expect(smoothed!.points[0]).toEqual([1, 2]); // at the edge: 0 … 4
});
