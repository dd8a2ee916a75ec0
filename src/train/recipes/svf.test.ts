/** @file A skill trained on answers: what it learns is what its file says. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomAdapter } from "../../../test/support/random-adapter.ts";
import { quietContext } from "../../../test/support/toy-training.ts";
import { configureSvf, writeRunInputs } from "../../../test/support/training-runs.ts";
import { createRng } from "../../base/rng.ts";
import { applyExpert } from "../../models/apply-expert.ts";
import { mergeAdapter } from "../../models/merge-adapter.ts";
import { openModel, saveModel } from "../../models/model-file.ts";
import { parameterShapes } from "../../models/parameters.ts";
import { saveMergedModel } from "../../models/save-merged.ts";
import { readWeight } from "../../runtime/read-weight.ts";
import { expertSize } from "../../svf/expert.ts";
import { readExpert } from "../../svf/expert-file.ts";
import { runTraining } from "../run.ts";
import { createTrainer } from "../trainer.ts";
import { SvfRun, svf } from "./svf.ts";

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "svf-run-"));
  await writeRunInputs(root);
});
afterAll(() => rmSync(root, { recursive: true }));

const edge = () => join(root, "edge");

/** Of a model as it is, on the first batch of the validation. */
async function lossOf(config: SvfRun, model: string): Promise<number> {
  const run = { ...config, edge: model, svf: { ...config.svf, form: "free" as const } };
  const job = await svf.open(run, run);
  const state = await job.start();
  await using trainer = await createTrainer(job.spec, { weights: job.weights, state, threads: 1 });
  const rng = createRng(config.seed).split("validation-0");
  return (await trainer.evaluate(await job.validation({ rng, step: 0, index: 0, state })))["loss"]![0]!;
}

test.each([
  ["factors of all singular values of both kinds of maps", { maps: "both" }, 14 * 32 - 4 * 16],
  ["the largest ones of the feed-forward block, bounded and renormalised", { rank: 12, form: "bounded" }, 6 * 12],
])("it learns %s, and the model merged with its file has the loss that it validated", async (name, keys, count) => {
  const output = join(root, name.slice(0, 12));
  const path = configureSvf(root, output, { steps: 40, svf: keys });
  const config = SvfRun.parse(JSON.parse(readFileSync(path, "utf8")));
  const { best } = await runTraining(path, quietContext());
  const [model, expert] = [await openModel(edge()), await readExpert(output)];
  expect(expertSize(expert)).toBe(count);
  expect(expert.madeBy).toMatchObject({ by: "svf", seed: "11" });
  const { weights } = await applyExpert(model, expert);
  const values = new Map<string, Float32Array>();
  for (const weight of parameterShapes(model.config).keys()) values.set(weight, await readWeight(weights[weight]!));
  const merged = join(output, "merged");
  await saveModel(merged, model.config, values);
  expect(await lossOf(config, merged)).toBeCloseTo(best.value, 4);
  expect(await lossOf(config, edge())).toBeGreaterThan(best.value + 0.01);
});

test("merged base: a model into which a LoRA was merged is decomposed and trained like any other", async () => {
  const [base, merged] = [await openModel(edge()), join(root, "merged-base")];
  const weights = await mergeAdapter(base.weights, randomAdapter(base.config));
  const record = { base_sha256: base.sha256, kind: "peft", adapter_sha256: "a".repeat(64), scale: 1 } as const;
  await saveMergedModel(merged, base, weights, { record });
  const output = join(root, "of-merged");
  const { steps } = await runTraining(configureSvf(root, output, { steps: 1, edge: merged }), quietContext());
  expect(steps).toBe(1);
  expect((await readExpert(output)).modelSha256).toBe((await openModel(merged)).sha256);
});

test("decomposing says how far it is, and stops where the run is stopped, before anything is written", async () => {
  const [output, cache] = [join(root, "stopped"), join(root, "cache")];
  const stop = new AbortController();
  const said: string[] = [];
  const info = (message: string) => {
    said.push(message);
    stop.abort();
  };
  const context = quietContext({ signal: stop.signal, log: { info, warn: () => undefined } });
  const run = runTraining(configureSvf(root, output, { svf: { cache } }), context);
  await expect(run).rejects.toMatchObject({ code: "E_INTERRUPTED" });
  expect(said).toEqual(["decomposing the model: 0 of 6"]);
  expect(existsSync(output)).toBe(false);
});
