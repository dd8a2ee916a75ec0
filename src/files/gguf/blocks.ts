/** @file Blocks of GGUF taken apart: codes, scales and offsets as ONNX Runtime's MatMulNBits reads them, the same values bit for bit. */
import { float16ToFloat32 } from "../../base/half.ts";
import { fiveBits, type GgufTensorType, ggufTypes, nonLinear } from "./types.ts";

type Copy = (from: Uint8Array, at: number, to: Uint8Array, start: number) => void;

type Split = {
  readonly bits: 4 | 8;
  /** Where a block's least value lies, where it has one. */
  readonly leastAt?: number;
  /** Where its codes begin. */
  readonly codesAt: number;
  /** What the code in the middle of ours is in the file's. */
  readonly middle: number;
  readonly copy: Copy;
  /** The same codes as bytes. */
  readonly spread: Copy;
};

/** The types whose blocks can be kept. Codes of five bits, and those that are places in a table, become bytes. */
const splits: { readonly [T in GgufTensorType]?: Split } = {
  Q4_0: { bits: 4, codesAt: 2, middle: 8, copy: pairNibbles, spread: spreadNibbles },
  Q4_1: { bits: 4, leastAt: 2, codesAt: 4, middle: 8, copy: pairNibbles, spread: spreadNibbles },
  Q5_0: { bits: 8, codesAt: 2, middle: 16, copy: spreadFiveBits, spread: spreadFiveBits },
  Q5_1: { bits: 8, leastAt: 2, codesAt: 4, middle: 16, copy: spreadFiveBits, spread: spreadFiveBits },
  Q8_0: { bits: 8, codesAt: 2, middle: 0, copy: copySigned, spread: copySigned },
  IQ4_NL: { bits: 8, codesAt: 2, middle: 0, copy: spreadPlaces, spread: spreadPlaces },
};

export const keptBlockSize = 32;

/** How a type's blocks can be held as they are; undefined: not at all. */
export function keptBlocks(
  type: GgufTensorType,
  { wide = false } = {},
): { readonly bits: 4 | 8; readonly hasOffsets: boolean } | undefined {
  const split = splits[type];
  return split && { bits: wide ? 8 : split.bits, hasOffsets: split.leastAt !== undefined };
}

/** A block's codes in 16 or 32 bytes, the first of two codes in the low half; `wide`: four-bit codes as bytes, which a table of rows needs. */
export function blockCodes(type: GgufTensorType, bytes: Uint8Array, { wide = false } = {}): Uint8Array {
  const { codesAt, copy, spread, ...split } = splitOf(type);
  const { blockBytes } = ggufTypes[type];
  const bits = wide ? 8 : split.bits;
  const blocks = bytes.length / blockBytes;
  const packed = new Uint8Array(blocks * 4 * bits);
  const write = wide ? spread : copy;
  for (let block = 0; block < blocks; block++) write(bytes, block * blockBytes + codesAt, packed, block * 4 * bits);
  return packed;
}

/** One for each block. */
export const blockScales = (type: GgufTensorType, bytes: Uint8Array): Float32Array => halvesAt(type, bytes, 0);

/**
 * One for each block: of a least value m and a step d it is m + 8d, or m + 16d.
 * @returns undefined where one is no fp32, which those of real models are
 */
export function blockOffsets(type: GgufTensorType, bytes: Uint8Array): Float32Array | undefined {
  const { leastAt, middle } = splitOf(type);
  if (leastAt === undefined) throw new Error(`internal: blocks of ${type} have no offsets`);
  const [least, scales] = [halvesAt(type, bytes, leastAt), blockScales(type, bytes)];
  const offsets = new Float32Array(least.length);
  for (let block = 0; block < least.length; block++) {
    const exact = least[block]! + middle * scales[block]!;
    offsets[block] = exact;
    if (offsets[block] !== exact && !Number.isNaN(exact)) return undefined;
  }
  return offsets;
}

function splitOf(type: GgufTensorType): Split {
  const split = splits[type];
  if (split === undefined) throw new Error(`internal: blocks of ${type} cannot be kept`);
  return split;
}

function halvesAt(type: GgufTensorType, bytes: Uint8Array, offset: number): Float32Array {
  const { blockBytes } = ggufTypes[type];
  const words = new Uint16Array(bytes.length / blockBytes);
  for (let block = 0; block < words.length; block++)
    words[block] = bytes[block * blockBytes + offset]! | (bytes[block * blockBytes + offset + 1]! << 8);
  return float16ToFloat32(words);
}

/** 32 × int8 → codes around 128. */
function copySigned(from: Uint8Array, at: number, to: Uint8Array, start: number): void {
  for (let i = 0; i < 32; i++) to[start + i] = from[at + i]! ^ 0x80;
}

/** Byte i holds values i and i + 16; MatMulNBits has neighbours in a byte. */
function pairNibbles(from: Uint8Array, at: number, to: Uint8Array, start: number): void {
  for (let i = 0; i < 8; i++) {
    const [a, b] = [from[at + 2 * i]!, from[at + 2 * i + 1]!];
    to[start + i] = (a & 15) | ((b & 15) << 4);
    to[start + 8 + i] = (a >> 4) | (b & 0xf0);
  }
}

/** The same codes around 128 instead of 8, a byte each. */
function spreadNibbles(from: Uint8Array, at: number, to: Uint8Array, start: number): void {
  for (let i = 0; i < 16; i++) {
    to[start + i] = (from[at + i]! & 15) + 120;
    to[start + 16 + i] = (from[at + i]! >> 4) + 120;
  }
}

/** Codes of five bits around 128 instead of 16. */
function spreadFiveBits(from: Uint8Array, at: number, to: Uint8Array, start: number): void {
  for (let i = 0; i < 32; i++) to[start + i] = fiveBits(from, at, i) + 112;
}

/** What the places in the table stand for, around 128. */
function spreadPlaces(from: Uint8Array, at: number, to: Uint8Array, start: number): void {
  for (let i = 0; i < 16; i++) {
    to[start + i] = nonLinear[from[at + i]! & 15]! + 128;
    to[start + 16 + i] = nonLinear[from[at + i]! >> 4]! + 128;
  }
}
