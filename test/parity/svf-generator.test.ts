/** @file A generator over singular values: it trains, specialises, and what it merges is Transformer²'s W′ = U (Σ ⊙ z) Vᵀ. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLogger } from "../../src/base/log.ts";
import { createDecoder } from "../../src/decode/decoder.ts";
import { specializeFromExamples, splitExamples } from "../../src/dispatch/gates.ts";
import { latestCheckpoint, loadCheckpoint } from "../../src/files/checkpoint.ts";
import type { ExpertTarget } from "../../src/generator/config.ts";
import { withFactors } from "../../src/generator/experts.ts";
import { generatorParameters, parameterNames } from "../../src/generator/parameters.ts";
import { flattenRows, input } from "../../src/graph/build.ts";
import { applyExpert } from "../../src/models/apply-expert.ts";
import { embed, forward, logits } from "../../src/models/decoder.ts";
import { openModel } from "../../src/models/model-file.ts";
import { denseParts, frozenWeights } from "../../src/nn/parts.ts";
import { readGenerator, writeLooseGenerator } from "../../src/pair/generator-file.ts";
import { merge } from "../../src/pair/merge.ts";
import { loadPair, type Pair } from "../../src/pair/pair-file.ts";
import { createSpecializer } from "../../src/pair/specialize.ts";
import { createSwappableDecoder } from "../../src/pair/swap.ts";
import { compile } from "../../src/runtime/node.ts";
import { readWeight } from "../../src/runtime/read-weight.ts";
import type { WeightSource } from "../../src/runtime/session.ts";
import { floats, floatTensor, intTensor } from "../../src/runtime/tensor.ts";
import { combineExperts, type Expert } from "../../src/svf/expert.ts";
import { runTraining } from "../../src/train/run.ts";
import { runFolder } from "../../src/train/run-folder.ts";
import { readRunGenerator } from "../../src/train/run-generator.ts";
import { stepNames } from "../../src/train/step.ts";
import { distance } from "../support/numeric.ts";
import { createFullModel } from "../support/reference-model.ts";
import { writeTinyPair } from "../support/tiny-pair.ts";
import { writeRunInputs } from "../support/training-runs.ts";

const folder = mkdtempSync(join(tmpdir(), "svf-generator-"));
const at = (name: string) => join(folder, name);
const rank = 32; // all of them: no map of the tiny model has more
let pair: Pair;

async function train(name: string, generator: object): Promise<void> {
  const config = at(`${name}.json`);
  const settings = {
    kind: "generator",
    output: at(name),
    seed: 5,
    steps: 24,
    batch: 4,
    rowTokens: 40,
    cloud: at("pair/cloud"),
    edge: at("pair/edge"),
    tokenizer: at("pair/tokenizer"),
    generator: { experts: 3, cloudRank: 2, generation: "svf", rank, ...generator },
    optimizer: { learningRate: 0.02, warmupSteps: 1, weightDecay: 0 },
    dropout: 0,
    tasks: { files: [at("inputs/tasks.jsonl")], queriesPerPrompt: 2, maxShots: 2 },
    validateEvery: 8,
    validationBatches: 2,
    logEvery: 1,
  };
  writeFileSync(config, JSON.stringify(settings));
  await runTraining(config, {
    log: silentLogger,
    progress: () => ({ update: () => undefined, note: () => undefined, finish: () => undefined }),
    now: () => 0,
    signal: new AbortController().signal,
    resume: false,
  });
}

beforeAll(async () => {
  await writeTinyPair(at("pair"));
  await writeRunInputs(at("inputs"));
  await train("run", {});
  rmSync(at("pair/generator"), { recursive: true });
  cpSync(at("run/generator"), at("pair/generator"), { recursive: true });
  pair = await loadPair(at("pair"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("training moves the factors away from 1 and the loss down", () => {
  const lines = readFileSync(at("run/log.jsonl"), "utf8").trim().split("\n");
  const entries = lines.map((line) => JSON.parse(line) as { validation?: { loss: number } });
  const found = entries.flatMap(({ validation }) => validation?.loss ?? []);
  expect(found.at(-1)).toBeLessThan(found[0]!);
  const z = pair.generator.tensors.get(parameterNames.factors(1, "up"))!;
  expect(z.some((value) => Math.abs(value - 1) > 0.01)).toBe(true);
});

test("prompts become gates, and the merged weights are those of Transformer²'s mixture of the same experts", async () => {
  const edge = await openModel(at("pair/edge"));
  await using specializer = await createSpecializer(pair, { threads: 1 });
  const gatesOf = async (prompt: string) => (await specializer.specialize(prompt)).gates;
  const [first, second] = [await gatesOf("shout it"), await gatesOf("Count all letters of the words, then stop.")];
  expect(first).not.toEqual(second);
  const specialization = await specializer.specialize("shout it");
  const merged = await merge(pair, specialization);
  const { experts, targets } = pair.shape.generator;
  const places = new Map<string, { readonly layer: number; readonly target: ExpertTarget }>(
    Array.from({ length: edge.config.layers }, (_, layer) =>
      targets.map((target) => [`model.layers.${layer}.mlp.${target}_proj.weight`, { layer, target }] as const),
    ).flat(),
  );
  const skills = Array.from(
    { length: experts },
    (_, expert): Expert => ({
      modelSha256: edge.sha256,
      renormalize: false,
      madeBy: {},
      scales: new Map(
        [...places].map(([weight, { layer, target }]) => {
          const z = pair.generator.tensors.get(parameterNames.factors(layer, target))!;
          return [weight, z.slice(expert * rank, (expert + 1) * rank)];
        }),
      ),
    }),
  );
  const mixture = combineExperts(skills, (weight) => specialization.gates[places.get(weight)!.layer]!, {
    of: "changes",
  });
  const wanted = await applyExpert(edge, mixture);
  for (const weight of places.keys()) {
    const [ours, theirs] = [await readWeight(merged.weights[weight]!), await readWeight(wanted.weights[weight]!)];
    expect(distance(ours, theirs), weight).toBeLessThan(1e-5);
    expect(distance(ours, await readWeight(edge.weights[weight]!)), weight).toBeGreaterThan(1e-3);
  }
});

test("merged weights give the logits of the factors beside the weights, as in training", async () => {
  await using specializer = await createSpecializer(pair, { threads: 1 });
  const specialization = await specializer.specialize("please spell");
  const ids = Array.from({ length: 30 }, (_, i) => 20 + ((37 * i) % 900));
  await using merged = await createFullModel(await merge(pair, specialization));
  const found = (await merged.logits(ids)).flatMap((row) => [...row]);
  const frozen = frozenWeights();
  const { edge } = pair.shape;
  const shapes = generatorParameters(pair.shape);
  const parts = withFactors({
    shape: pair.shape,
    frozen: denseParts(frozen),
    parameters: (name) => frozen(name, shapes.get(name)!.shape),
    gates: input("gates", ["prompts", edge.layers, 3]),
    promptOf: input("prompt_of", ["rows"], "i64"),
  });
  const tokens = input("tokens", ["rows", "time"], "i64");
  const rows = logits(edge, parts, flattenRows(forward(edge, parts, embed(edge, parts, tokens))));
  const weights: Record<string, WeightSource> = { ...pair.edge.weights };
  for (const [name, data] of pair.generator.tensors) weights[name] = { kind: "data", data };
  await using session = await compile({ outputs: { rows } }, { weights, threads: 1 });
  const results = await session.run({
    tokens: intTensor([1, ids.length], ids),
    gates: floatTensor([1, edge.layers, 3], specialization.gates.flat()),
    prompt_of: intTensor([1], [0]),
  });
  expect(distance(found, floats(results["rows"]))).toBeLessThan(1e-5);
});

test("swapped in unmerged it scores as merged does, within 1e-5; gates are learnt from examples too", async () => {
  await using specializer = await createSpecializer(pair, { threads: 1 });
  const specialization = await specializer.specialize("please spell");
  const [ids, answers] = [
    [20, 57, 94, 131, 168],
    [[20, 21], [300]],
  ];
  await using swapped = await createSwappableDecoder(pair, { threads: 1 });
  await swapped.swap(specialization);
  await using merged = await createDecoder(await merge(pair, specialization), { threads: 1 });
  const found = await swapped.score(ids, answers);
  expect(distance(found, await merged.score(ids, answers))).toBeLessThan(1e-5);
  const examples = ["cat", "dog"].map((input) => ({ input, target: "the bird" }));
  const options = { way: "learnt", steps: 4, threads: 1 } as const;
  const learnt = await specializeFromExamples(pair, specialization, splitExamples(examples), options);
  expect(learnt.tried.map(({ at }) => at)).toEqual([0, 1, 2, 3, 4]);
  expect(learnt.tried.at(-1)!.heldOut).not.toEqual(learnt.tried[0]!.heldOut);
});

test("the best weights so far make the generator that a finished run writes, singular vectors and all", async () => {
  const { step, ...best } = await readRunGenerator(at("run"), async (path) => path);
  expect(step).toBeGreaterThan(0);
  await writeLooseGenerator(at("best"), best);
  const read = await readGenerator(at("best"), pair.shape);
  expect([...read.tensors.keys()]).toEqual([...pair.generator.tensors.keys()]);
  const { tensors } = await loadCheckpoint((await latestCheckpoint(runFolder(at("run")).best))!);
  for (const [name, values] of read.tensors) {
    const kept = tensors[stepNames.parameter(name)] ?? tensors[stepNames.buffer(name)];
    expect(values, name).toEqual(name.startsWith("svd.") ? pair.generator.tensors.get(name) : kept!.data);
  }
  expect(read.trainedOver).toEqual(pair.generator.trainedOver);
});

test("another checkpoint of the run can be asked for", async () => {
  const last = (await latestCheckpoint(runFolder(at("run")).checkpoints))!;
  const { step, tensors } = await loadCheckpoint(last);
  const read = await readRunGenerator(at("run"), async (path) => path, last);
  expect(read.step).toBe(step);
  for (const { name, data } of read.tensors.filter(({ name }) => !name.startsWith("svd.")))
    expect(data, name).toEqual((tensors[stepNames.parameter(name)] ?? tensors[stepNames.buffer(name)])!.data);
});

test("what belongs to LoRAs, and more factors than singular values are refused", async () => {
  await expect(train("alpha", { alpha: 8 })).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringContaining("no effect where generation is svf") as unknown,
  });
  await expect(train("rank", { rank: 33 })).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringMatching(/at most the 32 singular values of "gate", found 33/) as unknown,
  });
});
