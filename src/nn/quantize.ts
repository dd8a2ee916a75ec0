/** @file Block quantisation of a frozen weight: rows cut into blocks, each with its own scale, in the layout of ONNX Runtime's MatMulNBits. */
import { AppError } from "../base/errors.ts";

export type QuantizeOptions = {
  readonly bits: 4 | 8;
  /** Values that share a scale: a power of two from 16 on. */
  readonly blockSize?: number;
  /** No zero points: codes are centred, scales have a sign; otherwise each block also has a zero point, and uses all codes between its least and largest value. */
  readonly symmetric?: boolean;
  /** Each block adds a number to its values. None is made here: some files have them. */
  readonly hasOffsets?: boolean;
};

/** A weight (n, k) as codes: value = (code − zero point) · scale + offset. */
export type QuantizedBlocks = {
  /** (n, blocks, blockSize·bits/8), four-bit codes low half first. */
  readonly packed: Uint8Array;
  /** (n·blocks) */
  readonly scales: Float32Array;
  /** (n, ⌈blocks·bits/8⌉), packed like the codes; without them the zero point is 2^(bits−1). */
  readonly zeros: Uint8Array | undefined;
  /** (n·blocks); without them nothing is added. */
  readonly offsets?: Float32Array | undefined;
};

/** Blocks per row of k values, the last one filled up with zeros. */
export const blocksPerRow = (k: number, blockSize: number): number => Math.ceil(k / blockSize);

/**
 * Quantises a matrix (n, k), row-major. No value moves by more than half a step of its block: max|w| / (2^bits − 2) at most where
 * symmetric, less where one sign reaches further than the other; (max − min) / (2^(bits+1) − 2) otherwise, zero counting as a value of
 * every block. Steps below 2^-126, the least normal number, are 0.
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
  const blockBytes = (blockSize * bits) / 8;
  const packed = new Uint8Array(n * blocks * blockBytes);
  const zeros = new Uint8Array(n * blocks);
  const scales = new Float32Array(n * blocks);
  const write = bits === 8 ? writeBytes : writeNibbles;
  const grid = { scale: 0, zero: 0 };
  for (let row = 0; row < n; row++) {
    for (let block = 0; block < blocks; block++) {
      const at = row * blocks + block;
      const start = row * k + block * blockSize;
      const end = Math.min(start + blockSize, (row + 1) * k);
      fitGrid(values, start, end, bits, symmetric, grid);
      scales[at] = grid.scale;
      zeros[at] = grid.zero;
      write(values, start, end, grid, packed, at * blockBytes, blockBytes);
    }
  }
  return { packed, scales, zeros: symmetric ? undefined : bits === 8 ? zeros : packNibbles(zeros, blocks) };
}

/** The weight (n, k) that codes stand for. */
export function dequantizeBlocks(
  { packed, scales, zeros, offsets }: QuantizedBlocks,
  n: number,
  k: number,
  { bits, blockSize = 32 }: QuantizeOptions,
): Float32Array {
  const blocks = blocksPerRow(k, blockSize);
  const codeOf = (bytes: Uint8Array, i: number) =>
    bits === 8 ? bytes[i]! : (bytes[i >> 1]! >> (i % 2 === 0 ? 0 : 4)) & 15;
  const zeroWidth = bits === 8 ? blocks : 2 * Math.ceil(blocks / 2); // rows of zero points are filled up to whole bytes
  const out = new Float32Array(n * k);
  for (let row = 0; row < n; row++) {
    for (let block = 0; block < blocks; block++) {
      const scale = scales[row * blocks + block]!;
      const zero = zeros === undefined ? 2 ** (bits - 1) : codeOf(zeros, row * zeroWidth + block);
      const offset = offsets === undefined ? -0 : offsets[row * blocks + block]!;
      const codes = (row * blocks + block) * blockSize;
      const end = Math.min(blockSize, k - block * blockSize);
      const at = row * k + block * blockSize;
      for (let i = 0; i < end; i++) out[at + i] = (codeOf(packed, codes + i) - zero) * scale + offset;
    }
  }
  return out;
}

/** A block's scale and zero point; one object is filled again for every block. */
type Grid = { scale: number; zero: number };

/** Rounds values[start, end) to codes; what is left of the block becomes the zero point. No code is negative, so cutting off is rounding down. */
type Write = (
  values: Float32Array,
  start: number,
  end: number,
  grid: Grid,
  out: Uint8Array,
  outStart: number,
  outBytes: number,
) => void;

const writeBytes: Write = (values, start, end, { scale, zero }, out, outStart, outBytes) => {
  const steps = scale === 0 ? 0 : 1 / scale;
  const offset = zero + 0.5;
  let at = outStart;
  for (let i = start; i < end; i++) {
    const code = (values[i]! * steps + offset) | 0;
    out[at++] = Math.min(code, 255);
  }
  while (at < outStart + outBytes) out[at++] = zero;
};

const writeNibbles: Write = (values, start, end, { scale, zero }, out, outStart, outBytes) => {
  const steps = scale === 0 ? 0 : 1 / scale;
  const offset = zero + 0.5;
  const pairs = start + 2 * Math.floor((end - start) / 2);
  let at = outStart;
  for (let i = start; i < pairs; i += 2) {
    const low = (values[i]! * steps + offset) | 0;
    const high = (values[i + 1]! * steps + offset) | 0;
    out[at++] = Math.min(low, 15) | (Math.min(high, 15) << 4);
  }
  if (pairs < end) out[at++] = Math.min(15, (values[pairs]! * steps + offset) | 0) | (zero << 4);
  while (at < outStart + outBytes) out[at++] = zero | (zero << 4);
};

/** Finds the scale and zero point that cover values[start, end) and zero. */
function fitGrid(values: Float32Array, start: number, end: number, bits: number, symmetric: boolean, grid: Grid): void {
  let low = 0;
  let high = 0;
  let total = 0; // finite exactly where all values are: 64 bits hold any sum of some fp32
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    total += value;
    if (value < low) low = value;
    else if (value > high) high = value;
  }
  if (!Number.isFinite(total)) throw notFinite(values, start);
  const half = 2 ** (bits - 1);
  if (symmetric) {
    // Codes reach half steps below the zero point and half − 1 above it: the sign of the scale turns the longer side to where they reach further.
    const turned = high > -low;
    const [far, near] = turned ? [high, -low] : [-low, high];
    const step = normal(Math.max(far / half, near / (half - 1)));
    grid.scale = turned ? -step : step;
    grid.zero = half;
  } else {
    grid.scale = normal((high - low) / (2 * half - 1));
    grid.zero = grid.scale === 0 ? half : Math.round(-low / grid.scale);
  }
}

/** An fp32 step, 0 below the least normal number: where fp32 loses digits, codes would leave their range. */
const normal = (step: number): number => (step < 2 ** -126 ? 0 : Math.fround(step));

function notFinite(values: Float32Array, start: number): AppError {
  const at = values.findIndex((value, i) => i >= start && !Number.isFinite(value));
  return new AppError("E_NAN", `quantize: value ${at} is ${values[at]}`);
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
