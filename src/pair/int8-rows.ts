/** @file Rows of weights in 8 bits, each row with one scale: how a generator is shipped. */
import { AppError } from "../base/errors.ts";

const largestCode = 127;

export type Int8Rows = {
  /** value ≈ code · scale of its row, from -127 to 127 */
  readonly codes: Int8Array;
  /** One per row. */
  readonly scales: Float32Array;
};

/** The nearest codes: off by half a scale at most, a scale being the row's largest value by 127. Throws E_NAN, naming the tensor. */
export function toInt8Rows(name: string, values: Float32Array, width: number): Int8Rows {
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(values.length / width);
  for (let row = 0; row < scales.length; row++) {
    const from = row * width;
    let largest = 0;
    for (let i = from; i < from + width; i++) {
      const size = Math.abs(values[i]!);
      if (!Number.isFinite(size)) throw new AppError("E_NAN", `"${name}": expected finite numbers, found ${values[i]}`);
      largest = Math.max(largest, size);
    }
    const scale = Math.fround(largest / largestCode);
    scales[row] = scale;
    if (scale === 0) continue;
    for (let i = from; i < from + width; i++)
      codes[i] = Math.max(-largestCode, Math.min(largestCode, Math.round(values[i]! / scale)));
  }
  return { codes, scales };
}

/** Codes as they are read, to values, in their place. */
export function scaleRows(codes: Float32Array, scales: Float32Array): Float32Array {
  const width = codes.length / scales.length;
  for (let i = 0; i < codes.length; i++) codes[i]! *= scales[Math.floor(i / width)]!;
  return codes;
}
