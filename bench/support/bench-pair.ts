/** @file The pair that a benchmark uses: a given one, the shipped one, or random weights of the shipped one's shape. */
import { access, cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createRng } from "../../src/base/rng.ts";
import { defaultGenerator } from "../../src/generator/config.ts";
import {
  generatorBuffers,
  generatorParameters,
  initialValues,
  type PairShape,
} from "../../src/generator/parameters.ts";
import { saveModel } from "../../src/models/model-file.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { writeGenerator } from "../../src/pair/generator-file.ts";
import { loadPair, type Pair, writePairFile } from "../../src/pair/pair-file.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../../src/text/prompt.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import type { BenchOptions } from "./bench.ts";
import { projectRoot } from "./machine.ts";
import { cacheFolder, llamaShape, randomTensor } from "./problem.ts";

const shipped = join(projectRoot, "pairs/assistant");
const cloud = { hidden: 384, ffn: 1088, layers: 6, heads: 6, kvHeads: 2, context: 1024, tied: true } as const;
const edge = { hidden: 256, ffn: 640, layers: 5, heads: 4, kvHeads: 2, context: 1024, tied: true } as const;

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

export async function benchPair({ pair, log }: Pick<BenchOptions, "pair" | "log">): Promise<Pair> {
  if (pair !== undefined) return loadPair(pair);
  if (await exists(join(shipped, "pair.json"))) return loadPair(shipped);
  log(`pair: no ${shipped}/pair.json; using random weights of its shape`);
  return loadPair(await randomPair());
}

/** Writes the random pair into the cache and returns its folder. */
async function randomPair(): Promise<string> {
  const directory = join(cacheFolder, "random-pair");
  const tokenizer = await loadTokenizer(join(shipped, "tokenizer"));
  const shape: PairShape = {
    cloud: llamaShape({ ...cloud, vocab: tokenizer.vocabSize }),
    edge: llamaShape({ ...edge, vocab: tokenizer.vocabSize }),
    generator: defaultGenerator,
  };
  for (const part of ["cloud", "edge"] as const) {
    const tensors = [...parameterShapes(shape[part])].map(
      ([name, size]) => [name, randomTensor(part, name, size)] as const,
    );
    await saveModel(join(directory, part), shape[part], new Map(tensors));
  }
  const rng = createRng("random pair");
  const parameters = initialValues(generatorParameters(shape), rng);
  for (const [name, values] of parameters) if (/\.(lora_B|B)$/.test(name)) rng.split(name).fillNormal(values, 0.02);
  await writeGenerator(join(directory, "generator"), shape, parameters, initialValues(generatorBuffers(shape), rng));
  await mkdir(join(directory, "tokenizer"), { recursive: true });
  await cp(join(shipped, "tokenizer"), join(directory, "tokenizer"), { recursive: true });
  await writePairFile(directory, { name: "random", layout: SPECIAL_TOKEN_LAYOUT });
  return directory;
}
