/** @file 2,000 damaged copies of each file of a pair: each opens soundly or is refused. */
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateJsonBytes, mutateSafetensors } from "../../test/support/mutate.ts";
import { writeSmallTokenizer } from "../../test/support/small-tokenizer.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { generatorBuffers, generatorParameters, type PairShape } from "../generator/parameters.ts";
import {
  type Generator,
  readGenerator,
  readGeneratorConfig,
  readLooseGenerator,
  writeLooseGenerator,
} from "./generator-file.ts";
import { requireMeasuredWith, requireStatesOf, stateDistance } from "./known-prompts.ts";
import { readKnownPrompts, writeKnownPrompts } from "./known-prompts-file.ts";
import { loadPair, type Pair } from "./pair-file.ts";

let sound: string;
let pair: Pair;
beforeAll(async () => {
  sound = mkdtempSync(join(tmpdir(), "fuzz-"));
  await writeTinyPair(sound);
  writeSmallTokenizer(join(sound, "tokenizer"));
  pair = await loadPair(sound);
});

function copyOfPair(): string {
  const dir = mkdtempSync(join(tmpdir(), "fuzz-"));
  cpSync(sound, dir, { recursive: true });
  return dir;
}

const bytesOf = (path: string) => new Uint8Array(readFileSync(path));

function expectComplete({ config, tensors }: Generator, models: Pick<PairShape, "cloud" | "edge">): void {
  const shape = { ...models, generator: config };
  const infos = [...generatorParameters(shape), ...generatorBuffers(shape)];
  expect([...tensors.keys()].sort()).toEqual(infos.map(([name]) => name).sort());
  for (const [name, info] of infos) expect(tensors.get(name)).toHaveLength(info.shape.reduce((a, b) => a * b, 1));
}

test("3,000 mutations of generator.json fit the weights or are refused", async () => {
  const dir = join(copyOfPair(), "generator");
  const path = join(dir, "generator.json");
  const damage = damageFile(path, bytesOf(path), mutateJsonBytes);
  const weightBytes = bytesOf(join(dir, "model.safetensors")).length;
  const { outcomes, reasons } = await fuzz({
    seed: "generator.json",
    count: 3000,
    damage: (rng) => damage(rng) + weightBytes,
    read: async () => {
      const models = { cloud: pair.shape.cloud, edge: pair.shape.edge };
      expectComplete(await readGenerator(dir, { ...models, generator: await readGeneratorConfig(dir) }), models);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(50);
  expect(outcomes["E_SHAPE"]).toBeGreaterThan(20);
  expect(reasons).toBeGreaterThan(20);
});

test("2,000 mutations of a generator's weights are complete or refused", async () => {
  const dir = join(copyOfPair(), "generator");
  const path = join(dir, "model.safetensors");
  const { outcomes, reasons } = await fuzz({
    seed: "generator weights",
    damage: damageFile(path, bytesOf(path), mutateSafetensors),
    read: async () => expectComplete(await readGenerator(dir, pair.shape), pair.shape),
  });
  expect(outcomes["read"]).toBeGreaterThan(20);
  expect(outcomes["E_SHAPE"]).toBeGreaterThan(20);
  expect(reasons).toBeGreaterThan(20);
});

test("2,000 mutations of a generator's rows in 8 bits are complete or refused", async () => {
  const dir = join(copyOfPair(), "generator");
  await writeLooseGenerator(dir, await readLooseGenerator(dir), "I8");
  const path = join(dir, "model.safetensors");
  const { outcomes, reasons } = await fuzz({
    seed: "generator rows",
    damage: damageFile(path, bytesOf(path), mutateSafetensors),
    read: async () => {
      expectComplete(await readGenerator(dir, pair.shape), pair.shape);
      await readLooseGenerator(dir);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(20);
  expect(outcomes["E_SHAPE"]).toBeGreaterThan(20);
  expect(reasons).toBeGreaterThan(20);
});

test("2,000 mutations of known-prompts.json open the pair or are refused", async () => {
  const dir = copyOfPair();
  const { hidden } = pair.shape.cloud;
  const component = new Float32Array(hidden);
  component[0] = 1;
  const { file: path } = await writeKnownPrompts(join(dir, "generator"), {
    layer: 1,
    mean: new Float32Array(hidden).fill(2),
    components: [component],
    variances: [1],
    otherVariance: 1,
    threshold: 1,
    prompts: 400,
    validationPrompts: 250,
    beyond: 0.02,
    generatorSha256: pair.generator.sha256,
    cloudSha256: pair.cloud.sha256,
  });
  const damage = damageFile(path, bytesOf(path), mutateJsonBytes);
  const { outcomes, reasons } = await fuzz({
    seed: "known-prompts.json",
    damage,
    read: async () => {
      const known = (await readKnownPrompts(join(dir, "generator")))!;
      requireMeasuredWith(path, known, { generatorSha256: pair.generator.sha256, cloudSha256: pair.cloud.sha256 });
      requireStatesOf(path, known, pair.cloud);
      expect(stateDistance(known, new Float32Array(hidden).fill(1))).toBeGreaterThan(0);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(20);
  expect(reasons).toBeGreaterThan(20);
});

test("2,000 mutations of pair.json open the pair or are refused", async () => {
  const dir = copyOfPair();
  const path = join(dir, "pair.json");
  const damage = damageFile(path, bytesOf(path), mutateJsonBytes);
  const modelBytes = bytesOf(join(dir, "cloud/model.safetensors")).length;
  const { outcomes, reasons } = await fuzz({
    seed: "pair.json",
    damage: (rng) => damage(rng) + modelBytes,
    read: async () => {
      const { cloud, edge, generator, shape } = await loadPair(dir);
      expect([cloud.sha256, edge.sha256, generator.sha256].sort()).toEqual(
        [pair.cloud.sha256, pair.edge.sha256, pair.generator.sha256].sort(),
      );
      expectComplete(generator, shape);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(50);
  expect(reasons).toBeGreaterThan(20);
});

test("250 pairs with one file damaged open or are refused", async () => {
  const dir = copyOfPair();
  const files = ["cloud", "edge", "generator", "tokenizer"].flatMap((folder) => {
    const config = { generator: "generator.json", tokenizer: "tokenizer_config.json" }[folder] ?? "config.json";
    return [join(folder, config), join(folder, folder === "tokenizer" ? "tokenizer.json" : "model.safetensors")];
  });
  const originals = new Map(files.map((name) => [name, bytesOf(join(dir, name))]));
  const allBytes = [...originals.values()].reduce((sum, { length }) => sum + length, 0);
  let damaged = files[0]!;
  const { outcomes } = await fuzz({
    seed: "pair folder",
    count: 250,
    damage(rng) {
      writeFileSync(join(dir, damaged), originals.get(damaged)!);
      damaged = rng.pick(files);
      const mutate = damaged.endsWith(".json") ? mutateJsonBytes : mutateSafetensors;
      return allBytes + damageFile(join(dir, damaged), originals.get(damaged)!, mutate)(rng);
    },
    read: async () => {
      const { cloud, edge, generator, tokenizer, shape } = await loadPair(dir);
      expect(Math.min(cloud.config.vocab, edge.config.vocab)).toBeGreaterThanOrEqual(tokenizer.vocabSize);
      expectComplete(generator, shape);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(10);
});
