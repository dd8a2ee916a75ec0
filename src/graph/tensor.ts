/** @file Concrete tensors for the reference interpreter: row-major values of known shape. */
import { AppError } from "../base/errors.ts";
import type { DType } from "./types.ts";

/** f32 is held in float64, i64 in BigInt64, bool (0 or 1) and u8 in Uint8. */
export type Values = Float64Array | BigInt64Array | Uint8Array;
export type Tensor = { readonly shape: readonly number[]; readonly dtype: DType; readonly data: Values };

const arrays: { readonly [D in DType]: (length: number) => Values } = {
  f32: (length) => new Float64Array(length),
  i64: (length) => new BigInt64Array(length),
  bool: (length) => new Uint8Array(length),
  u8: (length) => new Uint8Array(length),
};

/** The array that holds values of a type. */
export const isArrayOf = (dtype: DType, data: Values): boolean => arrays[dtype](0).constructor === data.constructor;

export const elementCount = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

/** A tensor from plain numbers. Throws E_SHAPE where they do not fill the shape. */
export function tensor(shape: readonly number[], values: ArrayLike<number>, dtype: DType = "f32"): Tensor {
  if (values.length !== elementCount(shape))
    throw new AppError("E_SHAPE", `tensor: ${values.length} values do not fill [${shape}]`);
  return { shape, dtype, data: fill(dtype, values.length, (i) => values[i]!) };
}

/** The values as plain numbers. */
export const numbersOf = ({ data }: Tensor): number[] => Array.from(data as ArrayLike<number | bigint>, Number);

/** Values of a type from numbers or, for i64, from numbers or bigints. Fractions of integer types are cut off. */
export function fill(dtype: DType, length: number, at: (i: number) => number | bigint): Values {
  const data = arrays[dtype](length);
  if (data instanceof BigInt64Array) {
    for (let i = 0; i < length; i++) {
      const value = at(i);
      data[i] = typeof value === "bigint" ? value : BigInt(Math.trunc(value));
    }
  } else {
    for (let i = 0; i < length; i++) data[i] = Number(at(i));
  }
  return data;
}

/** The elements of `data` at `index`, whatever their type. */
export function pick(data: Values, index: ArrayLike<number>): Values {
  const from = data as Float64Array;
  const to = new (data.constructor as Float64ArrayConstructor)(index.length);
  for (let i = 0; i < index.length; i++) to[i] = from[index[i]!]!;
  return to;
}

/** Row-major strides. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i]!;
  }
  return strides;
}

/** Strides that read a tensor of shape `from` as if it were broadcast to `to`. */
export function broadcastStrides(from: readonly number[], to: readonly number[]): number[] {
  const strides = stridesOf(from);
  const lead = to.length - from.length;
  return to.map((_, i) => (i < lead || from[i - lead] === 1 ? 0 : strides[i - lead]!));
}

/** For each index of `shape` in row-major order: offset + Σ index·stride. */
export function walk(shape: readonly number[], strides: readonly number[], offset = 0): Int32Array {
  let at = Int32Array.of(offset);
  shape.forEach((dim, axis) => {
    const next = new Int32Array(at.length * dim);
    for (let i = 0, k = 0; i < at.length; i++) for (let j = 0; j < dim; j++, k++) next[k] = at[i]! + j * strides[axis]!;
    at = next;
  });
  return at;
}
