/**
 * @file Which prompts a generator knows: where the prompts that it was trained on lie among the cloud model's hidden states, so that one
 * that lies elsewhere is noticed. Mahalanobis distance (Lee et al. 2018) by a few principal components and one variance for all other
 * directions.
 */
import { z } from "zod";
import { decodeBase64, encodeBase64 } from "../base/base64.ts";
import { AppError } from "../base/errors.ts";
import { float16ToFloat32, float32ToFloat16 } from "../base/half.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import { Sha256 } from "../base/sha256.ts";
import type { Model } from "../models/model.ts";

export type KnownPrompts = {
  /** Of cloud layers 1 … Lc, the one whose output is read. */
  readonly layer: number;
  /** Of the training prompts' states: (d). */
  readonly mean: Float32Array;
  /** Directions in which they differ most, of length 1 and at right angles: (k, d). */
  readonly components: readonly Float32Array[];
  /** Along each of them, and along any other direction. */
  readonly variances: readonly number[];
  readonly otherVariance: number;
  /** Prompts whose distance is larger are unlike those of the training. */
  readonly threshold: number;
  /** Training prompts that the states are of, validation prompts that the threshold was chosen on, and the share of these beyond it. */
  readonly prompts: number;
  readonly validationPrompts: number;
  readonly beyond: number;
  /** The generator whose LoRA and meta tokens the cloud model had. */
  readonly generatorSha256: string;
  /** The cloud model, however its weights were held. */
  readonly cloudSha256: string;
};

/** Limits for untrusted files; the largest has 21 components of the widest state, or 256 of one of 1,024. */
export const knownPromptsLimits = { fileBytes: 2 ** 20, components: 256, width: 16_384 } as const;

/** Beside `generator.json`. */
export const knownPromptsName = "known-prompts.json";

const format = "lora-gen known prompts 1";
const Positive = z.number().positive().max(1e30);

const KnownPromptsFile = z.strictObject({
  format: z.literal(format),
  layer: z.int().min(1).max(1024),
  width: z.int().min(1).max(knownPromptsLimits.width),
  /** fp32, little-endian. */
  mean: z.string(),
  /** fp16, one component after the other. */
  components: z.string(),
  variances: z.array(Positive).min(1).max(knownPromptsLimits.components),
  otherVariance: Positive,
  threshold: Positive,
  prompts: z.int().min(2),
  validationPrompts: z.int().min(1),
  beyond: z.number().min(0).max(1),
  generatorSha256: Sha256,
  cloudSha256: Sha256,
});

/** The file's text. Components are rounded to fp16. */
export function encodeKnownPrompts({ mean, components, variances, ...rest }: KnownPrompts): string {
  const halves = components.map((component) => float32ToFloat16(component));
  const file: z.infer<typeof KnownPromptsFile> = {
    format,
    ...rest,
    width: mean.length,
    variances: [...variances],
    mean: encodeBase64(littleEndian(mean.length, 4, (view, i) => view.setFloat32(4 * i, mean[i]!, true))),
    components: encodeBase64(
      littleEndian(halves.length * mean.length, 2, (view, i) =>
        view.setUint16(2 * i, halves[Math.floor(i / mean.length)]![i % mean.length]!, true),
      ),
    ),
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

function littleEndian(count: number, bytes: number, put: (view: DataView, i: number) => void): Uint8Array {
  const buffer = new ArrayBuffer(count * bytes);
  const view = new DataView(buffer);
  for (let i = 0; i < count; i++) put(view, i);
  return new Uint8Array(buffer);
}

/** Reads what such a file says; `file` names it in errors. Throws E_LIMIT, E_FORMAT. */
export function parseKnownPrompts(text: string, file: string): KnownPrompts {
  const json = parseJson(text, { what: file, maxBytes: knownPromptsLimits.fileBytes, uniqueKeys: true });
  const { format: _, width, ...parsed } = checkSchema(json, KnownPromptsFile, { what: file });
  const take = (name: "mean" | "components", count: number, bytes: number): DataView => {
    const found = decodeBase64(parsed[name]);
    if (found?.length === count * bytes) return new DataView(found.buffer, found.byteOffset, found.byteLength);
    const what = found === undefined ? "no base64" : `${found.length} bytes`;
    throw new AppError("E_FORMAT", `${file}: ${name}: expected ${count * bytes} bytes in base64, found ${what}`);
  };
  const ofMean = take("mean", width, 4);
  const count = parsed.variances.length;
  const ofComponents = take("components", count * width, 2);
  const mean = Float32Array.from({ length: width }, (_, i) => ofMean.getFloat32(4 * i, true));
  const components = Array.from({ length: count }, (_, k) =>
    float16ToFloat32(Uint16Array.from({ length: width }, (_, i) => ofComponents.getUint16(2 * (k * width + i), true))),
  );
  if (![mean, ...components].every((values) => values.every(Number.isFinite)))
    throw new AppError("E_FORMAT", `${file}: expected finite numbers, found NaN or infinity`);
  return { ...parsed, mean, components };
}

/** The weights that states depend on. */
type MeasuredWith = Pick<KnownPrompts, "generatorSha256" | "cloudSha256">;
type Weights = { readonly generatorSha256: string; readonly cloudSha256?: string | undefined };

/** What differs from the weights that are there, and what to do; undefined where nothing does. Compares a cloud model where one is given. */
export function whyStale(known: MeasuredWith, { generatorSha256, cloudSha256 }: Weights): string | undefined {
  for (const [part, was, is] of [
    ["generator", known.generatorSha256, generatorSha256],
    ["cloud model", known.cloudSha256, cloudSha256],
  ] as const)
    if (is !== undefined && was !== is)
      return `measured with the ${part} ${was}, but this one is ${is}: measure it again with loragen known-prompts, or delete the file`;
  return undefined;
}

/** Throws E_MISMATCH for what was measured with another generator or another cloud model. */
export function requireMeasuredWith(file: string, known: MeasuredWith, weights: MeasuredWith): void {
  const stale = whyStale(known, weights);
  if (stale !== undefined) throw new AppError("E_MISMATCH", `${file}: ${stale}`);
}

/** Throws E_FORMAT where the cloud model has no such layer, or states of another width. */
export function requireStatesOf(file: string, { layer, mean }: KnownPrompts, { config }: Pick<Model, "config">): void {
  const { layers, hidden } = config;
  if (layer > layers || mean.length !== hidden)
    throw new AppError(
      "E_FORMAT",
      `${file}: expected states of ${hidden} numbers of one of ${layers} layers, found ${mean.length} of layer ${layer}`,
    );
}

type Spread = Pick<KnownPrompts, "mean" | "components" | "variances" | "otherVariance">;

/** How far a state lies from those of the training prompts: about 1 on average over them. */
export function stateDistance({ mean, components, variances, otherVariance }: Spread, state: Float32Array): number {
  const centred = state.map((value, i) => value - mean[i]!);
  let other = dot(centred, centred);
  let sum = 0;
  components.forEach((component, k) => {
    const along = dot(centred, component) ** 2;
    other -= along;
    sum += along / variances[k]!;
  });
  return Math.sqrt((sum + Math.max(0, other) / otherVariance) / mean.length);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Whether a prompt of such a state is unlike those of the training. What is no number is no state that was seen. */
export const isUnlike = (known: KnownPrompts, state: Float32Array): boolean =>
  !(stateDistance(known, state) <= known.threshold);
