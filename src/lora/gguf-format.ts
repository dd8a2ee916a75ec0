/** @file LoRA adapters for llama.cpp: a GGUF file of general.type "adapter". */
import { AppError } from "../base/errors.ts";
import { type GgufField, openGguf, readGgufTensor, requireReadable } from "../files/gguf/read.ts";
import { pairRows, unpairRows } from "../files/gguf/rows.ts";
import { type GgufTensorToWrite, writeGguf } from "../files/gguf/write.ts";
import { type Adapter, adapterRank, type LowRank, padRank, requireFinite, transpose } from "./low-rank.ts";
import { refuseMismatches } from "./mismatch.ts";

/** Where llama.cpp keeps an adapted weight of the base model. */
export type AdapterPlace = {
  readonly name: string;
  /** Heads whose rows are stored in pairs; undefined: rows are as they are. */
  readonly pairedHeads: number | undefined;
};

export type GgufAdapterOptions = {
  /** The base model's `general.architecture`. */
  readonly architecture: string;
  /** Name in the checkpoint → place in the base model's GGUF file. */
  readonly places: ReadonlyMap<string, AdapterPlace>;
  readonly type?: "F32" | "F16";
  /** Further metadata. */
  readonly about?: ReadonlyMap<string, GgufField>;
};

/**
 * Writes an adapter. All parts get the rank of the largest, the others padded with zeros; scales are folded into B, so that
 * `adapter.lora.alpha` is the rank.
 */
export async function writeGgufAdapter(path: string, adapter: Adapter, options: GgufAdapterOptions): Promise<void> {
  const { architecture, places, type = "F32", about = new Map() } = options;
  const rank = adapterRank(adapter);
  if (rank === 0) throw new AppError("E_MISMATCH", "GGUF: the adapter changes nothing: no part of it has a rank");
  const fields = new Map<string, GgufField>([
    ["general.architecture", { type: "string", value: architecture }],
    ["general.type", { type: "string", value: "adapter" }],
    ["adapter.type", { type: "string", value: "lora" }],
    ["adapter.lora.alpha", { type: "f32", value: rank }],
    ["general.file_type", { type: "u32", value: type === "F32" ? 0 : 1 }],
    ...about,
  ]);
  const tensors = [...adapter].flatMap(([weight, change]): GgufTensorToWrite[] => {
    const place = places.get(weight);
    if (place === undefined) throw new Error(`internal: no place for "${weight}"`);
    const { a, b, inputs, outputs } = padRank(change, rank);
    const rows = () => {
      const byOutput = transpose(b, rank, outputs);
      return place.pairedHeads === undefined ? byOutput : pairRows(byOutput, rank, place.pairedHeads);
    };
    return [
      { name: `${place.name}.lora_a`, type, shape: [rank, inputs], data: () => a },
      { name: `${place.name}.lora_b`, type, shape: [outputs, rank], data: rows },
    ];
  });
  await writeGguf(path, fields, tensors);
}

/**
 * Reads an adapter for a base model of these weights (name → shape). Scales are folded into B.
 * @throws E_NOT_FOUND, E_FORMAT, E_LIMIT, E_DTYPE; E_MISMATCH listing every tensor that does not fit; E_NAN
 */
export async function readGgufAdapter(
  path: string,
  shapes: ReadonlyMap<string, readonly number[]>,
  { architecture, places }: Pick<GgufAdapterOptions, "architecture" | "places">,
): Promise<Adapter> {
  const file = await openGguf(path);
  requireReadable(file);
  const value = (key: string) => file.metadata.get(key)?.value;
  if (value("general.type") !== "adapter" || value("adapter.type") !== "lora")
    throw new AppError("E_FORMAT", `${path}: expected general.type "adapter" and adapter.type "lora"`);
  const alpha = value("adapter.lora.alpha");
  if (typeof alpha !== "number" || !Number.isFinite(alpha))
    throw new AppError("E_FORMAT", `${path}: expected a finite number as adapter.lora.alpha`);
  const problems: string[] = [];
  if (value("general.architecture") !== architecture)
    problems.push(`made for ${String(value("general.architecture")).slice(0, 60)}, the base model is ${architecture}`);
  const names = new Set(file.tensors.keys());
  const found: { weight: string; a: string; b: string; place: AdapterPlace; rank: number; sizes: [number, number] }[] =
    [];
  for (const [weight, place] of places) {
    const [a, b] = [`${place.name}.lora_a`, `${place.name}.lora_b`];
    const [aShape, bShape] = [file.tensors.get(a)?.shape, file.tensors.get(b)?.shape];
    if (aShape === undefined && bShape === undefined) continue;
    names.delete(a);
    names.delete(b);
    const shape = shapes.get(weight);
    const rank = aShape?.[0];
    if (shape?.length !== 2) problems.push(`${place.name}: is no linear map`);
    else if (rank === undefined || bShape === undefined)
      problems.push(`${place.name}: has lora_${rank === undefined ? "b but no lora_a" : "a but no lora_b"}`);
    else {
      const [outputs, inputs] = shape as [number, number];
      if (String(aShape) !== String([rank, inputs]))
        problems.push(`${a}: should be [${[rank, inputs]}], found [${aShape}]`);
      if (String(bShape) !== String([outputs, rank]))
        problems.push(`${b}: should be [${[outputs, rank]}], found [${bShape}]`);
      found.push({ weight, a, b, place, rank, sizes: [outputs, inputs] });
    }
  }
  for (const name of names) problems.push(`${name}: the base model has no such tensor`);
  if (found.length === 0 && problems.length === 0) problems.push("it has no tensors");
  refuseMismatches(path, problems);
  const adapter = new Map<string, LowRank>();
  for (const { weight, a, b, place, rank, sizes } of found) {
    const [outputs, inputs] = sizes;
    const rows = await readGgufTensor(file, b);
    const ordered = place.pairedHeads === undefined ? rows : unpairRows(rows, rank, place.pairedHeads);
    const scale = alpha === 0 ? 1 : alpha / rank; // as llama.cpp has it
    const folded = transpose(ordered, outputs, rank).map((value) => value * scale);
    const left = await readGgufTensor(file, a);
    requireFinite(left, () => `${path}: ${a}`);
    requireFinite(folded, () => `${path}: ${b}, times its factor ${scale}`);
    adapter.set(weight, { rank, inputs, outputs, a: left, b: folded });
  }
  return adapter;
}
