/** @file What a service is measured with: SmolLM2 with experts that are not trained, and specialisations at random. What is measured does not depend on what they say. */
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { Rng } from "../../src/base/rng.ts";
import { version } from "../../src/base/version.ts";
import { defaultGenerator } from "../../src/generator/config.ts";
import { generatorBuffers, generatorParameters, initialValues } from "../../src/generator/parameters.ts";
import { openModel } from "../../src/models/model-file.ts";
import { writeGenerator } from "../../src/pair/generator-file.ts";
import { loadPair, type Pair, writePairFile } from "../../src/pair/pair-file.ts";
import type { Specialization } from "../../src/pair/specialization.ts";
import type { BenchOptions } from "./bench.ts";
import { benchPair, publishedModel } from "./bench-pair.ts";

/** A pair in a folder of its own, or the one that the options name. */
export async function openServedPair(folder: string, rng: Rng, options: BenchOptions): Promise<Pair> {
  if (options.pair !== undefined || options.quick) return benchPair(options);
  const directory = join(folder, "pair");
  await mkdir(directory, { recursive: true });
  await symlink(publishedModel, join(directory, "model.gguf"));
  const { config } = await openModel(publishedModel);
  const shape = { cloud: config, edge: config, generator: defaultGenerator };
  const parameters = initialValues(generatorParameters(shape), rng);
  for (const [name, values] of parameters) if (/\.(lora_B|B)$/.test(name)) rng.split(name).fillNormal(values, 0.05);
  await writeGenerator(join(directory, "generator"), shape, parameters, initialValues(generatorBuffers(shape), rng));
  const layout = { kind: "chat-template" } as const;
  await writePairFile(directory, { name: "smollm2", cloud: "model.gguf", edge: "model.gguf", layout });
  return loadPair(directory);
}

/** Two of n experts in every layer, at random, without a constraint. */
export function randomSpecialization({ shape, cloud, edge, generator }: Pair, rng: Rng): Specialization {
  const { experts, topK } = shape.generator;
  const gates = Array.from({ length: shape.edge.layers }, () => {
    const row = new Array<number>(experts).fill(0);
    const [first, second] = rng.shuffle(Array.from({ length: experts }, (_, i) => i));
    const share = rng.next();
    row[first!] = share;
    row[second!] = 1 - share;
    return row;
  });
  const hashes = { cloudSha256: cloud.sha256, edgeSha256: edge.sha256, generatorSha256: generator.sha256 };
  const about = { version, topK, layers: gates.length, experts, promptTokens: 600, truncated: false };
  return { ...about, gates, ...hashes };
}

/** Short questions of a shop's customers. */
export const questions = [
  "where is my parcel, it should have been here on monday",
  "i was charged twice for the same order",
  "can you tell me how to change my address before friday",
  "the screen stays black after the update",
  "please cancel everything i ordered this week",
] as const;
