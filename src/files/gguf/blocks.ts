/** @file Blocks of GGUF taken apart: codes, scales and offsets as ONNX Runtime's MatMulNBits reads them, the same values bit for bit. */
import { float16ToFloat32 } from "../../base/half.ts";
import { fiveBits, type GgufTensorType, ggufTypes, nonLinear } from "./types.ts";

/** Takes a block's codes apart, four to a word: a word at a time is several times as fast as bytes. */
type Copy = (from: Uint8Array, at: number, to: Uint32Array, start: number) => void;

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
  const packed = new Uint32Array(blocks * bits);
  const write = wide ? spread : copy;
  for (let block = 0; block < blocks; block++) write(bytes, block * blockBytes + codesAt, packed, block * bits);
  return new Uint8Array(packed.buffer);
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

/** Four bytes, the first in the lowest place. */
const wordAt = (from: Uint8Array, at: number): number =>
  from[at]! | (from[at + 1]! << 8) | (from[at + 2]! << 16) | (from[at + 3]! << 24);

const wordOf = (value: (i: number) => number): number =>
  value(0) | (value(1) << 8) | (value(2) << 16) | (value(3) << 24);

/** 32 × int8 → codes around 128. */
function copySigned(from: Uint8Array, at: number, to: Uint32Array, start: number): void {
  for (let word = 0; word < 8; word++) to[start + word] = wordAt(from, at + 4 * word) ^ 0x80808080;
}

/** The low halves of four bytes, as two bytes. */
function joinHalves(word: number): number {
  const halves = word & 0x0f0f0f0f;
  const pairs = (halves | (halves >>> 4)) & 0x00ff00ff;
  return (pairs | (pairs >>> 8)) & 0xffff;
}

/** Byte i holds values i and i + 16; MatMulNBits has neighbours in a byte. */
function pairNibbles(from: Uint8Array, at: number, to: Uint32Array, start: number): void {
  for (let word = 0; word < 2; word++) {
    const [a, b] = [wordAt(from, at + 8 * word), wordAt(from, at + 8 * word + 4)];
    to[start + word] = joinHalves(a) | (joinHalves(b) << 16);
    to[start + 2 + word] = joinHalves(a >>> 4) | (joinHalves(b >>> 4) << 16);
  }
}

/** The same codes around 128 instead of 8, a byte each. */
function spreadNibbles(from: Uint8Array, at: number, to: Uint32Array, start: number): void {
  for (let word = 0; word < 4; word++) {
    const codes = wordAt(from, at + 4 * word);
    to[start + word] = (codes & 0x0f0f0f0f) + 0x78787878;
    to[start + 4 + word] = ((codes >>> 4) & 0x0f0f0f0f) + 0x78787878;
  }
}

/** Codes of five bits around 128 instead of 16. */
function spreadFiveBits(from: Uint8Array, at: number, to: Uint32Array, start: number): void {
  for (let word = 0; word < 8; word++) to[start + word] = wordOf((i) => fiveBits(from, at, 4 * word + i) + 112);
}

/** What the places in the table stand for, around 128. */
function spreadPlaces(from: Uint8Array, at: number, to: Uint32Array, start: number): void {
  for (let word = 0; word < 4; word++) {
    to[start + word] = wordOf((i) => nonLinear[from[at + 4 * word + i]! & 15]! + 128);
    to[start + 4 + word] = wordOf((i) => nonLinear[from[at + 4 * word + i]! >> 4]! + 128);
  }
}
