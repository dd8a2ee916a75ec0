/** @file The artefact: gates and provenance, a few hundred bytes of JSON. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { AppError } from "../base/errors.ts";
import { ensureFolder } from "../base/folder.ts";
import { readJsonFile } from "../base/json-file.ts";
import type { Pair } from "./pair.ts";

export type Specialization = {
  /** The version of lora-gen that made it. */
  readonly version: string;
  /** L rows of n gates. */
  readonly gates: readonly (readonly number[])[];
  readonly topK: number;
  readonly layers: number;
  readonly experts: number;
  /** Tokens of the prompt as given, without meta tokens. */
  readonly promptTokens: number;
  readonly truncated: boolean;
  readonly promptSha256: string;
  readonly cloudSha256: string;
  readonly edgeSha256: string;
  readonly generatorSha256: string;
  /** What it took to make; not part of the file. */
  readonly ms?: { readonly cloud: number };
};

/** Limits for untrusted files. */
export const specializationLimits = { fileBytes: 16 * 2 ** 20, layers: 1024, experts: 1024 } as const;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits");
const SpecializationFile = z.strictObject({
  format: z.literal("lora-gen specialization 1"),
  version: z.string().max(40),
  layers: z.int().min(1).max(specializationLimits.layers),
  experts: z.int().min(1).max(specializationLimits.experts),
  topK: z.int().min(1).max(specializationLimits.experts),
  /** Per layer the experts in use, each with its gate. */
  gates: z.array(z.array(z.tuple([z.int().min(0), z.number().min(-1e3).max(1e3)]))),
  promptTokens: z.int().min(1),
  truncated: z.boolean(),
  sha256: z.strictObject({ prompt: Sha256, cloud: Sha256, edge: Sha256, generator: Sha256 }),
});

export const specializationFileName = "specialization.json";

/** The shortest decimal that reads back as the same fp32. */
const shortFloat = (value: number): number => {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
};

/** The bytes of the file. */
export function encodeSpecialization(specialization: Specialization): string {
  const { version, gates, topK, layers, experts, promptTokens, truncated } = specialization;
  const { promptSha256: prompt, cloudSha256: cloud, edgeSha256: edge, generatorSha256: generator } = specialization;
  const sparse = gates.map((row) => row.flatMap((gate, expert) => (gate === 0 ? [] : [[expert, shortFloat(gate)]])));
  const sha256 = { prompt, cloud, edge, generator };
  return `${JSON.stringify({ format: "lora-gen specialization 1", version, layers, experts, topK, gates: sparse, promptTokens, truncated, sha256 })}\n`;
}

/** Writes `specialization.json` into a folder. */
export async function writeSpecialization(
  directory: string,
  specialization: Specialization,
): Promise<{ readonly file: string; readonly bytes: number }> {
  const text = encodeSpecialization(specialization);
  const file = join(directory, specializationFileName);
  await ensureFolder(directory);
  await writeFileAtomic(file, text);
  return { file, bytes: Buffer.byteLength(text) };
}

/**
 * Reads a specialisation, from its folder or file, and checks it against the pair where one is given.
 * @throws E_NOT_FOUND, E_FORMAT; E_MISMATCH naming both hashes where it was made for other weights
 */
export async function readSpecialization(path: string, pair?: Pair): Promise<Specialization> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, specializationFileName) : path;
  const parsed = await readJsonFile(file, SpecializationFile, {
    code: "E_FORMAT",
    maxBytes: specializationLimits.fileBytes,
  });
  const { layers, experts, topK, gates, version, promptTokens, truncated, sha256 } = parsed;
  if (gates.length !== layers)
    throw new AppError("E_FORMAT", `${file}: expected gates for ${layers} layers, found ${gates.length}`);
  const specialization: Specialization = {
    version,
    gates: gates.map((row, layer) => toDense(file, layer, row, experts)),
    topK,
    layers,
    experts,
    promptTokens,
    truncated,
    promptSha256: sha256.prompt,
    cloudSha256: sha256.cloud,
    edgeSha256: sha256.edge,
    generatorSha256: sha256.generator,
  };
  if (pair !== undefined) requireSamePair(file, specialization, pair);
  return specialization;
}

function toDense(file: string, layer: number, row: readonly (readonly [number, number])[], experts: number): number[] {
  const dense = new Array<number>(experts).fill(0);
  for (const [expert, gate] of row) {
    if (expert >= experts || dense[expert] !== 0)
      throw new AppError("E_FORMAT", `${file}: layer ${layer} names expert ${expert} of ${experts} wrongly or twice`);
    dense[expert] = Math.fround(gate);
  }
  return dense;
}

/** Throws E_MISMATCH where a specialisation was made for other weights. */
export function requireSamePair(what: string, specialization: Specialization, pair: Pair): void {
  const checks = [
    ["edge model", specialization.edgeSha256, pair.edge.sha256],
    ["generator", specialization.generatorSha256, pair.generator.sha256],
    ["cloud model", specialization.cloudSha256, pair.cloud.sha256],
  ] as const;
  for (const [part, wanted, found] of checks) {
    if (wanted !== found)
      throw new AppError("E_MISMATCH", `${what}: made for the ${part} ${wanted}, but this pair's is ${found}`);
  }
  const { layers, experts } = specialization;
  if (layers !== pair.shape.edge.layers || experts !== pair.shape.generator.experts) {
    throw new AppError(
      "E_MISMATCH",
      `${what}: ${layers} layers of ${experts} gates do not fit ${pair.shape.edge.layers} layers of ${pair.shape.generator.experts} experts`,
    );
  }
}
