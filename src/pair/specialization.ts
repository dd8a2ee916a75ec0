/** @file The artefact as text: gates, provenance and the constraint of its answers; a few hundred bytes of JSON. */
import { z } from "zod";
import { base64ToHex, hexToBase64 } from "../base/base64.ts";
import { AppError } from "../base/errors.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import { Sha256 } from "../base/sha256.ts";
import { utf8Length } from "../base/utf8.ts";
import { ConstraintSection, type ConstraintSpec, requireSpec } from "../constraint/spec.ts";
import { gateCount, generations } from "../generator/generations.ts";
import type { PairShape } from "../generator/parameters.ts";
import { BlockSize, type ResolvedQuantization } from "../models/quantized/layout.ts";
import { maxGate, packGates, unpackGates } from "./packed-gates.ts";
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
  /** HMAC-SHA-256 of the prompt by a secret of whoever made it, who finds it again by it; nobody else learns anything. None: anonymous. */
  readonly promptHmac?: string;
  readonly cloudSha256: string;
  readonly edgeSha256: string;
  readonly generatorSha256: string;
  /** How the cloud model was held, where it was quantised: other gates than those of its own weights. Of a combination, the coarsest. */
  readonly cloudQuantization?: ResolvedQuantization;
  /** Of a prompt that is unlike those that the generator was trained on; known only where the pair says which prompts it knows. */
  readonly unlike?: true;
  /** What the prompt demands of an answer's form. Gates cannot carry it. */
  readonly constraint?: ConstraintSpec;
  /** How the gates were found from labelled examples, those set aside to choose by among them. Without it a prompt predicted them. */
  readonly found?: { readonly way: "searched" | "learnt"; readonly examples: number };
  /** What it took to make; not part of the file. */
  readonly ms?: { readonly cloud: number };
};

/**
 * Limits for untrusted files. `experts` and `numbers` (in all layers) let a direct generator read a cloud model of width 16,384 for an edge
 * model of 128 layers: as many numbers, however they are spelled, are less than `fileBytes`.
 */
export const specializationLimits = { fileBytes: 16 * 2 ** 20, layers: 1024, experts: 4096, numbers: 2 ** 19 } as const;

/** What both formats say. */
const common = {
  version: z.string().regex(/^\P{C}{1,40}$/u, "expected up to 40 printable characters"),
  layers: z.int().min(1).max(specializationLimits.layers),
  experts: z.int().min(1).max(specializationLimits.experts),
  topK: z.int().min(1).max(specializationLimits.experts),
  promptTokens: z.int().min(1),
  truncated: z.boolean(),
  cloudQuantization: z
    .strictObject({
      bits: z.literal([4, 8]),
      blockSize: BlockSize,
      symmetric: z.boolean(),
      tableBlockSize: BlockSize.optional(), // files from before tables had blocks of their own do not tell them
    })
    .transform(({ tableBlockSize, ...held }) => ({ ...held, tableBlockSize: tableBlockSize ?? held.blockSize }))
    .optional(),
} as const;

/** A SHA-256 in 43 letters. */
const ShortSha256 = z.string().transform((text, context) => {
  const hex = base64ToHex(text);
  if (hex?.length === 64) return hex;
  context.addIssue("expected 32 bytes in base64");
  return z.NEVER;
});

const formats = { first: "lora-gen specialization 1", current: "lora-gen specialization 2" } as const;

/** Gates as numbers, a SHA-256 of the prompt that confirms a guess of it: read, and the hash forgotten. */
const FirstFile = z.strictObject({
  format: z.literal(formats.first),
  ...common,
  /** Per layer the experts in use, each with its gate. */
  gates: z.array(z.array(z.tuple([z.int().min(0), z.number().min(-maxGate).max(maxGate)]))),
  sha256: z.strictObject({ prompt: Sha256, cloud: Sha256, edge: Sha256, generator: Sha256 }),
});

const CurrentFile = z.strictObject({
  format: z.literal(formats.current),
  ...common,
  /** See `packGates`. */
  gates: z.string(),
  sha256: z.strictObject({ cloud: ShortSha256, edge: ShortSha256, generator: ShortSha256 }),
  promptHmac: ShortSha256.optional(),
  found: z.strictObject({ way: z.enum(["searched", "learnt"]), examples: z.int().min(2) }).optional(),
  unlike: z.literal(true).optional(),
  constraint: ConstraintSection.optional(),
});

const SpecializationFile = z.discriminatedUnion("format", [FirstFile, CurrentFile]);

/** The bytes of the file. Gates are rounded to fp16. */
export function encodeSpecialization(specialization: Specialization): string {
  const { version, gates, topK, layers, experts, promptTokens, truncated, promptHmac } = specialization;
  const { found, cloudQuantization, unlike, constraint } = specialization;
  return `${JSON.stringify({
    format: formats.current,
    version,
    layers,
    experts,
    topK,
    gates: packGates(gates, experts),
    promptTokens,
    truncated,
    sha256: {
      cloud: hexToBase64(specialization.cloudSha256),
      edge: hexToBase64(specialization.edgeSha256),
      generator: hexToBase64(specialization.generatorSha256),
    },
    promptHmac: promptHmac && hexToBase64(promptHmac),
    found,
    cloudQuantization,
    unlike,
    constraint,
  })}\n`;
}

/** Of these bytes, those of the constraint's section. */
export const constraintBytes = ({ constraint }: Pick<Specialization, "constraint">): number =>
  constraint === undefined ? 0 : utf8Length(`,"constraint":${JSON.stringify(constraint)}`);

/** Reads what such a file says, of this format or the one before. `file` names it in errors. Throws E_LIMIT, E_FORMAT. */
export function parseSpecialization(text: string, file: string): Specialization {
  const json = parseJson(text, { what: file, maxBytes: specializationLimits.fileBytes, uniqueKeys: true });
  const parsed = checkSchema(json, SpecializationFile, { what: file });
  const { layers, experts, topK, version, promptTokens, truncated, sha256, cloudQuantization } = parsed;
  if (layers * experts > specializationLimits.numbers)
    throw new AppError(
      "E_LIMIT",
      `${file}: ${layers} layers of ${experts} numbers, the limit is ${specializationLimits.numbers} in all`,
    );
  if (topK > experts)
    throw new AppError("E_FORMAT", `${file}: topK: expected at most ${experts}, as many as experts, found ${topK}`);
  const isCurrent = parsed.format === formats.current;
  return {
    version,
    gates: isCurrent ? unpackGates(parsed.gates, parsed, file) : listedGates(parsed, file),
    topK,
    layers,
    experts,
    promptTokens,
    truncated,
    ...(isCurrent && parsed.promptHmac !== undefined ? { promptHmac: parsed.promptHmac } : {}),
    cloudSha256: sha256.cloud,
    edgeSha256: sha256.edge,
    generatorSha256: sha256.generator,
    ...(isCurrent && parsed.found !== undefined ? { found: parsed.found } : {}),
    ...(cloudQuantization === undefined ? {} : { cloudQuantization }),
    ...(isCurrent && parsed.unlike === true ? { unlike: true } : {}),
    ...(isCurrent && parsed.constraint !== undefined ? { constraint: requireSpec(parsed.constraint, file) } : {}),
  };
}

/** The gates of a file of the first format. */
function listedGates({ gates, layers, experts, topK }: z.infer<typeof FirstFile>, file: string): number[][] {
  if (gates.length !== layers)
    throw new AppError("E_FORMAT", `${file}: expected gates for ${layers} layers, found ${gates.length}`);
  gates.forEach((row, layer) => {
    if (row.length > topK)
      throw new AppError("E_FORMAT", `${file}: layer ${layer}: expected at most ${topK} gates, found ${row.length}`);
  });
  return gates.map((row, layer) => toDense(file, layer, row, experts));
}

/** Throws E_LIMIT where what a generator makes for a pair of this shape would not fit a file. */
export function requireSpecializable(shape: PairShape): void {
  const { layers } = shape.edge;
  const width = gateCount(shape);
  const row = generations[shape.generator.generation].describe(width);
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
