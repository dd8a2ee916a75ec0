/** @file A model written as a GGUF file for llama.cpp. */
import type { GgufField } from "../../files/gguf/read.ts";
import { pairRows } from "../../files/gguf/rows.ts";
import { type GgufTensorType, ggufTypes } from "../../files/gguf/types.ts";
import { type GgufTensorToWrite, writeGguf } from "../../files/gguf/write.ts";
import { readWeight } from "../../runtime/read-weight.ts";
import { checkpointTensors, joinParts } from "../checkpoint.ts";
import type { ModelConfig } from "../config.ts";
import type { FrozenModel } from "../frozen-model.ts";
import { ggufShape, ropeFactors } from "./config.ts";
import { type GgufPlace, ggufCheckpointPlaces } from "./names.ts";

export type GgufModelType = "F32" | "F16" | "Q8_0" | "Q4_0" | "Q4_1";

/** `general.file_type` */
const fileTypes: Readonly<Record<GgufModelType, number>> = { F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q8_0: 7 };

export type GgufOptions = { readonly type: GgufModelType; readonly about?: ReadonlyMap<string, GgufField> };

/**
 * Writes the model. Vectors stay F32, and matrices whose rows do not divide into blocks of 32 are F16 where blocks were asked for.
 * With Q4_0 and Q4_1, embeddings and head are Q8_0, as our own quantised models keep them.
 * @param about further metadata: name, tokenizer
 * @throws E_ARCHITECTURE where llama.cpp does not have the model; E_IO
 */
export const saveGgufModel = (
  path: string,
  { config, weights }: Pick<FrozenModel, "config" | "weights">,
  options: GgufOptions,
): Promise<void> => writeGgufModel(path, config, (name) => readWeight(weights[name]!), options);

/** The same for weights that are read one at a time, when their turn comes. */
export async function writeGgufModel(
  path: string,
  config: ModelConfig,
  read: (name: string) => Promise<Float32Array>,
  { type, about = new Map() }: GgufOptions,
): Promise<void> {
  const fields = ggufShape(config);
  fields.set("general.type", { type: "string", value: "model" });
  fields.set("general.file_type", { type: "u32", value: fileTypes[type] });
  fields.set("general.quantization_version", { type: "u32", value: 2 });
  const places = ggufCheckpointPlaces(config);
  const tensors: GgufTensorToWrite[] = [...ropeFactors(config)].map(([name, factors]) => ({
    name,
    type: "F32",
    shape: [factors.length],
    data: () => factors,
  }));
  for (const tensor of checkpointTensors(config)) {
    const { name, shape } = tensor;
    const place = places.get(name)!;
    const data = async () => rearrange(await joinParts(tensor, read), shape, place);
    tensors.push({
      name: place.name,
      type: ggufStoredType(type, place.name, shape),
      shape: place.shape ?? shape,
      data,
    });
  }
  await writeGguf(path, new Map([...fields, ...about]), tensors);
}

/** The type in which a tensor of a name and shape in a checkpoint is kept where the model is written in a type: all but matrices stay F32. */
export function ggufStoredType(type: GgufModelType, name: string, shape: readonly number[]): GgufTensorType {
  if (shape.length !== 2) return "F32";
  if (ggufTypes[type].blockValues > 1 && shape.at(-1)! % ggufTypes[type].blockValues !== 0) return "F16";
  return (type === "Q4_0" || type === "Q4_1") && !name.startsWith("blk.") ? "Q8_0" : type;
}

function rearrange(values: Float32Array, shape: readonly number[], { pairedHeads, offset }: GgufPlace): Float32Array {
  const rows =
    pairedHeads === undefined ? values : pairRows(values, shape.length === 1 ? 1 : shape.at(-1)!, pairedHeads);
  return offset === 0 ? rows : rows.map((value) => value + offset);
}
