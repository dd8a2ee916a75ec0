/** @file A pair of two models that lie elsewhere, with an untrained generator: what a specialisation costs, not what it says. */
import { cp, mkdir, rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createRng } from "../../src/base/rng.ts";
import { defaultGenerator } from "../../src/generator/config.ts";
import {
  generatorBuffers,
  generatorParameters,
  initialValues,
  type PairShape,
} from "../../src/generator/parameters.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { writeGenerator } from "../../src/pair/generator-file.ts";
import { writePairFile } from "../../src/pair/pair-file.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../../src/text/prompt.ts";
import { projectRoot } from "../support/machine.ts";

type Part = { readonly directory: string; readonly config: ModelConfig };

/** The tokenizer that every model of random weights gets; models have room for more tokens. */
export const benchTokenizer = join(projectRoot, "test/fixtures/tokenizer");

/** Writes the pair anew: links to both models, and the paper's generator with experts that are not zero. */
export async function writeBenchPair(directory: string, cloud: Part, edge: Part): Promise<PairShape> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await symlink(resolve(cloud.directory), join(directory, "cloud"));
  await symlink(resolve(edge.directory), join(directory, "edge"));
  await cp(benchTokenizer, join(directory, "tokenizer"), { recursive: true });
  const targets = defaultGenerator.targets.filter((target) => target !== "gate" || edge.config.modelType !== "opt");
  const shape: PairShape = { cloud: cloud.config, edge: edge.config, generator: { ...defaultGenerator, targets } };
  const rng = createRng("real-size pair");
  const parameters = initialValues(generatorParameters(shape), rng);
  for (const [name, values] of parameters) if (/\.(lora_B|B)$/.test(name)) rng.split(name).fillNormal(values, 0.02);
  await writeGenerator(join(directory, "generator"), shape, parameters, initialValues(generatorBuffers(shape), rng));
  await writePairFile(directory, { name: "real-size", layout: SPECIAL_TOKEN_LAYOUT });
  return shape;
}
