/** @file Block quantisation of a frozen weight: rows cut into blocks, each with its own scale, in the layout of ONNX Runtime's MatMulNBits. */
import { AppError } from "../base/errors.ts";

export type QuantizeOptions = {
  readonly bits: 4 | 8;
  /** Values that share a scale: a power of two from 16 on. */
  readonly blockSize?: number;
  /** Codes centred on zero; otherwise each block also has a zero point, and uses all codes between its least and largest value. */
  readonly symmetric?: boolean;
};

/** A weight (n, k) as codes: value = (code − zero point) · scale. */
export type QuantizedBlocks = {
  /** (n, blocks, blockSize·bits/8), four-bit codes low half first. */
  readonly packed: Uint8Array;
  /** (n·blocks) */
  readonly scales: Float32Array;
  /** (n, ⌈blocks·bits/8⌉), packed like the codes; without them the zero point is 2^(bits−1). */
  readonly zeros: Uint8Array | undefined;
};

/** Blocks per row of k values, the last one filled up with zeros. */
export const blocksPerRow = (k: number, blockSize: number): number => Math.ceil(k / blockSize);

/**
 * Quantises a matrix (n, k), row-major. No value moves by more than half a step of its block: max|w| / (2^bits − 2) where
 * symmetric, (max − min) / (2^(bits+1) − 2) otherwise, zero counting as a value of every block.
 * @throws E_NAN where a value is not finite, E_SHAPE where the values do not fill (n, k)
 */
export function quantizeBlocks(
  values: Float32Array,
  n: number,
  k: number,
  { bits, blockSize = 32, symmetric = true }: QuantizeOptions,
): QuantizedBlocks {
  if (values.length !== n * k)
    throw new AppError("E_SHAPE", `quantize: ${values.length} values do not fill [${n}, ${k}]`);
  const blocks = blocksPerRow(k, blockSize);
  const codes = new Uint8Array(n * blocks * blockSize);
  const zeros = new Uint8Array(n * blocks);
  const scales = new Float32Array(n * blocks);
  const top = 2 ** bits - 1;
  for (let row = 0; row < n; row++) {
    for (let block = 0; block < blocks; block++) {
      const at = row * blocks + block;
      const start = row * k + block * blockSize;
      const end = Math.min(start + blockSize, (row + 1) * k);
      const { scale, zero } = gridOf(values, start, end, bits, symmetric);
      scales[at] = scale;
      zeros[at] = zero;
      const out = codes.subarray(at * blockSize, (at + 1) * blockSize).fill(zero);
      const steps = scale === 0 ? 0 : 1 / scale;
      for (let i = start; i < end; i++)
        out[i - start] = Math.min(top, Math.max(0, Math.round(values[i]! * steps) + zero));
    }
  }
  const pack = (all: Uint8Array, width: number) => (bits === 8 ? all : packNibbles(all, width));
  return { packed: pack(codes, blockSize), scales, zeros: symmetric ? undefined : pack(zeros, blocks) };
}

/** The scale and zero point that cover values[start, end) and zero. */
function gridOf(
  values: Float32Array,
  start: number,
  end: number,
  bits: number,
  symmetric: boolean,
): { readonly scale: number; readonly zero: number } {
  let [low, high] = [0, 0];
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) throw new AppError("E_NAN", `quantize: value ${i} is ${value}`);
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const half = 2 ** (bits - 1);
  if (symmetric) return { scale: Math.fround(Math.max(-low, high) / (half - 1)), zero: half };
  const scale = Math.fround((high - low) / (2 * half - 1));
  return { scale, zero: scale === 0 ? half : Math.round(-low / scale) };
}

/** Two codes a byte, the first one low; rows of odd width end in an empty half. */
function packNibbles(codes: Uint8Array, width: number): Uint8Array {
  const bytes = Math.ceil(width / 2);
  const rows = codes.length / width;
  const packed = new Uint8Array(rows * bytes);
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < width; i++) packed[row * bytes + (i >> 1)]! |= codes[row * width + i]! << (i % 2 === 0 ? 0 : 4);
  return packed;
}
