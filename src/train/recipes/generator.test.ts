import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeGgufCopy } from "../../../test/support/gguf-copy.ts";
import { quietContext } from "../../../test/support/toy-training.ts";
import { configureGenerator, writeRunInputs } from "../../../test/support/training-runs.ts";
import { readJsonFile } from "../../base/json-file.ts";
import { openSafetensors, readTensor } from "../../files/safetensors.ts";
import { runTraining } from "../run.ts";
import { GeneratorRun, generator } from "./generator.ts";

const openGenerator = (config: GeneratorRun) => generator.open(config, config);

test("one file as both models is in the session once, in whichever form it is held", async () => {
  const root = mkdtempSync(join(tmpdir(), "generator-job-"));
  await writeRunInputs(root);
  const edge = join(root, "model.gguf");
  await writeGgufCopy(edge, join(root, "edge"), { tokenizer: join(root, "tokenizer"), type: "Q8_0" });
  const config = (changes: object) =>
    readJsonFile(configureGenerator(root, join(root, "out"), { cloud: edge, edge, ...changes }), GeneratorRun);
  const frozen = async (changes: object) => Object.keys((await openGenerator(await config(changes))).weights);
  const weights = { cloud: "blocks", edge: "blocks" };
  for (const changes of [{}, { weights }]) {
    const one = await frozen(changes);
    expect(one.filter((name) => name.startsWith("cloud."))).toEqual([]);
    const two = await frozen({ ...changes, edge: join(root, "edge") });
    expect(two.filter((name) => name.startsWith("cloud."))).not.toEqual([]);
  }
  expect((await frozen({ weights })).some((name) => name.endsWith(".packed"))).toBe(true);
  expect((await frozen({})).some((name) => name.endsWith(".packed"))).toBe(false);
  const losses = await Promise.all(
    [{}, { weights }].map(async (changes, i) => {
      const output = join(root, `held-${i}`);
      return (
        await runTraining(configureGenerator(root, output, { cloud: edge, edge, steps: 3, ...changes }), quietContext())
      ).best.value;
    }),
  );
  expect(Math.abs(losses[1]! - losses[0]!)).toBeLessThan(0.05);
  rmSync(root, { recursive: true });
});

test("a run over one GGUF file needs no tokenizer beside it, and trains as over the directory it was made from", async () => {
  const root = mkdtempSync(join(tmpdir(), "generator-job-"));
  await writeRunInputs(root);
  const edge = join(root, "model.gguf");
  await writeGgufCopy(edge, join(root, "edge"), { tokenizer: join(root, "tokenizer") });
  const train = async (name: string, changes: object) => {
    const output = join(root, name);
    await runTraining(configureGenerator(root, output, { steps: 4, dropout: 0, ...changes }), quietContext());
    const file = await openSafetensors(join(output, "generator/model.safetensors"));
    return Promise.all([...file.tensors.keys()].map(async (tensor) => [tensor, await readTensor(file, tensor)]));
  };
  const alone = await train("alone", { cloud: edge, edge, tokenizer: undefined });
  expect(alone.length).toBeGreaterThan(3);
  expect(alone).toEqual(await train("apart", { cloud: edge, edge: join(root, "edge") }));
  const without = join(root, "without.gguf");
  await writeGgufCopy(without, join(root, "edge"));
  await expect(train("without", { edge: without, tokenizer: undefined })).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringContaining("without.gguf: has no tokenizer") as unknown,
  });
  rmSync(root, { recursive: true });
});

test("a generator whose specialisations would not fit their file is refused before it is trained", async () => {
  const root = mkdtempSync(join(tmpdir(), "generator-job-"));
  await writeRunInputs(root);
  const output = join(root, "wide");
  const config = configureGenerator(root, output, { generator: { generation: "direct", routerHidden: 4097 } });
  await expect(runTraining(config, quietContext())).rejects.toMatchObject({
    code: "E_LIMIT",
    message: expect.stringMatching(/4097 numbers .*at most 4096 per layer/) as unknown,
  });
  expect(existsSync(output)).toBe(false);
  rmSync(root, { recursive: true });
});

test("a pool of more ranks than unmerged serving carries well is trained, with a warning", async () => {
  const root = mkdtempSync(join(tmpdir(), "generator-job-"));
  await writeRunInputs(root);
  const warningsOf = async (name: string, generator: object) => {
    const warnings: string[] = [];
    const log = { info: () => undefined, warn: (message: string) => void warnings.push(message) };
    const config = configureGenerator(root, join(root, name), { steps: 1, generator });
    const { best } = await runTraining(config, quietContext({ log }));
    expect(Number.isFinite(best.value)).toBe(true);
    return warnings;
  };
  expect(await warningsOf("usual", { experts: 8, rank: 16 })).toEqual([]);
  expect(await warningsOf("many", { experts: 32, rank: 16 })).toEqual([
    expect.stringMatching(/32 experts of rank 16 put 512 ranks beside every adapted map/),
  ]);
  rmSync(root, { recursive: true });
});

test("more of the cloud's layers than it has are refused before anything is written", async () => {
  const root = mkdtempSync(join(tmpdir(), "generator-job-"));
  await writeRunInputs(root);
  const config = configureGenerator(root, join(root, "deep"), { generator: { cloudLayers: 99 } });
  await expect(runTraining(config, quietContext())).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringMatching(
      /^generator\.cloudLayers: expected at most the model's \d+ layers, found 99/,
    ) as unknown,
  });
  expect(existsSync(join(root, "deep"))).toBe(false);
  rmSync(root, { recursive: true });
});

test("experts alone: stopped and resumed they end as in one go, and all else is what the run began with", async () => {
  const root = mkdtempSync(join(tmpdir(), "generator-job-"));
  await writeRunInputs(root);
  const trained = async (name: string) => {
    const file = await openSafetensors(join(root, name, "generator/model.safetensors"));
    const tensors = [...file.tensors.keys()].map(async (tensor) => [tensor, await readTensor(file, tensor)] as const);
    return new Map(await Promise.all(tensors));
  };
  await runTraining(configureGenerator(root, join(root, "first"), { steps: 4 }), quietContext());
  const experts = { steps: 6, start: join(root, "first/generator"), trains: "experts" };
  await runTraining(configureGenerator(root, join(root, "whole"), experts), quietContext());
  const stop = new AbortController();
  const still = () => undefined;
  const update = (step: number) => {
    if (step === 3) stop.abort();
  };
  const parts = configureGenerator(root, join(root, "parts"), { ...experts, logEvery: 1 });
  const progress = () => ({ update, note: still, finish: still });
  await runTraining(parts, quietContext({ signal: stop.signal, progress }));
  expect(existsSync(join(root, "parts/generator"))).toBe(false);
  await runTraining(parts, quietContext({ resume: true }));
  const [first, whole] = [await trained("first"), await trained("whole")];
  expect(await trained("parts")).toEqual(whole);
  for (const [name, before] of first)
    if (name.startsWith("experts.")) expect([name, whole.get(name)]).not.toEqual([name, before]);
    else expect([name, whole.get(name)]).toEqual([name, before]);
  rmSync(root, { recursive: true });
});
