/** @file What sessions of ONNX Runtime share, in Node and in the browser: types, checked inputs and weights, its errors. */
import { AppError } from "../base/errors.ts";
import { sizeOf } from "../graph/dims.ts";
import type { DType, Node } from "../graph/types.ts";
import type { FileSource, WeightSource } from "./session.ts";
import type { Tensor } from "./tensor.ts";

/** ONNX Runtime's names of the graph's types. */
export const ortTypes = { f32: "float32", i64: "int64", bool: "bool", u8: "uint8" } as const satisfies Record<
  DType,
  string
>;
const graphTypes: Readonly<Record<string, DType>> = { float32: "f32", int64: "i64", bool: "bool", uint8: "u8" };
const elementBytes: Readonly<Record<DType, number>> = { f32: 4, i64: 8, bool: 1, u8: 1 };

/** Weights below this size travel inside the model; larger ones stay outside it (a model is at most 2 GB). */
export const inlineLimitBytes = 1 << 20;

/** Runs a call into ONNX Runtime; what it refuses is an E_RUNTIME error with its words. */
export async function refused<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw new AppError(
      "E_RUNTIME",
      `${what}: ONNX Runtime: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

/** The value fed to an input. Throws E_SHAPE or E_DTYPE where it is missing or does not fit. */
export function checkedFeed(name: string, node: Node<"input">, value: Tensor | undefined): Tensor {
  if (value === undefined) throw new AppError("E_SHAPE", `input "${name}" is missing`);
  if (value.dtype !== node.dtype)
    throw new AppError("E_DTYPE", `input "${name}": expected ${node.dtype}, found ${value.dtype}`);
  const fits =
    value.shape.length === node.shape.length &&
    node.shape.every((dim, i) => typeof dim !== "number" || dim === value.shape[i]);
  if (!fits) throw new AppError("E_SHAPE", `input "${name}": expected [${node.shape}], found [${value.shape}]`);
  return value;
}

/** The source of a weight. Throws E_NOT_FOUND where it has none, E_SHAPE where the size does not fit. */
export function checkedSource<S extends WeightSource>(name: string, node: Node<"weight">, source: S | undefined): S {
  if (source === undefined) throw new AppError("E_NOT_FOUND", `weight "${name}" has no source`);
  const wanted = (sizeOf(node.shape) as number) * elementBytes[node.dtype];
  const found = sourceBytes(source);
  if (found !== wanted)
    throw new AppError(
      "E_SHAPE",
      `weight "${name}": [${node.shape}] ${node.dtype} takes ${wanted} bytes, found ${found}`,
    );
  return source;
}

/** The bytes that a weight takes in a session. */
export function sourceBytes(source: WeightSource): number {
  if (source.kind === "file") return widenedBytes(source);
  return source.kind === "data" ? source.data.byteLength : source.bytes;
}

/** The bytes that values from a file take in a session. */
export const widenedBytes = ({ bytes, storedAs }: FileSource): number => (storedAs === undefined ? bytes : 2 * bytes);

/** A result in the graph's terms. */
export function fromOrt(value: {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}): Tensor {
  const dtype = graphTypes[value.type];
  if (dtype === undefined) throw new Error(`internal: ONNX Runtime returned ${value.type}`);
  return { dtype, shape: value.dims, data: value.data as Float32Array };
}
