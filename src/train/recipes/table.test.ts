import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { quietContext } from "../../../test/support/toy-training.ts";
import { GeneratorConfig } from "../../generator/config.ts";
import { runTraining } from "../run.ts";
import { TrainConfig } from "./table.ts";

const folder = mkdtempSync(join(tmpdir(), "train-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

const shape = { hidden: 8, ffn: 8, layers: 1, heads: 2, kvHeads: 1 };
const languageModel = { kind: "language-model", output: "out", steps: 1, tokenizer: "t", model: shape };
const generator = {
  kind: "generator",
  output: "out",
  steps: 1,
  cloud: "c",
  edge: "e",
  tokenizer: "t",
  tasks: { files: ["f"] },
};

test("the defaults are the paper's where it states them", () => {
  const config = TrainConfig.parse(generator);
  expect(config.optimizer).toMatchObject({
    learningRate: 2e-5,
    warmupSteps: 50,
    schedule: "cosine",
    beta1: 0.9,
    beta2: 0.999,
    weightDecay: 0.1,
  });
  expect(config).toMatchObject({ batch: 64, lossOn: "response", distillShare: 0 });
});

test.each([
  ["a key that does not exist", { ...languageModel, batchSize: 3 }, "batchSize"],
  ["a nested key that does not exist", { ...languageModel, optimizer: { lr: 1 } }, "lr"],
  ["a wrong type", { ...languageModel, steps: "many" }, "steps"],
  ["a value out of range", { ...generator, distillShare: 1.5 }, "distillShare"],
  ["a nested value out of range", { ...generator, optimizer: { beta2: 1 } }, "optimizer.beta2"],
  [
    "fewer shots than the least",
    { ...generator, tasks: { files: ["f"], minShots: 6 } },
    "tasks.minShots: expected at most",
  ],
  ["a missing key", { ...generator, cloud: undefined }, "cloud"],
  ["an unknown choice", { ...generator, generator: { strategy: "topk" } }, "generator.strategy"],
  ["a shape's key that does not exist", { ...languageModel, model: { ...shape, heds: 2 } }, "model: Unrecognized key"],
  ["a shape without a key", { ...languageModel, model: { ...shape, ffn: undefined } }, "model.ffn"],
  ["an odd head size", { ...languageModel, model: { ...shape, hidden: 6 } }, "model.heads: a width of 6 by 2 heads"],
  ["heads that do not divide", { ...languageModel, model: { ...shape, heads: 4, kvHeads: 3 } }, "model.kvHeads"],
  ["a trillion positions", { ...languageModel, model: { ...shape, context: 1e12 } }, "model.context"],
  ["a billion layers", { ...languageModel, model: { ...shape, layers: 1e9 } }, "model.layers"],
  ["more weights than fit", { ...languageModel, model: { ...shape, hidden: 2 ** 20, ffn: 2 ** 20 } }, "model.hidden"],
  [
    "experts alone without gates",
    { ...generator, trains: "experts" },
    'trains: expected "all" where there is no `start`',
  ],
  [
    "experts alone of a direct generator",
    { ...generator, start: "s", trains: "experts", generator: { generation: "direct" } },
    'trains: expected "all" where generation is direct',
  ],
  [
    "statistics that nothing was run for",
    { ...generator, generator: { routerStatistics: "running" } },
    'generator.routerStatistics: expected "batch"',
  ],
  [
    "statistics of a norm that has none",
    { ...generator, start: "s", generator: { routerNorm: "layer", routerStatistics: "running" } },
    "no effect where routerNorm is layer",
  ],
  [
    "a key without effect",
    { ...generator, generator: { generation: "direct", topK: 1 } },
    "generator.topK: expected its default",
  ],
  [
    "more threads than the largest allowed",
    { ...languageModel, threads: 257 },
    "threads: Too big: expected number to be <=256",
  ],
  ["an unknown kind", { ...languageModel, kind: "retriever" }, "kind"],
] as const)("%s is E_CONFIG, and the message names it", async (_, config, key) => {
  const path = join(folder, "config.json");
  writeFileSync(path, JSON.stringify(config));
  await expect(runTraining(path, quietContext())).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringContaining(key) as unknown,
  });
});

test("signed coefficients refuse keys of kept probabilities, and balance by probabilities", () => {
  const linear = (keys: object) => ({ ...generator, generator: { strategy: "linear", ...keys } });
  const { data } = TrainConfig.safeParse(linear({ experts: 32, auxForm: "perLayer" }));
  expect(TrainConfig.safeParse(data).success).toBe(true);
  const issues = (keys: object) => TrainConfig.safeParse(linear(keys)).error?.issues.map(({ path }) => path.join("."));
  expect(issues({ topK: 3, renormalize: false, annealSteps: 5 })).toEqual([
    "generator.topK",
    "generator.renormalize",
    "generator.annealSteps",
  ]);
  for (const auxForm of ["elementwise", "probabilities", "switch"])
    expect(issues({ auxForm })).toEqual(["generator.auxForm"]);
});

test("a direct generator refuses keys of pools and routers, naming each; defaults spelled out are no reason to", () => {
  const direct = (keys: object) => ({ ...generator, generator: { generation: "direct", ...keys } });
  const { data } = TrainConfig.safeParse(direct({ routerHidden: 16, rank: 4, experts: 8, metaState: "mean" }));
  expect(TrainConfig.safeParse(data).success).toBe(true); // as a run keeps it, with every default
  const refused = TrainConfig.safeParse(direct({ experts: 4, poolScope: "layer", auxCoefficient: 0 }));
  expect(refused.error?.issues.map(({ path }) => path.join("."))).toEqual([
    "generator.experts",
    "generator.poolScope",
    "generator.auxCoefficient",
  ]);
  expect(GeneratorConfig.safeParse({ generation: "direct", experts: 4 }).success).toBe(true); // generators that are there
});

test("the load of a pool per layer is kept even layer by layer unless a configuration says otherwise", () => {
  const auxForm = (keys: object) => GeneratorConfig.parse(keys).auxForm;
  expect(auxForm({})).toBe("batch");
  expect(auxForm({ poolScope: "layer" })).toBe("perLayer");
  expect(auxForm({ poolScope: "layer", auxForm: "batch" })).toBe("batch"); // as generators and runs from before keep it
  expect(auxForm({ auxForm: "perLayer" })).toBe("perLayer");
  expect(auxForm({ poolScope: "layer", generation: "direct" })).toBe("batch");
});

test("a file that is no JSON is told apart from one with wrong keys", async () => {
  const path = join(folder, "broken.json");
  writeFileSync(path, "{ steps: 1 }");
  await expect(runTraining(path, quietContext())).rejects.toMatchObject({
    message: expect.stringContaining(path) as unknown,
  });
  await expect(runTraining(join(folder, "none.json"), quietContext())).rejects.toMatchObject({ code: "E_NOT_FOUND" });
});
