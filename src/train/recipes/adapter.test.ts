/** @file Adapters trained on answers: what each learns is what its file says. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { quietContext } from "../../../test/support/toy-training.ts";
import { configureSvf, writeRunInputs } from "../../../test/support/training-runs.ts";
import { createRng } from "../../base/rng.ts";
import { readPeftChange } from "../../lora/peft-change.ts";
import { openModel, saveModel } from "../../models/model-file.ts";
import { parameterShapes } from "../../models/parameters.ts";
import { applyPeftChange, peftBaseOf } from "../../models/peft-base.ts";
import { readWeight } from "../../runtime/read-weight.ts";
import { ia3Adaptation } from "../ia3-step.ts";
import { runTraining } from "../run.ts";
import { createTrainer } from "../trainer.ts";
import { AdapterRun, adapter as recipe } from "./adapter.ts";

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "adapter-run-"));
  await writeRunInputs(root);
});
afterAll(() => rmSync(root, { recursive: true }));

const dora = { kind: "dora", rank: 4, alpha: 8 } as const;
const configure = (output: string, adapter: object) =>
  configureSvf(root, output, { kind: "adapter", svf: undefined, adapter, steps: 12 });

/** Of a model as it is, on the first batch of the validation. */
async function lossOf(config: AdapterRun, edge: string): Promise<number> {
  const run = { ...config, edge };
  const job = await recipe.open(run, run);
  const state = await job.start();
  await using trainer = await createTrainer(job.spec, { weights: job.weights, state, threads: 1 });
  const rng = createRng(config.seed).split("validation-0");
  return (await trainer.evaluate(await job.validation({ rng, step: 0, index: 0, state })))["loss"]![0]!;
}

test.each([dora, { kind: "ia3" } as const])(
  "$kind learns, and the model merged with its file has the loss that it validated",
  async (adapter) => {
    const output = join(root, adapter.kind);
    const path = configure(output, adapter);
    const config = AdapterRun.parse(JSON.parse(readFileSync(path, "utf8")));
    const { best } = await runTraining(path, quietContext());
    const model = await openModel(config.edge);
    const change = await readPeftChange(join(output, "adapter"), peftBaseOf(model));
    const { weights } = await applyPeftChange(model, change);
    const values = new Map<string, Float32Array>();
    for (const name of parameterShapes(model.config).keys()) values.set(name, await readWeight(weights[name]!));
    const merged = join(output, "merged");
    await saveModel(merged, model.config, values);
    expect(await lossOf(config, merged)).toBeCloseTo(best.value, 4); // at its start an adapter changes nothing
    expect(await lossOf(config, config.edge)).toBeGreaterThan(best.value + 0.01);
  },
);

test("prompted, it reads the task's prompt in front of each input", async () => {
  const run = AdapterRun.parse(JSON.parse(readFileSync(configure(join(root, "prompted"), { kind: "ia3" }), "utf8")));
  const tokensOf = async (changes: Partial<AdapterRun>) => {
    const job = await recipe.open({ ...run, ...changes }, run);
    const rng = createRng(1);
    const feeds = await job.validation({ rng, step: 0, index: 0, state: await job.start() });
    return Object.entries(feeds).find(([name]) => name.endsWith(".tokens"))![1].data.length;
  };
  const tasks = { ...run.tasks!, queriesPerPrompt: 1 };
  expect(await tokensOf({ tasks, prompted: true })).toBeGreaterThan(await tokensOf({ tasks }));
});

test("DoRA of a map with a row of zeros, whose length it would divide by, is refused", async () => {
  const { config, weights } = await openModel(join(root, "edge"));
  const values = new Map<string, Float32Array>();
  for (const name of parameterShapes(config).keys()) values.set(name, (await readWeight(weights[name]!)).slice());
  const name = [...values.keys()].find((one) => one.endsWith("up_proj.weight"))!;
  values.get(name)!.fill(0, 0, config.hidden);
  await saveModel(join(root, "zero-row"), config, values);
  const run = AdapterRun.parse(JSON.parse(readFileSync(configure(join(root, "no"), dora), "utf8")));
  const zero = { ...run, edge: join(root, "zero-row") };
  await expect(recipe.open(zero, zero)).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringContaining("row 0 is zero") as unknown,
  });
});

test("IA³ of what is given behind a bias is refused; of what the last map reads it is not", async () => {
  const { config } = await openModel(join(root, "edge"));
  const edge = { ...config, biased: ["k", "down"] as const };
  expect(() => ia3Adaptation({ edge, targets: ["k"] })).toThrow(expect.objectContaining({ code: "E_CONFIG" }));
  expect(ia3Adaptation({ edge, targets: ["down"] }).parameters.size).toBe(config.layers);
});
