/** @file The scale-independent conformance tests of the method: T1–T3, T5, T6 and T16 of the specification (T4 is generator-gradients.test.ts), on random small pairs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/base/rng.ts";
import { writeTaskFamilies } from "../../src/data/family-file.ts";
import { writeTokenCache } from "../../src/data/token-cache.ts";
import { mergedDirectory } from "../../src/export/merged.ts";
import { runExport } from "../../src/export/run-export.ts";
import { unmerge } from "../../src/export/unmerge.ts";
import { balanceLoss } from "../../src/generator/balance.ts";
import { cloudInputNames, cloudInputs, cloudParts, metaHidden } from "../../src/generator/cloud.ts";
import { defaultGenerator, GeneratorConfig } from "../../src/generator/config.ts";
import { withExperts } from "../../src/generator/experts.ts";
import { gateCount } from "../../src/generator/generations.ts";
import {
  generatorBuffers,
  generatorParameters,
  initialValues,
  parameterNames,
} from "../../src/generator/parameters.ts";
import { route } from "../../src/generator/router.ts";
import { flattenRows, input } from "../../src/graph/build.ts";
import { interpret } from "../../src/graph/interpret.ts";
import { numbersOf, type Tensor, tensor } from "../../src/graph/tensor.ts";
import { leavesOf } from "../../src/graph/tree.ts";
import type { Node } from "../../src/graph/types.ts";
import { embed, forward, logits } from "../../src/models/decoder.ts";
import { openModel } from "../../src/models/model-file.ts";
import { denseParts, frozenWeights, scoped } from "../../src/nn/parts.ts";
import { writeGenerator } from "../../src/pair/generator-file.ts";
import { assembleLora, merge } from "../../src/pair/merge.ts";
import { loadPair, type Pair } from "../../src/pair/pair-file.ts";
import { createSpecializer, specialize } from "../../src/pair/specialize.ts";
import { compile } from "../../src/runtime/node.ts";
import { readWeight } from "../../src/runtime/read-weight.ts";
import type { WeightSource } from "../../src/runtime/session.ts";
import { floats, floatTensor, intTensor } from "../../src/runtime/tensor.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { runTraining } from "../../src/train/run.ts";
import { createTrainer } from "../../src/train/trainer.ts";
import { distance } from "../support/numeric.ts";
import { fullLogits } from "../support/random-llama.ts";
import { tinyGenerator } from "../support/tiny-generator.ts";
import { openTinyPair, testTokenizer } from "../support/tiny-pair.ts";
import { quietContext } from "../support/toy-training.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "conformance-"));
});
afterAll(() => rmSync(root, { recursive: true }));

const prompts = ["Answer with yes or no.", "Name the city in the sentence, as JSON with the key city.", "Translate."];
const ids = [5, 9, 200, 17, 4, 321, 88];

/** Logits of every position with the experts beside the edge weights, as in training. */
async function unmergedLogits(pair: Pair, gates: readonly (readonly number[])[]): Promise<Float32Array> {
  const { edge, shape, generator } = pair;
  const frozen = frozenWeights();
  const infos = generatorParameters(shape);
  const parameters = (name: string) => frozen(`generator.${name}`, infos.get(name)!.shape);
  const { layers } = edge.config;
  const gatesNode = input("gates", ["prompts", layers, gateCount(shape)]);
  const parts = withExperts({
    shape,
    frozen: denseParts(frozen),
    parameters,
    gates: gatesNode,
    promptOf: input("prompt_of", ["rows"], "i64"),
  });
  const tokens = input("tokens", ["rows", "time"], "i64");
  const rows = logits(edge.config, parts, flattenRows(forward(edge.config, parts, embed(edge.config, parts, tokens))));
  const weights: Record<string, WeightSource> = { ...edge.weights };
  for (const [name, data] of generator.tensors) weights[`generator.${name}`] = { kind: "data", data };
  await using session = await compile({ outputs: { rows } }, { weights, threads: 1 });
  const results = await session.run({
    tokens: intTensor([1, ids.length], ids),
    gates: floatTensor([1, layers, gateCount(shape)], gates.flat()),
    prompt_of: intTensor([1], [0]),
  });
  return floats(results["rows"]);
}

/** Copies of all weights, by name, the rotary tables aside. */
async function valuesOf(weights: Readonly<Record<string, WeightSource>>): Promise<Map<string, Buffer>> {
  const values = new Map<string, Buffer>();
  for (const [name, source] of Object.entries(weights))
    if (!name.startsWith("rope.")) values.set(name, bytesOf(await readWeight(source)));
  return values;
}

const changed = (values: ReadonlyMap<string, Buffer>, base: ReadonlyMap<string, Buffer>): string[] =>
  [...base].filter(([name, bytes]) => values.get(name)?.equals(bytes) !== true).map(([name]) => name);

const joined = (rows: readonly Float32Array[]): number[] => rows.flatMap((row) => [...row]);
const bytesOf = (values: ArrayLike<number>): Buffer => Buffer.from(Float32Array.from(values).buffer);

describe("T1: the merged model gives what the unmerged experts give", () => {
  const variants: Partial<GeneratorConfig>[] = [
    {},
    { compose: "factors" },
    { poolScope: "layer" },
    { poolScope: "layer", compose: "factors" },
    { targets: ["q", "k", "v", "o", "gate", "up", "down"], topK: 3 },
    { strategy: "dense" },
    { strategy: "linear" },
    { compose: "factorsApart" },
    { compose: "factorsApart", strategy: "linear", poolScope: "layer" },
    { cloudLayers: 1 },
    { renormalize: false },
  ];
  test.each(variants)("%j", async (generator) => {
    const pair = await openTinyPair({ seed: 1, generator });
    const base = joined(await fullLogits(pair.edge, ids));
    const baseValues = await valuesOf(pair.edge.weights);
    for (const prompt of prompts) {
      const specialization = await specialize(pair, prompt);
      const merged = await merge(pair, specialization);
      const mergedLogits = joined(await fullLogits(merged, ids));
      expect(distance(mergedLogits, base)).toBeGreaterThan(0.01); // it does change the model
      expect(distance(mergedLogits, await unmergedLogits(pair, specialization.gates))).toBeLessThan(1e-5);
      expect(changed(await valuesOf(merged.unmerge()), baseValues)).toEqual([]);
      expect(joined(await fullLogits({ ...merged, weights: merged.unmerge() }, ids))).toEqual(base);
    }
  });

  test.each(variants)(
    "%j: written to a folder and un-merged, every weight is the base model's, bit for bit",
    async (generator) => {
      const pair = await openTinyPair({ seed: 1, generator });
      const baseValues = await valuesOf(pair.edge.weights);
      const adapter = assembleLora(pair, await specialize(pair, prompts[0]!));
      const { out: mergedFolder } = await runExport(mergedDirectory, {
        out: join(pair.directory, "merged"),
        base: pair.edge,
        adapter,
        scale: 1,
        kind: "specialization",
        adapterSha256: "0".repeat(64),
        name: "t1",
        baseName: "edge",
        tokenizerDirectory: join(pair.directory, "tokenizer"),
      });
      const merged = await openModel(mergedFolder);
      expect(changed(await valuesOf(merged.weights), baseValues).sort()).toEqual([...adapter.keys()].sort());
      const { out, record } = await unmerge(mergedFolder, pair.edge, join(pair.directory, "restored"));
      expect(record).toMatchObject({ base_sha256: pair.edge.sha256, scale: 1 });
      const restored = await openModel(out);
      const values = await valuesOf(restored.weights);
      expect([...values.keys()]).toEqual([...baseValues.keys()]);
      expect(changed(values, baseValues)).toEqual([]);
      expect(restored.sha256).toBe(pair.edge.sha256);
      rmSync(pair.directory, { recursive: true });
    },
  );
});

test("T2: with a fresh pool the specialised model is the base model, bit for bit", async () => {
  const tiny = await openTinyPair({ seed: 2 });
  const fresh = initialValues(generatorParameters(tiny.shape), createRng("fresh"));
  const buffers = initialValues(generatorBuffers(tiny.shape), createRng("fresh"));
  await writeGenerator(join(tiny.directory, "generator"), tiny.shape, fresh, buffers);
  const pair = await loadPair(tiny.directory);
  const base = bytesOf(joined(await fullLogits(pair.edge, ids)));
  for (const prompt of prompts) {
    const specialization = await specialize(pair, prompt);
    const merged = await merge(pair, specialization);
    expect(bytesOf(joined(await fullLogits(merged, ids))).equals(base)).toBe(true);
    expect(bytesOf(await unmergedLogits(pair, specialization.gates)).equals(base)).toBe(true);
  }
});

describe("T3: gates", () => {
  test.each([
    { experts: 4, topK: 2 },
    { experts: 8, topK: 2 },
    { experts: 5, topK: 1 },
    { experts: 6, topK: 6 },
  ])(
    "of $experts experts: exactly $topK above zero, adding up to 1, the softmax over the largest",
    async (generator) => {
      const pair = await openTinyPair({ seed: 3, generator });
      await using specializer = await createSpecializer(pair, { threads: 1 });
      for (const prompt of prompts) {
        const { gates } = await specializer.specialize(prompt);
        expect(gates).toHaveLength(pair.edge.config.layers);
        for (const row of gates) {
          expect(row).toHaveLength(generator.experts);
          expect(row.filter((gate) => gate > 0)).toHaveLength(generator.topK);
          expect(row.filter((gate) => gate !== 0)).toHaveLength(generator.topK);
          expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
        }
      }
    },
  );

  test("equal the probabilities of the K most likely experts, divided by their sum (eq. 5)", () => {
    const tiny = tinyGenerator({ experts: 6, topK: 3, routerNorm: "none" });
    const { cloud, edge } = tiny.pair;
    const parameters = frozenWeights();
    const infos = generatorParameters(tiny.pair);
    const hidden = input("hidden", [5, edge.layers, cloud.hidden]);
    const get = (name: string) => parameters(name, infos.get(name)!.shape);
    const { gates, probabilities } = route(tiny.pair, get, hidden, { training: false, buffers: {} });
    const rng = createRng("hidden");
    const weights = Object.fromEntries(
      [...leavesOf({ outputs: { gates } }, "weight")].map(([name, node]) => draw(name, node)),
    );
    const results = interpret(
      { outputs: { gates, probabilities } },
      { inputs: { hidden: values(hidden, rng) }, weights },
    );
    const [g, p] = [numbersOf(results["gates"]!), numbersOf(results["probabilities"]!)];
    for (let at = 0; at < g.length; at += 6) {
      const row = p.slice(at, at + 6);
      const least = [...row].sort((a, b) => b - a)[2]!;
      const kept = row.map((probability) => (probability >= least ? probability : 0));
      const sum = kept.reduce((a, b) => a + b, 0);
      kept.forEach((probability, i) => {
        expect(g[at + i]).toBeCloseTo(probability / sum, 12);
      });
    }
  });
});

/** Seeded normals for a leaf of known shape. */
const draw = (name: string, node: Node): [string, Tensor] => [name, values(node, createRng(name))];
function values({ shape }: Node, rng: ReturnType<typeof createRng>): Tensor {
  const known = shape as readonly number[];
  return tensor(
    known,
    Array.from({ length: known.reduce((a, b) => a * b, 1) }, () => Math.fround(rng.normal())),
  );
}

describe("T5: the balance loss", () => {
  const [rows, layers, n] = [3, 2, 4];
  const balance = (auxForm: GeneratorConfig["auxForm"], gates: number[]): number => {
    const node = input("gates", [rows, layers, n]);
    const config = GeneratorConfig.parse({ ...defaultGenerator, experts: n, auxForm, auxCoefficient: 0.01 });
    const loss = balanceLoss(config, { gates: node, probabilities: node });
    const inputs = { gates: tensor([rows, layers, n], gates) };
    return numbersOf(interpret({ outputs: { loss } }, { inputs })["loss"]!)[0]!;
  };
  const uniform = new Array<number>(rows * layers * n).fill(1 / n);
  const single = Array.from({ length: rows * layers * n }, (_, i) => (i % n === 1 ? 1 : 0));

  test.each(["batch", "perLayer", "probabilities"] as const)(
    "by %s: 0 for uniform use, α(n − 1) for one expert",
    (form) => {
      expect(balance(form, uniform)).toBeCloseTo(0, 9);
      expect(balance(form, single)).toBeCloseTo(0.01 * (n - 1), 6);
    },
  );

  test("over the batch, layers may each have their own expert; per layer, they may not", () => {
    const own = Array.from({ length: rows * layers * n }, (_, i) => {
      const [layer, expert] = [Math.floor(i / n) % layers, i % n];
      return expert === 2 * layer || expert === 2 * layer + 1 ? 0.5 : 0;
    });
    expect(balance("batch", own)).toBeCloseTo(0, 9);
    expect(balance("perLayer", own)).toBeCloseTo(0.01, 6); // half of the experts: CV² = 1
  });
});

describe("T6: meta tokens", () => {
  const tiny = tinyGenerator({ metaTokens: "distinct" });
  const { pair } = tiny;
  const L = pair.edge.layers;
  const width = pair.cloud.hidden;

  /** H (p, L, d) for prompts, with the meta embeddings given. */
  async function hiddenStates(rows: readonly (readonly number[])[], meta: Float32Array): Promise<Float32Array[][]> {
    const state = tiny.start({ moved: true });
    const infos = generatorParameters(pair);
    const parameters = (name: string) => input(`p/${name}`, infos.get(name)!.shape);
    const nodes = new Map<string, Node>();
    const get = (name: string) => nodes.get(name) ?? nodes.set(name, parameters(name)).get(name)!;
    const parts = cloudParts(pair, scoped(denseParts(frozenWeights()), "cloud."), get);
    const hidden = metaHidden(pair, parts, get, cloudInputs(L));
    await using session = await compile({ outputs: { hidden } }, { weights: tiny.weights, threads: 1 });
    const time = Math.max(...rows.map((row) => row.length)) + L;
    const padded = rows.map((row) => [...row, ...new Array<number>(time - row.length).fill(2)]);
    const slots = rows.map((row) =>
      Array.from({ length: time }, (_, t) => (t >= row.length && t < row.length + L ? t - row.length + 1 : 0)),
    );
    const result = await session.run({
      ...state,
      [`p/${parameterNames.meta}`]: floatTensor([L, width], meta),
      [cloudInputNames.tokens]: intTensor([rows.length, time], padded.flat()),
      [cloudInputNames.metaSlot]: intTensor([rows.length, time], slots.flat()),
      [cloudInputNames.metaRows]: intTensor(
        [rows.length, L],
        rows.flatMap((row, r) => Array.from({ length: L }, (_, i) => r * time + row.length + i)),
      ),
    });
    const flat = floats(result["hidden"]);
    return rows.map((_, r) =>
      Array.from({ length: L }, (_, i) => flat.slice((r * L + i) * width, (r * L + i + 1) * width)),
    );
  }
  const meta = createRng("meta").fillNormal(new Float32Array(L * width), 1);
  const prompt = [7, 12, 30, 9];

  test("a meta token changes its own and later states, none before it", async () => {
    const [before] = await hiddenStates([prompt], meta);
    for (let j = 0; j < L; j++) {
      const other = meta.slice();
      for (let i = 0; i < width; i++) other[j * width + i]! += 0.5;
      const [after] = await hiddenStates([prompt], other);
      for (let i = 0; i < L; i++)
        expect(bytesOf(after![i]!).equals(bytesOf(before![i]!)), `state ${i} after moving ${j}`).toBe(i < j);
    }
  });

  test("each token of the prompt changes every state", async () => {
    const [before] = await hiddenStates([prompt], meta);
    for (let t = 0; t < prompt.length; t++) {
      const [after] = await hiddenStates([prompt.with(t, 41)], meta);
      for (let i = 0; i < L; i++) expect(distance(after![i]!, before![i]!)).toBeGreaterThan(1e-5);
    }
  });

  test("padding behind the meta tokens changes nothing", async () => {
    const [alone] = await hiddenStates([prompt], meta);
    const [, beside] = await hiddenStates([[...prompt, 3, 4, 5, 6, 8], prompt], meta);
    for (let i = 0; i < L; i++) expect(distance(beside![i]!, alone![i]!)).toBeLessThan(1e-6);
  });
});

describe("T16: a seed decides everything", () => {
  test("specialising the same prompt twice gives the same bytes", async () => {
    const pair = await openTinyPair({ seed: 4 });
    const [first, again] = [await specialize(pair, prompts[1]!), await specialize(pair, prompts[1]!)];
    expect(again.gates).toEqual(first.gates);
    const merged = [await merge(pair, first), await merge(pair, again)];
    expect(joined(await fullLogits(merged[0]!, ids))).toEqual(joined(await fullLogits(merged[1]!, ids)));
  });

  test("two trainings of a generator with all cores end with the same state", async () => {
    const tiny = tinyGenerator();
    const train = async () => {
      await using trainer = await createTrainer(tiny.spec(), { weights: tiny.weights, state: tiny.start() });
      for (let i = 0; i < 4; i++) await trainer.step([tiny.feeds(createRng(`step ${i}`))], 0.01);
      return Object.fromEntries(Object.entries(trainer.state()).map(([name, { data }]) => [name, [...data]]));
    };
    expect(await train()).toEqual(await train());
  });

  test.each(["language-model", "generator"] as const)(
    "two runs of a %s from files give the same weights file, another seed another",
    async (kind) => {
      const folder = join(root, kind);
      const pair = await openTinyPair({ seed: 5 });
      const tasks = join(root, `${kind}.jsonl`);
      await writeTaskFamilies(tasks, taskFamilies);
      const text = join(root, `${kind}.tokens`);
      const tokenizer = await loadTokenizer(testTokenizer);
      await writeTokenCache(text, tokenizer, prompts, { maxTokens: 200 });
      const common = {
        steps: 3,
        checkpointEvery: 2,
        validateEvery: 3,
        validationBatches: 1,
        logEvery: 1,
        tokenizer: testTokenizer,
        tasks: { files: [tasks], queriesPerPrompt: 2 },
      };
      const shape = { hidden: 16, ffn: 24, layers: 1, heads: 2, kvHeads: 1, context: 128 };
      const train = async (name: string, seed: number): Promise<Buffer> => {
        const output = `${folder}-${name}`;
        const config =
          kind === "generator"
            ? {
                kind,
                ...common,
                output,
                seed,
                batch: 3,
                cloud: join(pair.directory, "cloud"),
                edge: join(pair.directory, "edge"),
                generator: { experts: 3, rank: 2 },
                distillShare: 0.5,
              }
            : {
                kind,
                ...common,
                output,
                seed,
                batch: 2,
                rowTokens: 96,
                model: shape,
                text: { tokens: text, validationTokens: text, window: 12, share: 0.5 },
              };
        const path = join(root, `${kind}-${name}.json`);
        writeFileSync(path, JSON.stringify(config));
        const result = await runTraining(path, quietContext());
        expect(result).toMatchObject({ output, steps: 3, interrupted: false });
        return readFileSync(join(output, kind === "generator" ? "generator" : "model", "model.safetensors"));
      };
      const [first, again, other] = [await train("first", 1), await train("again", 1), await train("other", 2)];
      expect(again.equals(first)).toBe(true);
      expect(other.equals(first)).toBe(false);
    },
  );
});

const taskFamilies = ["first word", "last word"].map((name, i) => ({
  name,
  kind: "rewriting" as const,
  seen: true,
  paraphrases: {
    train: [`Repeat the ${name}.`, `Say the ${name} again.`],
    validation: [`Which is the ${name}?`],
    test: [`Tell the ${name}.`],
  },
  train: samples(i, 0),
  validation: samples(i, 8),
  test: samples(i, 16),
}));

function samples(task: number, from: number) {
  const words = ["red", "green", "blue", "tall", "small", "warm", "cold", "old", "new"];
  return Array.from({ length: 8 }, (_, i) => {
    const pair = [words[(from + i) % 9]!, words[(from + 2 * i + 3) % 9]!];
    return { input: pair.join(" "), target: pair[task]! };
  });
}
