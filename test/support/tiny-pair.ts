/** @file A whole pair with random weights, small enough for any test: two-layer models, a tokenizer of 4,096 tokens; and specialisations of it. */
import { mkdtempSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createRng } from "../../src/base/rng.ts";
import { version } from "../../src/base/version.ts";
import { GeneratorConfig } from "../../src/generator/config.ts";
import {
  generatorBuffers,
  generatorFrozen,
  generatorParameters,
  initialValues,
  type PairShape,
} from "../../src/generator/parameters.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { saveModel } from "../../src/models/model-file.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { writeGenerator } from "../../src/pair/generator-file.ts";
import { loadPair, type Pair, type PairOptions, writePairFile } from "../../src/pair/pair-file.ts";
import type { Specialization } from "../../src/pair/specialization.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../../src/text/prompt.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { randomLlama } from "./random-llama.ts";

/** A byte-level tokenizer, its special tokens first. */
export const testTokenizer = resolve(import.meta.dirname, "../fixtures/tokenizer");

export type TinyPairOptions = {
  readonly seed?: number;
  readonly context?: number;
  readonly generator?: Partial<GeneratorConfig>;
  /** Changes to the shapes of the models: other sizes, other architectures. */
  readonly cloud?: Partial<ModelConfig>;
  readonly edge?: Partial<ModelConfig>;
};

/** Writes the pair, determined by the options: the same seed gives the same bytes. */
export async function writeTinyPair(
  directory: string,
  { seed = 0, context = 256, generator = {}, ...changes }: TinyPairOptions = {},
): Promise<PairShape> {
  const tokenizer = await loadTokenizer(testTokenizer);
  const rng = createRng(`tiny pair ${seed}`);
  const { vocabSize: vocab, bosId, eosId } = tokenizer;
  const models = Object.fromEntries(
    (["cloud", "edge"] as const).map((part) => [
      part,
      randomLlama({
        seed: seed * 2 + (part === "cloud" ? 0 : 1),
        vocab,
        context,
        bosId,
        eosIds: [eosId!],
        ...changes[part],
      }),
    ]),
  ) as Record<"cloud" | "edge", ReturnType<typeof randomLlama>>;
  const config = GeneratorConfig.parse({ experts: 4, topK: 2, rank: 4, alpha: 8, cloudRank: 4, ...generator });
  const cloud = { ...models.cloud.config, layers: config.cloudLayers ?? models.cloud.config.layers };
  const shape: PairShape = { cloud, edge: models.edge.config, generator: config };
  for (const part of ["cloud", "edge"] as const) {
    const values = (name: string) => (models[part].weights[name] as { data: Float32Array }).data;
    const { config } = models[part];
    const tensors = new Map([...parameterShapes(config).keys()].map((name) => [name, values(name)]));
    await saveModel(join(directory, part), config, tensors);
  }
  const parameters = initialValues(generatorParameters(shape), rng.split("generator"));
  // A fresh generator changes nothing (B = 0) and hardly tells prompts apart; this one does both.
  for (const [name, values] of parameters) {
    if (/\.(lora_B|B)$/.test(name)) rng.split(name).fillNormal(values, 1);
    if (/^router\.f\d\.weight$/.test(name)) rng.split(name).fillNormal(values, 1);
    if (/^factors\./.test(name)) rng.split(name).fillNormal(values, 1);
  }
  // Where singular values are scaled, any vectors do: nothing here asks for orthogonal ones.
  const frozen = new Map(
    [...generatorFrozen(shape)].map(
      ([
        name,
        {
          shape: [rows, width],
        },
      ]) => {
        const deviation = name.endsWith(".u") ? 1 : 1 / Math.sqrt(width!);
        return [name, rng.split(name).fillNormal(new Float32Array(rows! * width!), deviation)] as const;
      },
    ),
  );
  const buffers = initialValues(generatorBuffers(shape), rng.split("buffers"));
  await writeGenerator(join(directory, "generator"), shape, parameters, buffers, { frozen });
  await mkdir(join(directory, "tokenizer"), { recursive: true });
  for (const name of ["tokenizer.json", "tokenizer_config.json"])
    await copyFile(join(testTokenizer, name), join(directory, "tokenizer", name));
  await writePairFile(directory, { name: `tiny ${seed}`, layout: SPECIAL_TOKEN_LAYOUT });
  return shape;
}

/** The pair opened, from a folder of its own. */
export async function openTinyPair(options: TinyPairOptions = {}, opening: PairOptions = {}): Promise<Pair> {
  const directory = mkdtempSync(join(tmpdir(), "tiny-pair-"));
  await writeTinyPair(directory, options);
  return loadPair(directory, opening);
}

type Known = { readonly sha256: string };

/** What a specialiser writes for a pair of these hashes where the gates are (layers, experts), two of them kept. */
export const specializationOf = (
  pair: { readonly cloud: Known; readonly edge: Known; readonly generator: Known },
  gates: readonly (readonly number[])[],
  changes: Partial<Specialization> = {},
): Specialization => ({
  version,
  gates,
  topK: 2,
  layers: gates.length,
  experts: gates[0]!.length,
  promptTokens: 10,
  truncated: false,
  promptHmac: "0".repeat(64),
  cloudSha256: pair.cloud.sha256,
  edgeSha256: pair.edge.sha256,
  generatorSha256: pair.generator.sha256,
  ...changes,
});
