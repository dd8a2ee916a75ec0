/** @file Values that go in and out of a session. */
import { AppError } from "../base/errors.ts";
import type { DType } from "../graph/types.ts";

type Data = { f32: Float32Array; i64: BigInt64Array; bool: Uint8Array; u8: Uint8Array };

/** A concrete value, row-major. */
export type Tensor<T extends DType = DType> = {
  readonly dtype: T;
  readonly shape: readonly number[];
  readonly data: Data[T];
};

const arrays = { f32: Float32Array, i64: BigInt64Array, bool: Uint8Array, u8: Uint8Array } as const;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** A tensor over `data`. Throws E_SHAPE where the data does not fill the shape. */
export function tensor<T extends DType>(dtype: T, shape: readonly number[], data: Data[T]): Tensor<T> {
  if (data.length !== sizeOf(shape))
    throw new AppError("E_SHAPE", `tensor: ${data.length} values do not fill [${shape}]`);
  return { dtype, shape, data };
}

/** A tensor of zeros. */
export const zeros = <T extends DType>(dtype: T, shape: readonly number[]): Tensor<T> =>
  ({ dtype, shape, data: new arrays[dtype](sizeOf(shape)) }) as Tensor<T>;

/** Token ids, positions and the like as an i64 tensor. */
export const intTensor = (shape: readonly number[], values: ArrayLike<number>): Tensor<"i64"> =>
  tensor(
    "i64",
    shape,
    BigInt64Array.from({ length: values.length }, (_, i) => BigInt(values[i]!)),
  );

export const floatTensor = (shape: readonly number[], values: ArrayLike<number>): Tensor<"f32"> =>
  tensor("f32", shape, values instanceof Float32Array ? values : Float32Array.from(values));

/** A scalar f32. */
export const scalarTensor = (value: number): Tensor<"f32"> => floatTensor([], [value]);

/** The values of an f32 result. Throws where the tensor is of another type. */
export function floats(value: Tensor | undefined): Float32Array {
  if (value?.dtype !== "f32") throw new Error(`internal: expected an f32 tensor, found ${value?.dtype}`);
  return value.data as Float32Array;
}
