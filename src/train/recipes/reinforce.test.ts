/** @file Learning by rewards: answers that are rewarded come more often, whatever is trained. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { quietContext } from "../../../test/support/toy-training.ts";
import { configureReinforce, writeRunInputs } from "../../../test/support/training-runs.ts";
import { createCodeRunner } from "../../eval/run-code.ts";
import { scorers } from "../../eval/scorers/table.ts";
import { readPeft } from "../../lora/peft-format.ts";
import { openModel } from "../../models/model-file.ts";
import { parameterShapes } from "../../models/parameters.ts";
import { readExpert } from "../../svf/expert-file.ts";
import { runTraining } from "../run.ts";

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "reinforce-"));
  await writeRunInputs(root);
});
afterAll(() => rmSync(root, { recursive: true }));

type Line = { readonly step: number; readonly reward?: number; readonly kl?: number; readonly validation?: object };
const logOf = (output: string): Line[] =>
  readFileSync(join(output, "log.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

test.each([
  ["factors of singular values", { kind: "svf", maps: "both" }],
  ["a LoRA", { kind: "lora", rank: 4, alpha: 8 }],
])("by rewards %s learn to answer as is rewarded", async (_, adapter) => {
  const output = join(root, adapter.kind);
  const { best } = await runTraining(await configureReinforce(root, output, { adapter, steps: 10 }), quietContext());
  const log = logOf(output);
  const rewards = log.flatMap(({ reward }) => reward ?? []);
  expect(rewards).toHaveLength(10);
  expect(meanOf(rewards.slice(-4))).toBeGreaterThan(rewards[0]! + 1);
  expect(log[0]).toMatchObject({ kl: expect.closeTo(0, 4), solved: expect.any(Number), length: expect.any(Number) });
  expect(log.at(-2)!.kl ?? log.at(-1)!.kl).toBeGreaterThan(0.01);
  expect(best.metric).toBe("reward");
  const edge = await openModel(join(root, "sure"));
  if (adapter.kind === "svf") expect((await readExpert(output)).madeBy).toMatchObject({ by: "reinforce" });
  else
    expect((await readPeft(join(output, "adapter"), parameterShapes(edge.config))).size).toBe(3 * edge.config.layers);
});

test("held by the divergence of the published code, which looks from the base model, a run learns and its log has it", async () => {
  const reward = { scorer: "regex", answers: 4, maxTokens: 1, baseline: "batch", klShare: 0.05 };
  const run = async (klDirection: string) => {
    const output = join(root, klDirection);
    const changes = { steps: 3, reward: { ...reward, klDirection } };
    await runTraining(await configureReinforce(root, output, changes), quietContext());
    return logOf(output).flatMap(({ kl }) => kl ?? []);
  };
  const [toBase, fromBase] = [await run("toBase"), await run("fromBase")];
  expect(fromBase).toHaveLength(3);
  expect(fromBase[0]).toBeCloseTo(0, 4); // before the first step both are the base model
  expect(fromBase.at(-1)).toBeGreaterThan(1e-4);
  expect(Math.abs(fromBase[1]! / toBase[1]! - 1)).toBeGreaterThan(1e-3); // from the same first step
});

test("stopped and gone on with, it ends as one that was never stopped", async () => {
  const finish = async (name: string, stopAt?: number) => {
    const output = join(root, name);
    // Not by expressions, whose deadline a busy machine may miss; what is always wrong still teaches without a baseline.
    const reward = { scorer: "exact", answers: 2, maxTokens: 2, baseline: "none" };
    const path = await configureReinforce(root, output, { steps: 4, reward, batch: 2 });
    if (stopAt !== undefined) {
      const stop = new AbortController();
      const update = (step: number) => void (step === stopAt && stop.abort());
      const progress = () => ({ update, note: () => undefined, finish: () => undefined });
      await runTraining(path, quietContext({ signal: stop.signal, progress }));
    }
    await runTraining(path, quietContext({ resume: stopAt !== undefined }));
    return readFileSync(join(output, "expert.safetensors"));
  };
  expect((await finish("stopped", 2)).equals(await finish("whole"))).toBe(true);
});

test("a reward that is no number ends the run, saying which scorer gave it", async () => {
  const broken = vi.spyOn(scorers.exact, "score").mockReturnValue({ score: Number.NaN, reason: "" });
  try {
    const reward = { scorer: "exact", answers: 2, maxTokens: 1 };
    const path = await configureReinforce(root, join(root, "no-number"), { steps: 4, reward, batch: 2 });
    await expect(runTraining(path, quietContext())).rejects.toMatchObject({
      code: "E_NAN",
      message: expect.stringMatching(/^reward: expected a number, found NaN: scorer exact/) as unknown,
    });
  } finally {
    broken.mockRestore();
  }
  expect(existsSync(join(root, "no-number/expert.safetensors"))).toBe(false);
});

test("a reward that never varies ends the run, saying so and what to change", async () => {
  const reward = { scorer: "exact", answers: 2, maxTokens: 1 }; // an answer of one token never ends, so it is never equal
  const path = await configureReinforce(root, join(root, "stuck"), {
    steps: 1000,
    reward,
    batch: 1,
    validateEvery: 1000,
  });
  await expect(runTraining(path, quietContext())).rejects.toMatchObject({
    code: "E_DATA",
    message: expect.stringMatching(/^reward: .*found -1 for all .*take another task, scorer or temperature/) as unknown,
  });
  expect(logOf(join(root, "stuck")).length).toBeLessThan(999);
});

test("answers that are programs are run where that is allowed, and else nothing is begun", async () => {
  const reward = { scorer: "code-run", answers: 2, maxTokens: 1 };
  const output = join(root, "programs");
  const path = await configureReinforce(root, output, { steps: 1, reward, batch: 1 });
  await expect(runTraining(path, quietContext())).rejects.toMatchObject({
    code: "E_USAGE",
    message: "reward: scorer code-run runs what a model wrote: expected --allow-code, found it left out",
  });
  expect(existsSync(output)).toBe(false);
  const { run } = await createCodeRunner("python3");
  const reasons: string[] = [];
  const runCode = async (program: string) => {
    const ended = await run(program);
    reasons.push(ended.reason);
    return ended;
  };
  await runTraining(path, { ...quietContext(), runCode });
  expect(reasons.length).toBeGreaterThanOrEqual(2);
  expect(reasons.join(" ")).toMatch(/Error/); // a letter and a regular expression are no program
});
