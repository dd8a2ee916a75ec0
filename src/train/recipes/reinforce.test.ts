/** @file Learning by rewards: answers that are rewarded come more often, whatever is trained. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { quietContext } from "../../../test/support/toy-training.ts";
import { configureReinforce, writeRunInputs } from "../../../test/support/training-runs.ts";
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
