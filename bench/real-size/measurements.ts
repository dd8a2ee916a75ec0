/** @file What is measured of a model, each in processes of its own: quantising, decoding beside llama.cpp, a training step, specialising. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ModelConfig } from "../../src/models/config.ts";
import { ggufArchitectures } from "../../src/models/gguf/names.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { readQuantization } from "../../src/models/quantized/directory-file.ts";
import { smallestRows } from "../../src/models/quantized/layout.ts";
import { type BenchOptions, median } from "../support/bench.ts";
import { expertStepWork } from "../support/flops.ts";
import { runTraining } from "../support/training-run.ts";
import { type Answer, numberOf, startScript } from "../support/worker.ts";
import { llamaCpp, ours } from "./decode-programs.ts";
import { decodeRounds } from "./decode-rounds.ts";
import type { DecodeTask } from "./decode-task.ts";
import {
  comparison,
  type Decoding,
  type DecodingName,
  decodings,
  type PeerType,
  type Quantised,
  quantised,
  rowOf,
  type Stored,
} from "./decodings.ts";
import { measureGeneratorStep } from "./generator-step.ts";
import type { GgufTask } from "./gguf-worker.ts";
import { flushFiles, memoryValues } from "./memory.ts";
import { writeBenchPair } from "./pair.ts";
import type { Measured } from "./rows.ts";
import { type RealModel, type RealModelName, realModel, realModelNames, specializedPair } from "./shapes.ts";
import { trainingProblem } from "./train.ts";
import { isThere, writeRandomModel } from "./weights.ts";

export type Context = {
  /** Where generated weights lie. */
  readonly folder: string;
  readonly options: BenchOptions;
  /** Bytes of memory that may be taken. */
  readonly available: () => number;
  /** Whether generated weights stay. */
  readonly keep: boolean;
};

export type Measurement = {
  readonly name: string;
  /** About the most memory it takes, in bytes. */
  readonly needs: (model: RealModel) => number;
  readonly run: (context: Context, model: RealModel) => Promise<Measured>;
  /** The models it is made of; all of their role where none are named. */
  readonly only?: readonly RealModelName[];
  /** Whether it may be left out where memory is short. */
  readonly isOptional?: boolean;
  /** What only a run beside a peer can fill in, where the model has one. */
  readonly peerValue?: (name: RealModelName) => string | undefined;
  /** Whether it is made for its peer, and left out without. */
  readonly needsPeer?: boolean;
};

/** Prompt and answer of a decoding round; quick: enough to run everything. */
const lengths = {
  real: { promptTokens: 256, newTokens: 32, specializeTokens: 1000, prompts: 2, rows: 4, time: 128 },
  quick: { promptTokens: 24, newTokens: 4, specializeTokens: 1000, prompts: 2, rows: 2, time: 16 },
} as const;
const lengthsOf = ({ quick }: BenchOptions) => lengths[quick ? "quick" : "real"];

const isQuantised = (stored: Stored): stored is Quantised => quantised.some((name) => name === stored);

export const parameterCount = (config: ModelConfig): number =>
  [...parameterShapes(config).values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** Bytes beside the weights: the runtime, activations, a cache. */
const base = 1.2e9;
/**
 * Bytes a weight takes while it is loaded and used. What is mapped is widened or repacked once for decoding, so at most one copy of it is needed.
 * Of 4 bits 0.94 bytes were seen, own and mapped, in blocks of 32.
 */
const bytesPerWeight: Readonly<Record<Stored, number>> = {
  bf16: 4.9,
  f32: 4.6,
  int8: 2.3,
  "int8-64": 2.2,
  "int8-128": 2.1,
  int4: 1,
  "int4-64": 0.9,
  "int4-128": 0.8,
};
const needsToRun = ({ config }: RealModel, stored: Stored) => base + parameterCount(config) * bytesPerWeight[stored];
/** llama.cpp maps its file, and repacks Q4_0: 1.15 bytes were seen. */
const peerBytesPerWeight: Readonly<Record<PeerType, number>> = { F32: 4, Q8_0: 1.1, Q4_0: 1.2, Q4_1: 0.8 };
const needsOfPeer = ({ config }: RealModel, type: PeerType) =>
  0.5e9 + parameterCount(config) * peerBytesPerWeight[type];

const pathOf = ({ folder }: Context, { name }: RealModel, stored: Stored) => join(folder, `${name}-${stored}`);
const ggufPath = ({ folder }: Context, { name }: RealModel, type: PeerType) => join(folder, `${name}-${type}.gguf`);
const script = (name: string) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url));

async function prepared(context: Context, model: RealModel, stored: "bf16" | "f32"): Promise<string> {
  const directory = pathOf(context, model, stored);
  const { log } = context.options;
  // One file of fp32 weights: what both sides of a training step map.
  const layout = stored === "f32" ? ({ dtype: "F32", shardBytes: Infinity } as const) : { dtype: "BF16" as const };
  await writeRandomModel(directory, model.config, model.name, { ...layout, log });
  return directory;
}

/** Quantises in a process of its own; undefined where that was done before. */
async function quantized(context: Context, model: RealModel, stored: Quantised, again = false) {
  const directory = pathOf(context, model, stored);
  // One that was kept may have its tables in the blocks of the layers, from before they had their own.
  const isCurrent = async () =>
    (await isThere(join(directory, "config.json"))) &&
    (await readQuantization(directory))?.table_block_size === smallestRows(model.config);
  if (!again && (await isCurrent())) return { directory, answer: undefined };
  await rm(directory, { recursive: true, force: true });
  const source = await prepared(context, model, "bf16");
  const { worker, ready } = await startScript(script("quantize-worker"), [source, directory, stored]);
  await worker.close();
  return { directory, answer: ready };
}

const directoryOf = async (context: Context, model: RealModel, stored: Stored) =>
  isQuantised(stored) ? (await quantized(context, model, stored)).directory : prepared(context, model, stored);

const quantize = (stored: Quantised): Measurement => ({
  name: `quantize ${stored}`,
  needs: ({ config }) =>
    base + 12 * Math.max(...[...parameterShapes(config).values()].map((s) => s.reduce((a, b) => a * b, 1))),
  run: async (context, model) => {
    const answer = (await quantized(context, model, stored, true)).answer!;
    return {
      values: {
        "quantize s": numberOf(answer, "ms") / 1000,
        ...memoryValues(answer),
        "bf16 MB": numberOf(answer, "bytesBefore") / 1e6,
        "quantised MB": numberOf(answer, "bytes") / 1e6,
      },
      about: { parameters: parameterCount(model.config), repetitions: 1, warmUp: 0 },
    };
  },
});

/** Loading and decoding; where llama.cpp has the architecture, beside it. */
const decode = (name: DecodingName): Measurement => {
  const { stored, peer, needsPeer }: Decoding = decodings[name];
  const hasPeer = (other: RealModelName) => ggufArchitectures[realModel(other).config.modelType] !== undefined;
  return {
    name: rowOf(name),
    ...(needsPeer ? { only: realModelNames.filter(hasPeer) } : {}),
    ...(peer === undefined
      ? {}
      : {
          peerValue: (other) => (hasPeer(other) ? "llama.cpp decode tokens/s" : undefined),
          needsPeer: needsPeer === true,
        }),
    isOptional: stored === "bf16",
    needs: (model) => needsToRun(model, stored),
    run: async (context, model) => {
      const { options } = context;
      const { promptTokens, newTokens } = lengthsOf(options);
      const path = await directoryOf(context, model, stored);
      const { threads } = options;
      const task: DecodeTask = { path, threads, promptTokens, newTokens, vocab: model.config.vocab };
      const theirs =
        peer && options.peer !== "none" ? await peerTask(context, model, task, peer.type, stored) : undefined;
      const inTurn =
        peer !== undefined &&
        theirs !== undefined &&
        context.available() > needsToRun(model, stored) + needsOfPeer(model, peer.type);
      flushFiles();
      const peerProgram = theirs && llamaCpp(theirs, options);
      const found = await decodeRounds(ours(task), peerProgram, inTurn, task, options);
      return {
        ...found,
        about: {
          parameters: parameterCount(model.config),
          promptTokens,
          newTokens,
          ...(peer === undefined || theirs === undefined
            ? {}
            : {
                ...found.about,
                compared: comparison({ stored, peer }),
                turns: inTurn ? "round by round" : "one program after the other: both do not fit into memory at once",
              }),
        },
      };
    },
  };
};

/** The GGUF file of the same weights; undefined where llama.cpp cannot read the model. */
async function peerTask(
  context: Context,
  model: RealModel,
  task: DecodeTask,
  type: PeerType,
  stored: Stored,
): Promise<DecodeTask | undefined> {
  if (ggufArchitectures[model.config.modelType] === undefined) return undefined;
  const path = ggufPath(context, model, type);
  if (await isThere(path)) return { ...task, path };
  const { log, quick } = context.options;
  log(`writing ${path}`);
  const wanted: GgufTask = { path, model: model.name, quick, type, stored };
  const { worker } = await startScript(script("gguf-worker"), [JSON.stringify(wanted)]);
  await worker.close();
  return { ...task, path };
}

const train: Measurement = {
  name: "train f32",
  peerValue: () => "PyTorch step s",
  needs: ({ config }) => base + parameterCount(config) * 4.2 + stepBytes(config),
  run: async (context, model) => {
    const { options } = context;
    const directory = await prepared(context, model, "f32");
    const problem = await trainingProblem(model.name, directory, model.config, lengthsOf(options));
    const work = expertStepWork(problem);
    const run = {
      label: "train",
      problem,
      work,
      frozen: "fp32",
      shareLimit: 0,
      peerScript: "train_real_size.py",
    } as const;
    const { medians, ratios, configuration } = await runTraining(run, options);
    const peer = (configuration["train"] as { readonly peer?: string }).peer;
    return {
      values: {
        "step s": medians["train step ms"]! / 1000,
        "peak MB": medians["train peak resident MB"] ?? 0,
        "GFLOP/s": medians["train GFLOP/s"]!,
        "share of the best product": ratios["train share of the best product"]!,
        loss: medians["train loss"]!,
        ...(peer === undefined
          ? {}
          : {
              "PyTorch step s": medians["train PyTorch step ms"]! / 1000,
              "PyTorch peak MB": medians["train PyTorch peak resident MB"] ?? 0,
              "PyTorch time / ours": ratios["train PyTorch time / ours"]!,
            }),
      },
      about: {
        rows: problem.rows,
        time: problem.time,
        experts: problem.experts!.count,
        rank: problem.experts!.rank,
        gigaFlops: work.gigaFlops,
        ...(peer === undefined ? {} : { peer }),
      },
    };
  },
};

const specialize: Measurement = {
  name: "specialize int4",
  needs: (model) => needsToRun(model, "int4") + 4.4e9,
  run: async (context, model) => {
    const { options } = context;
    const edge = realModel(specializedPair.edge, options);
    const directory = join(context.folder, "pair");
    await writeBenchPair(
      directory,
      { directory: await directoryOf(context, model, "int4"), config: model.config },
      { directory: await directoryOf(context, edge, "bf16"), config: edge.config },
    );
    const { specializeTokens } = lengthsOf(options);
    const started = await startScript(script("specialize-worker"), [
      directory,
      String(options.threads),
      String(specializeTokens),
    ]);
    await using worker = started.worker;
    const rounds: Answer[] = [];
    for (let round = 0; round < Math.max(1, Math.min(options.repetitions, 3)); round++)
      rounds.push(await worker.ask("specialize"));
    return {
      values: {
        "open s": numberOf(started.ready, "openMs") / 1000,
        "compile s": numberOf(started.ready, "compileMs") / 1000,
        "specialize s": median(rounds.map((answer) => numberOf(answer, "ms"))) / 1000,
        ...memoryValues(await worker.ask("memory")),
      },
      about: {
        edge: `${edge.name}, bf16, opened beside it`,
        promptTokens: numberOf(rounds[0]!, "promptTokens"),
        metaTokens: edge.config.layers,
        repetitions: rounds.length,
        warmUp: 0,
      },
    };
  },
};

/** A whole step over two models in fp32, the cloud model having the same weights, beside PyTorch. */
const generatorStep: Measurement = {
  name: "generator f32",
  only: [specializedPair.edge],
  peerValue: () => "PyTorch step s",
  needs: ({ config }) => base + parameterCount(config) * 4 + 3 * stepBytes(config),
  run: async (context, model) => {
    const directory = await prepared(context, model, "f32");
    const { config } = model;
    const models = { configs: { cloud: config, edge: config }, cloud: directory, edge: directory, recompute: false };
    const found = await measureGeneratorStep(
      { name: `generator-${model.name}`, models, batch: batchOf(context.options), beside: true },
      context.options,
    );
    return { ...found, about: { ...found.about, edge: `${model.name}, f32` } };
  },
};

/** The same with this cloud model in 4 bits, the edge model in 8 and activations computed again, so that it fits beside any of them. */
const generatorStepFor = (name: RealModelName): Measurement => ({
  name: `generator int4 ${name}`,
  needs: (model) => {
    const { config } = realModel(name);
    const edge = parameterCount(config) * bytesPerWeight.int8;
    return needsToRun(model, "int4") + edge + stepBytes(config, { recompute: true });
  },
  run: async (context, model) => {
    const { options } = context;
    const edge = realModel(name, options);
    const cloud = await directoryOf(context, model, "int4");
    const models = {
      configs: { cloud: model.config, edge: edge.config },
      cloud,
      edge: await directoryOf(context, edge, "int8"),
      recompute: true,
    };
    const step = { name: `generator-${model.name}-${name}`, models, batch: batchOf(options), beside: false };
    try {
      const found = await measureGeneratorStep(step, { ...options, repetitions: Math.min(options.repetitions, 2) });
      return { ...found, about: { ...found.about, edge: `${name}, int8` } };
    } finally {
      if (!context.keep) await removeWeights(context, edge); // all four have no room beside the cloud model's
    }
  },
});

const batchOf = (options: BenchOptions) => {
  const { prompts, rows, time } = lengthsOf(options);
  return { prompts, promptTokens: time, rows, time };
};

/** About what the activations of 512 tokens take in a step. */
const stepBytes = ({ vocab, layers, ffn }: ModelConfig, { recompute = false } = {}): number =>
  512 * (vocab * 16 + layers * ffn * (recompute ? 8 : 32));

/** In an order that needs the least room on the disk at a time. */
export const measurements: Readonly<Record<RealModel["role"], readonly Measurement[]>> = {
  edge: [
    quantize("int8"),
    decode("int8"),
    decode("int8-64"),
    decode("int8-128"),
    quantize("int4"),
    decode("int4"),
    decode("int4 beside Q4_1"),
    decode("int4-64"),
    decode("int4-128"),
    decode("bf16"),
    train,
    generatorStep,
    decode("f32"),
  ],
  cloud: [
    quantize("int4"),
    decode("int4"),
    decode("int4 beside Q4_1"),
    decode("int4-64"),
    decode("int4-128"),
    specialize,
    generatorStepFor("TinyLlama-1.1B"),
    generatorStepFor("Qwen2-1.5B"),
    generatorStepFor("Gemma-2-2B"),
    generatorStepFor("OPT-2.7B"),
  ],
};

/** Removes what a model's measurements left on the disk. */
export async function removeWeights(context: Context, model: RealModel): Promise<void> {
  for (const stored of ["bf16", "f32", ...quantised] as const)
    await rm(pathOf(context, model, stored), { recursive: true, force: true });
  for (const { peer } of Object.values<Decoding>(decodings))
    if (peer !== undefined) await rm(ggufPath(context, model, peer.type), { force: true });
}
