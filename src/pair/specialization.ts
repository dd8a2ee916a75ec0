/** @file The artefact as text: gates and provenance, a few hundred bytes of JSON. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import { Sha256 } from "../base/sha256.ts";
import { gateCount } from "../generator/direct.ts";
import type { PairShape } from "../generator/parameters.ts";
import { BlockSize, type ResolvedQuantization } from "../models/quantized/layout.ts";
import type { EdgePair } from "./pair.ts";
import type { Pair } from "./pair-file.ts";

export type Specialization = {
  /** The version of lora-gen that made it. */
  readonly version: string;
  /**
   * L rows of n gates. Of a generator that mixes A and B apart the n of A and the n of B, of a direct one hidden states: `experts` is
   * how many numbers a row has.
   */
  readonly gates: readonly (readonly number[])[];
  /** The most gates of one layer that are not zero. */
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
  /** How the cloud model was held, where it was quantised: other gates than those of its own weights. Of a combination, the coarsest. */
  readonly cloudQuantization?: ResolvedQuantization;
  /** What it took to make; not part of the file. */
  readonly ms?: { readonly cloud: number };
};

/**
 * Limits for untrusted files. `experts` and `numbers` (in all layers) let a direct generator read a cloud model of width 16,384 for an edge
 * model of 128 layers: as many numbers, however they are spelled, are less than `fileBytes`.
 */
export const specializationLimits = { fileBytes: 16 * 2 ** 20, layers: 1024, experts: 4096, numbers: 2 ** 19 } as const;

const SpecializationFile = z.strictObject({
  format: z.literal("lora-gen specialization 1"),
  version: z.string().regex(/^\P{C}{1,40}$/u, "expected up to 40 printable characters"),
  layers: z.int().min(1).max(specializationLimits.layers),
  experts: z.int().min(1).max(specializationLimits.experts),
  topK: z.int().min(1).max(specializationLimits.experts),
  /** Per layer the experts in use, each with its gate. */
  gates: z.array(z.array(z.tuple([z.int().min(0), z.number().min(-1e3).max(1e3)]))),
  promptTokens: z.int().min(1),
  truncated: z.boolean(),
  sha256: z.strictObject({ prompt: Sha256, cloud: Sha256, edge: Sha256, generator: Sha256 }),
  cloudQuantization: z
    .strictObject({
      bits: z.literal([4, 8]),
      blockSize: BlockSize,
      symmetric: z.boolean(),
      tableBlockSize: BlockSize.optional(), // files from before tables had blocks of their own do not tell them
    })
    .transform(({ tableBlockSize, ...held }) => ({ ...held, tableBlockSize: tableBlockSize ?? held.blockSize }))
    .optional(),
});

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
  const { cloudQuantization } = specialization;
  const sparse = gates.map((row) => row.flatMap((gate, expert) => (gate === 0 ? [] : [[expert, shortFloat(gate)]])));
  const sha256 = { prompt, cloud, edge, generator };
  return `${JSON.stringify({ format: "lora-gen specialization 1", version, layers, experts, topK, gates: sparse, promptTokens, truncated, sha256, cloudQuantization })}\n`;
}

/** Reads what such a file says. `file` names it in errors. Throws E_LIMIT, E_FORMAT. */
export function parseSpecialization(text: string, file: string): Specialization {
  const json = parseJson(text, { what: file, maxBytes: specializationLimits.fileBytes });
  const parsed = checkSchema(json, SpecializationFile, { what: file });
  const { layers, experts, topK, gates, version, promptTokens, truncated, sha256, cloudQuantization } = parsed;
  if (layers * experts > specializationLimits.numbers)
    throw new AppError(
      "E_LIMIT",
      `${file}: ${layers} layers of ${experts} numbers, the limit is ${specializationLimits.numbers} in all`,
    );
  if (gates.length !== layers)
    throw new AppError("E_FORMAT", `${file}: expected gates for ${layers} layers, found ${gates.length}`);
  if (topK > experts)
    throw new AppError("E_FORMAT", `${file}: topK: expected at most ${experts}, as many as experts, found ${topK}`);
  gates.forEach((row, layer) => {
    if (row.length > topK)
      throw new AppError("E_FORMAT", `${file}: layer ${layer}: expected at most ${topK} gates, found ${row.length}`);
  });
  return {
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
    ...(cloudQuantization === undefined ? {} : { cloudQuantization }),
  };
}

/** Throws E_LIMIT where what a generator makes for a pair of this shape would not fit a file. */
export function requireSpecializable(shape: PairShape): void {
  const { layers } = shape.edge;
  const width = gateCount(shape);
  const isDirect = shape.generator.generation === "direct";
  const row = isDirect ? `a hidden state of ${width} numbers (generator.routerHidden)` : `${width} gates`;
  const refuse = (found: string, limit: string) => {
    throw new AppError("E_LIMIT", `${found}: a specialisation file has at most ${limit}`);
  };
  const limits = specializationLimits;
  if (layers > limits.layers) refuse(`an edge model of ${layers} layers`, `${limits.layers}`);
  if (width > limits.experts) refuse(row, `${limits.experts} per layer`);
  if (layers * width > limits.numbers) refuse(`${row} for each of ${layers} layers`, `${limits.numbers} in all`);
}

function toDense(file: string, layer: number, row: readonly (readonly [number, number])[], experts: number): number[] {
  const dense = new Array<number>(experts).fill(0);
  const named = new Set<number>();
  for (const [expert, gate] of row) {
    if (expert >= experts || named.has(expert))
      throw new AppError("E_FORMAT", `${file}: layer ${layer} names expert ${expert} of ${experts} wrongly or twice`);
    named.add(expert);
    dense[expert] = Math.fround(gate) + 0; // -0 becomes 0, as it would be written
  }
  return dense;
}

/** What a specialisation is checked against: all of a pair, or the part of it that specialised models need. */
export type PairIdentity = Pick<EdgePair, "edge" | "generator" | "shape"> & Partial<Pick<Pair, "cloud">>;

/** Throws E_MISMATCH where a specialisation was made for other weights. Without a cloud model its hash is not compared. */
export function requireSamePair(what: string, specialization: Specialization, pair: PairIdentity): void {
  const checks = [
    ["edge model", specialization.edgeSha256, pair.edge.sha256],
    ["generator", specialization.generatorSha256, pair.generator.sha256],
    ["cloud model", specialization.cloudSha256, pair.cloud?.sha256 ?? specialization.cloudSha256],
  ] as const;
  for (const [part, wanted, found] of checks) {
    if (wanted !== found)
      throw new AppError("E_MISMATCH", `${what}: made for the ${part} ${wanted}, but this pair's is ${found}`);
  }
  const { layers, experts } = specialization;
  if (layers !== pair.shape.edge.layers || experts !== gateCount(pair.shape)) {
    throw new AppError(
      "E_MISMATCH",
      `${what}: ${layers} layers of ${experts} gates do not fit ${pair.shape.edge.layers} layers of ${gateCount(pair.shape)} experts`,
    );
  }
}
