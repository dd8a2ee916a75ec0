/** @file Blocks of GGUF as codes, scales and offsets apart, as ONNX Runtime's MatMulNBits reads them: the same values, bit for bit. */
import { float16ToFloat32 } from "../../base/half.ts";
import { type GgufTensorType, ggufTypes } from "./types.ts";

/** value = (code − 2^(bits−1)) · scale + offset, in blocks of 32 along a row. */
export type GgufBlocks = {
  readonly bits: 4 | 8;
  /** A block's codes in 16 or 32 bytes, the first of two codes in the low half. */
  readonly packed: Uint8Array;
  /** One for each block. */
  readonly scales: Float32Array;
  readonly offsets: Float32Array | undefined;
};

type Split = {
  readonly bits: 4 | 8;
  /** Bytes before a block's codes: its scale, and its least value where there is one. */
  readonly headBytes: number;
  readonly hasLeast: boolean;
};

/** The types whose blocks can be kept. */
const splits: { readonly [T in GgufTensorType]?: Split } = {
  Q4_0: { bits: 4, headBytes: 2, hasLeast: false },
  Q4_1: { bits: 4, headBytes: 4, hasLeast: true },
  Q8_0: { bits: 8, headBytes: 2, hasLeast: false },
};

/** Whether a type's blocks can be held as they are. */
export const hasKeptBlocks = (type: GgufTensorType): boolean => splits[type] !== undefined;

export const keptBlockSize = 32;

/**
 * Takes blocks apart.
 * @param wide four-bit codes as bytes: what a table of rows needs
 * @returns undefined where an offset is no fp32: of a least value m and a step d it is m + 8d, which those of real models always are
 */
export function splitBlocks(type: GgufTensorType, bytes: Uint8Array, { wide = false } = {}): GgufBlocks | undefined {
  const split = splits[type];
  if (split === undefined) throw new Error(`internal: blocks of ${type} cannot be kept`);
  const { blockBytes } = ggufTypes[type];
  const blocks = bytes.length / blockBytes;
  const halves = (offset: number): Float32Array => {
    const words = new Uint16Array(blocks);
    for (let block = 0; block < blocks; block++)
      words[block] = bytes[block * blockBytes + offset]! | (bytes[block * blockBytes + offset + 1]! << 8);
    return float16ToFloat32(words);
  };
  const scales = halves(0);
  const offsets = split.hasLeast ? offsetsOf(halves(2), scales) : undefined;
  if (split.hasLeast && offsets === undefined) return undefined;
  const copy = split.bits === 8 ? copySigned : wide ? spreadNibbles : pairNibbles;
  const bits = wide ? 8 : split.bits;
  const packed = new Uint8Array(blocks * 4 * bits);
  for (let block = 0; block < blocks; block++)
    copy(bytes, block * blockBytes + split.headBytes, packed, block * 4 * bits);
  return { bits, packed, scales, offsets };
}

function offsetsOf(least: Float32Array, scales: Float32Array): Float32Array | undefined {
  const offsets = new Float32Array(least.length);
  for (let block = 0; block < least.length; block++) {
    const exact = least[block]! + 8 * scales[block]!;
    offsets[block] = exact;
    if (offsets[block] !== exact && !Number.isNaN(exact)) return undefined;
  }
  return offsets;
}

type Copy = (from: Uint8Array, at: number, to: Uint8Array, start: number) => void;

/** 32 × int8 → codes around 128. */
const copySigned: Copy = (from, at, to, start) => {
  for (let i = 0; i < 32; i++) to[start + i] = from[at + i]! ^ 0x80;
};

/** Byte i holds values i and i + 16; MatMulNBits has neighbours in a byte. */
const pairNibbles: Copy = (from, at, to, start) => {
  for (let i = 0; i < 8; i++) {
    const [a, b] = [from[at + 2 * i]!, from[at + 2 * i + 1]!];
    to[start + i] = (a & 15) | ((b & 15) << 4);
    to[start + 8 + i] = (a >> 4) | (b & 0xf0);
  }
};

/** The same codes around 128 instead of 8, a byte each. */
const spreadNibbles: Copy = (from, at, to, start) => {
  for (let i = 0; i < 16; i++) {
    to[start + i] = (from[at + i]! & 15) + 120;
    to[start + 16 + i] = (from[at + i]! >> 4) + 120;
  }
};
