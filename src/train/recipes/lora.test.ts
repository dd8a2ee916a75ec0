/** @file A prompt-free LoRA: what it learns is what its PEFT folder says, on the batches of a generator's run. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { quietContext } from "../../../test/support/toy-training.ts";
import { configureGenerator, configureLora, writeRunInputs } from "../../../test/support/training-runs.ts";
import { createRng } from "../../base/rng.ts";
import { readPeft } from "../../lora/peft-format.ts";
import { mergeAdapter } from "../../models/merge-adapter.ts";
import { openModel, saveModel } from "../../models/model-file.ts";
import { parameterShapes } from "../../models/parameters.ts";
import { readWeight } from "../../runtime/read-weight.ts";
import { runTraining } from "../run.ts";
import { createTrainer } from "../trainer.ts";
import { GeneratorRun, generator } from "./generator.ts";
import { LoraRun, lora } from "./lora.ts";

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "lora-job-"));
  await writeRunInputs(root);
});
afterAll(() => rmSync(root, { recursive: true }));

const read = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
const edge = () => join(root, "edge");

test("its batches, training and validation, are those of a generator's run of the same seed and tasks", async () => {
  const generatorRun = GeneratorRun.parse(read(configureGenerator(root, join(root, "twin"))));
  const loraRun = LoraRun.parse(read(configureLora(root, join(root, "lora"))));
  const wantedJob = await generator.open(generatorRun, generatorRun);
  const foundJob = await lora.open(loraRun, loraRun);
  const request = () => ({ rng: createRng("batch"), step: 1, index: 0, state: {} });
  const pairs = [
    [await wantedJob.batch(request()), await foundJob.batch(request())],
    [await wantedJob.validation(request()), await foundJob.validation(request())],
  ] as const;
  for (const [wanted, found] of pairs) {
    const names = Object.keys(found).filter((name) => !name.includes("dropout"));
    expect(names.filter((name) => name.startsWith("teacher."))).not.toEqual([]);
    expect(names.filter((name) => name.startsWith("edge."))).not.toEqual([]);
    for (const name of names) expect(found[name], name).toEqual(wanted[name]);
  }
});

test("it learns, and the edge model merged with the adapter that it writes has the loss that it validated", async () => {
  const output = join(root, "learns");
  const path = configureLora(root, output, { steps: 60, distillShare: 0 });
  const { best } = await runTraining(path, quietContext());
  const config = LoraRun.parse(read(path));
  const base = await openModel(edge());
  const adapter = await readPeft(join(output, "adapter"), parameterShapes(base.config));
  expect(adapter.size).toBe(3 * base.config.layers);
  expect(read(join(output, "adapter/adapter_config.json"))).toMatchObject({ base_model_name_or_path: edge() });
  const weights = await mergeAdapter(base.weights, adapter);
  const values = new Map<string, Float32Array>();
  for (const name of parameterShapes(base.config).keys()) values.set(name, await readWeight(weights[name]!));
  const merged = join(root, "merged");
  await saveModel(merged, base.config, values);
  const lossOf = async (model: string) => {
    const job = await lora.open({ ...config, edge: model }, config); // its B is zero: the model as it is
    await using trainer = await createTrainer(job.spec, {
      evaluation: job.evaluation!,
      weights: job.weights,
      state: await job.start(),
      threads: 1,
    });
    const rng = createRng(config.seed).split("validation-0");
    const batch = await job.validation({ rng, step: 0, index: 0, state: trainer.state() });
    return (await trainer.evaluate(batch))["loss"]![0]!;
  };
  expect(await lossOf(merged)).toBeCloseTo(best.value, 4);
  expect(await lossOf(edge())).toBeGreaterThan(best.value + 0.5);
});

test("stopped and gone on with, it ends as one that was never stopped", async () => {
  const finish = async (name: string, stopAt?: number) => {
    const output = join(root, name);
    const path = configureLora(root, output, { steps: 8, accumulate: 2 });
    if (stopAt !== undefined) {
      const stop = new AbortController();
      const update = (step: number) => void (step === stopAt && stop.abort());
      const progress = () => ({ update, note: () => undefined, finish: () => undefined });
      expect(await runTraining(path, quietContext({ signal: stop.signal, progress }))).toMatchObject({
        interrupted: true,
      });
    }
    await runTraining(path, quietContext({ resume: stopAt !== undefined }));
    return readFileSync(join(output, "adapter/adapter_model.safetensors"));
  };
  expect((await finish("stopped", 3)).equals(await finish("whole"))).toBe(true);
});

test("over a quantised model it trains as well; targets that the model lacks and two sources are refused", async () => {
  const train = (name: string, changes: object) =>
    runTraining(configureLora(root, join(root, name), { steps: 2, ...changes }), quietContext());
  expect(Number.isFinite((await train("int8", { weights: { edge: "int8" } })).best.value)).toBe(true);
  await expect(train("both", { episodes: { train: "a", validation: "b" } })).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringContaining("tasks: expected either tasks or episodes") as unknown,
  });
  await expect(train("no-target", { lora: { targets: [] } })).rejects.toMatchObject({ code: "E_CONFIG" });
  await expect(train("cloud", { cloud: edge() })).rejects.toMatchObject({ code: "E_CONFIG" });
});

test("weighed answers are trained on as well, in micro-batches too; with a teacher or whole sequences they are refused", async () => {
  const episodes = (name: string, lists: object) => {
    const path = join(root, name);
    const queries = ["band", "banana"].map((input) => ({ input, target: input === "band" ? "an a" : "an b" }));
    const line = JSON.stringify({ family: "a", prompt: "Say which.", queries, ...lists });
    writeFileSync(path, `${line}\n${line}\n`);
    return { tasks: undefined, episodes: { train: path, validation: path } };
  };
  const listed = episodes("listed.jsonl", { labels: ["an a", "an b", "an c"] });
  const weighed = { ...listed, steps: 60, distillShare: 0, weighBy: "answers", listShare: 0.9, accumulate: 2 };
  const path = configureLora(root, join(root, "weighed"), weighed);
  const config = LoraRun.parse(read(path));
  const job = await lora.open(config, config);
  await using trainer = await createTrainer(job.spec, {
    evaluation: job.evaluation!,
    weights: job.weights,
    state: await job.start(),
    threads: 1,
  });
  const batch = await job.validation({ rng: createRng("weighed"), step: 0, index: 0, state: trainer.state() });
  const before = await trainer.evaluate(batch);
  const { best } = await runTraining(path, quietContext());
  expect(before["choiceLoss"]![0]).toBeGreaterThan(0.5); // log 3 where all are alike
  expect(best.value).toBeLessThan(before["loss"]![0]! - 0.3);
  for (const changes of [{ distillShare: 0.5 }, { lossOn: "sequence" }, episodes("unlisted.jsonl", {})]) {
    const refused = configureLora(root, join(root, "refused"), { ...weighed, ...changes });
    await expect(runTraining(refused, quietContext())).rejects.toMatchObject({ code: "E_CONFIG" });
  }
});
