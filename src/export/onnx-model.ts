/** @file An ONNX file of a decoder: weights inside it, or beside it in pieces that a browser can hold. */
import { join } from "node:path";
import { writeAtomic, writeFileAtomic } from "../base/atomic-file.ts";
import { float32ToFloat16 } from "../base/half.ts";
import { sizeOf } from "../graph/dims.ts";
import { leavesOf } from "../graph/tree.ts";
import type { DType } from "../graph/types.ts";
import { type FrozenModel, frozenSources } from "../models/frozen-model.ts";
import { ropeNames, windowRopeNames } from "../models/rope.ts";
import { lower, type WeightPlacement } from "../onnx/lower.ts";
import { readValues, readWeight } from "../runtime/read-weight.ts";
import type { WeightSource } from "../runtime/session.ts";
import { onnxDecoder } from "./onnx-graph.ts";

export type OnnxModelOptions = {
  /** Whether weights are stored as fp16; the model widens them as it is loaded. */
  readonly isHalf?: boolean;
  /** Weights of more than this in all lie beside the model, in files of about this size. */
  readonly fileBytes?: number;
};

type Weight = {
  readonly name: string;
  readonly source: WeightSource;
  readonly isHalf: boolean;
  readonly bytes: number;
};

const elementBytes: Readonly<Record<DType, number>> = { f32: 4, i64: 8, bool: 1, u8: 1 };

/** Writes `folder/fileName`, and weights as `fileName_data`, `fileName_data_1`, …; returns how many files those are. Throws E_IO. */
export async function writeOnnxModel(
  folder: string,
  fileName: string,
  model: FrozenModel,
  { isHalf = false, fileBytes = 2 ** 30 }: OnnxModelOptions = {},
): Promise<number> {
  const { graph, outputShapes } = onnxDecoder(model);
  const sources = frozenSources(model);
  const tables: readonly string[] = [...Object.values(ropeNames), ...Object.values(windowRopeNames)]; // positions need more than fp16 has
  const weights = [...leavesOf(graph, "weight")].map(([name, { shape, dtype }]): Weight => {
    const isNarrow = isHalf && dtype === "f32" && !tables.includes(name);
    const bytes = (sizeOf(shape) as number) * (isNarrow ? 2 : elementBytes[dtype]);
    return { name, source: sources[name]!, isHalf: isNarrow, bytes };
  });
  const placements = new Map<string, WeightPlacement>();
  const place = (weight: Weight, value: WeightPlacement) =>
    placements.set(weight.name, weight.isHalf ? { ...value, storedAs: "f16" } : value);
  const files = weights.reduce((sum, { bytes }) => sum + bytes, 0) <= fileBytes ? [] : splitFiles(weights, fileBytes);
  for (const weight of files.length === 0 ? weights : []) place(weight, { bytes: await readBytes(weight) });
  for (const [i, content] of files.entries()) {
    const location = `${fileName}_data${i === 0 ? "" : `_${i}`}`;
    await writeAtomic(join(folder, location), async (file) => {
      let offset = 0;
      for (const weight of content) {
        await file.writeFile(await readBytes(weight)); // goes on where the last one ended
        place(weight, { location, offset, length: weight.bytes });
        offset += weight.bytes;
      }
    });
  }
  await writeFileAtomic(
    join(folder, fileName),
    lower(graph, (name) => placements.get(name)!, { outputShapes }),
  );
  return files.length;
}

function splitFiles(weights: readonly Weight[], fileBytes: number): Weight[][] {
  const files: Weight[][] = [[]];
  let held = 0;
  for (const weight of weights) {
    if (held > 0 && held + weight.bytes > fileBytes) {
      files.push([]);
      held = 0;
    }
    files.at(-1)!.push(weight);
    held += weight.bytes;
  }
  return files;
}

async function readBytes({ source, isHalf }: Weight): Promise<Uint8Array> {
  const { buffer, byteOffset, byteLength } = isHalf
    ? float32ToFloat16(await readWeight(source))
    : await readValues(source);
  return new Uint8Array(buffer, byteOffset, byteLength);
}
