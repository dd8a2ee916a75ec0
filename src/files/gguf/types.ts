/** @file Tensor types of GGUF: how their blocks are laid out, and how they become fp32 and back. */
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from "../../base/half.ts";

export type GgufTensorType =
  | "F32"
  | "F16"
  | "BF16"
  | "Q8_0"
  | "Q4_0"
  | "Q4_1"
  | "Q5_0"
  | "Q5_1"
  | "Q4_K"
  | "Q5_K"
  | "Q6_K"
  | "IQ4_NL";

type TypeInfo = {
  /** Number in the file. */
  readonly id: number;
  /** Values per block, along the innermost axis. */
  readonly blockValues: number;
  readonly blockBytes: number;
  /** Whole blocks → fp32. */
  readonly decode: (bytes: Uint8Array, out: Float32Array) => void;
  /** fp32 → whole blocks; absent where it is read only. */
  readonly encode?: (values: Float32Array) => Uint8Array;
};

export const ggufTypes: Readonly<Record<GgufTensorType, TypeInfo>> = {
  F32: {
    id: 0,
    blockValues: 1,
    blockBytes: 4,
    decode: (bytes, out) => new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes),
    encode: (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  },
  F16: {
    id: 1,
    blockValues: 1,
    blockBytes: 2,
    decode: (bytes, out) => void float16ToFloat32(words(bytes), out as Float32Array<ArrayBuffer>),
    encode: (values) => new Uint8Array(float32ToFloat16(values).buffer),
  },
  BF16: {
    id: 30,
    blockValues: 1,
    blockBytes: 2,
    decode: (bytes, out) => void bfloat16ToFloat32(words(bytes), out as Float32Array<ArrayBuffer>),
    encode: (values) => new Uint8Array(float32ToBfloat16(values).buffer),
  },
  Q8_0: { id: 8, blockValues: 32, blockBytes: 34, decode: decodeQ8_0, encode: encodeQ8_0 },
  Q4_0: { id: 2, blockValues: 32, blockBytes: 18, decode: decodeQ4_0, encode: encodeQ4_0 },
  Q4_1: { id: 3, blockValues: 32, blockBytes: 20, decode: decodeQ4_1, encode: encodeQ4_1 },
  Q5_0: { id: 6, blockValues: 32, blockBytes: 22, decode: decodeQ5_0 },
  Q5_1: { id: 7, blockValues: 32, blockBytes: 24, decode: decodeQ5_1 },
  Q4_K: { id: 12, blockValues: 256, blockBytes: 144, decode: decodeQ4_K },
  Q5_K: { id: 13, blockValues: 256, blockBytes: 176, decode: decodeQ5_K },
  Q6_K: { id: 14, blockValues: 256, blockBytes: 210, decode: decodeQ6_K },
  IQ4_NL: { id: 20, blockValues: 32, blockBytes: 18, decode: decodeIQ4_NL },
};

/** Other types of ggml's, by their numbers: a file that has some can be described, their values are not read. */
const otherTypes: Readonly<Record<number, string>> = {
  9: "Q8_1",
  10: "Q2_K",
  11: "Q3_K",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  21: "IQ3_S",
  22: "IQ2_S",
  23: "IQ4_XS",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
};

/** What a type that is not read is called. */
export const otherTypeName = (id: number): string => otherTypes[id] ?? `type ${id}`;

export const ggufTypeNames = Object.keys(ggufTypes) as readonly GgufTensorType[];

/** Types by their number. */
export const ggufTypeById: ReadonlyMap<number, GgufTensorType> = new Map(
  ggufTypeNames.map((name) => [ggufTypes[name].id, name]),
);

/** d (fp16), 32 × int8: x = d·q. */
function decodeQ8_0(bytes: Uint8Array, out: Float32Array): void {
  const scales = blockHalves(bytes, 34, 0);
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let block = 0; block < scales.length; block++) {
    const d = scales[block]!;
    for (let i = 0; i < 32; i++) out[block * 32 + i] = d * signed[block * 34 + 2 + i]!;
  }
}

/** d = max|x|/127 of each block, q = x/d rounded half away from zero, as ggml does. */
function encodeQ8_0(values: Float32Array): Uint8Array {
  const blocks = values.length / 32;
  const steps = new Float32Array(blocks);
  const bytes = new Uint8Array(blocks * 34);
  for (let block = 0; block < blocks; block++) {
    let most = 0;
    for (let i = 0; i < 32; i++) most = Math.max(most, Math.abs(values[block * 32 + i]!));
    const d = Math.fround(most / 127);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    steps[block] = d;
    for (let i = 0; i < 32; i++) {
      const x = Math.fround(values[block * 32 + i]! * inverse);
      bytes[block * 34 + 2 + i] = Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
    }
  }
  writeHalves(bytes, 34, 0, steps);
  return bytes;
}

/** d (fp16), 16 bytes of two nibbles, the low ones first: x = d·(q − 8). */
function decodeQ4_0(bytes: Uint8Array, out: Float32Array): void {
  const scales = blockHalves(bytes, 18, 0);
  for (let block = 0; block < scales.length; block++) {
    const d = scales[block]!;
    for (let i = 0; i < 16; i++) {
      const byte = bytes[block * 18 + 2 + i]!;
      out[block * 32 + i] = d * ((byte & 15) - 8);
      out[block * 32 + 16 + i] = d * ((byte >> 4) - 8);
    }
  }
}

/** d = m/−8 for the value m furthest from 0 of each block, q = ⌊x/d + 8.5⌋ up to 15, as ggml does. */
function encodeQ4_0(values: Float32Array): Uint8Array {
  const blocks = values.length / 32;
  const steps = new Float32Array(blocks);
  const bytes = new Uint8Array(blocks * 18);
  for (let block = 0; block < blocks; block++) {
    let furthest = 0;
    for (let i = 0; i < 32; i++) {
      const x = values[block * 32 + i]!;
      if (Math.abs(x) > Math.abs(furthest)) furthest = x;
    }
    const d = Math.fround(furthest / -8);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    steps[block] = d;
    const code = (i: number) => Math.min(15, Math.trunc(Math.fround(Math.fround(values[i]! * inverse) + 8.5)));
    writeNibbles(bytes, block * 18 + 2, (i) => code(block * 32 + i));
  }
  writeHalves(bytes, 18, 0, steps);
  return bytes;
}

/** d, m (fp16), 16 bytes of two nibbles, the low ones first: x = d·q + m. */
function decodeQ4_1(bytes: Uint8Array, out: Float32Array): void {
  const scales = blockHalves(bytes, 20, 0);
  const minimums = blockHalves(bytes, 20, 2);
  for (let block = 0; block < scales.length; block++) {
    const [d, m] = [scales[block]!, minimums[block]!];
    for (let i = 0; i < 16; i++) {
      const byte = bytes[block * 20 + 4 + i]!;
      out[block * 32 + i] = Math.fround(d * (byte & 15)) + m;
      out[block * 32 + 16 + i] = Math.fround(d * (byte >> 4)) + m;
    }
  }
}

/** m = min x and d = (max x − m)/15 of each block, q = ⌊(x − m)/d + 0.5⌋ up to 15, as ggml does. */
function encodeQ4_1(values: Float32Array): Uint8Array {
  const blocks = values.length / 32;
  const steps = new Float32Array(blocks);
  const minimums = new Float32Array(blocks);
  const bytes = new Uint8Array(blocks * 20);
  for (let block = 0; block < blocks; block++) {
    let least = Infinity;
    let most = -Infinity;
    for (let i = 0; i < 32; i++) {
      const x = values[block * 32 + i]!;
      if (x < least) least = x;
      if (x > most) most = x;
    }
    const d = Math.fround(Math.fround(most - least) / 15);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    steps[block] = d;
    minimums[block] = least;
    const code = (i: number) =>
      Math.min(15, Math.trunc(Math.fround(Math.fround(Math.fround(values[i]! - least) * inverse) + 0.5)));
    writeNibbles(bytes, block * 20 + 4, (i) => code(block * 32 + i));
  }
  writeHalves(bytes, 20, 0, steps);
  writeHalves(bytes, 20, 2, minimums);
  return bytes;
}

/** d (fp16), 32 high bits, 16 bytes of two nibbles, the low ones first: x = d·(q − 16). */
function decodeQ5_0(bytes: Uint8Array, out: Float32Array): void {
  const scales = blockHalves(bytes, 22, 0);
  for (let block = 0; block < scales.length; block++)
    for (let i = 0; i < 32; i++) out[block * 32 + i] = scales[block]! * (fiveBits(bytes, block * 22 + 2, i) - 16);
}

/** d, m (fp16), 32 high bits, 16 bytes of two nibbles, the low ones first: x = d·q + m. */
function decodeQ5_1(bytes: Uint8Array, out: Float32Array): void {
  const scales = blockHalves(bytes, 24, 0);
  const minimums = blockHalves(bytes, 24, 2);
  for (let block = 0; block < scales.length; block++)
    for (let i = 0; i < 32; i++)
      out[block * 32 + i] = Math.fround(scales[block]! * fiveBits(bytes, block * 24 + 4, i)) + minimums[block]!;
}

/** Code i of 32: a bit of the four bytes at `at`, and a nibble of the 16 behind them. */
export function fiveBits(bytes: Uint8Array, at: number, i: number): number {
  const high = (bytes[at + (i >> 3)]! >> (i & 7)) & 1;
  const low = (bytes[at + 4 + (i & 15)]! >> (i < 16 ? 0 : 4)) & 15;
  return low | (high << 4);
}

/** What the codes of IQ4_NL stand for. */
export const nonLinear = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;

/** d (fp16), 16 bytes of two nibbles, the low ones first, each a place in a table: x = d·table[q]. */
function decodeIQ4_NL(bytes: Uint8Array, out: Float32Array): void {
  const scales = blockHalves(bytes, 18, 0);
  for (let block = 0; block < scales.length; block++)
    for (let i = 0; i < 16; i++) {
      const byte = bytes[block * 18 + 2 + i]!;
      out[block * 32 + i] = scales[block]! * nonLinear[byte & 15]!;
      out[block * 32 + 16 + i] = scales[block]! * nonLinear[byte >> 4]!;
    }
}

/** d, dmin (fp16), 8 pairs of 6-bit scale and minimum in 12 bytes, 128 bytes of nibbles: x = d·scale·q − dmin·minimum. */
function decodeQ4_K(bytes: Uint8Array, out: Float32Array): void {
  decodeK(bytes, out, 144, undefined);
}

/** The same with 32 bytes of high bits before the nibbles: bit j of byte i belongs to value i of run j. */
function decodeQ5_K(bytes: Uint8Array, out: Float32Array): void {
  decodeK(bytes, out, 176, 16);
}

function decodeK(bytes: Uint8Array, out: Float32Array, blockBytes: number, highAt: number | undefined): void {
  const scales = blockHalves(bytes, blockBytes, 0);
  const minimums = blockHalves(bytes, blockBytes, 2);
  const lowAt = blockBytes - 128;
  for (let block = 0; block < scales.length; block++) {
    const at = block * blockBytes;
    for (let j = 0; j < 8; j++) {
      const packed = (i: number) => bytes[at + 4 + i]!;
      const scale = j < 4 ? packed(j) & 63 : (packed(j + 4) & 15) | ((packed(j - 4) >> 6) << 4);
      const minimum = j < 4 ? packed(j + 4) & 63 : (packed(j + 4) >> 4) | ((packed(j) >> 6) << 4);
      const d = Math.fround(scales[block]! * scale);
      const m = Math.fround(minimums[block]! * minimum);
      const shift = 4 * (j & 1);
      const from = at + lowAt + 32 * (j >> 1);
      for (let i = 0; i < 32; i++) {
        const high = highAt === undefined ? 0 : (bytes[at + highAt + i]! >> j) & 1;
        const q = ((bytes[from + i]! >> shift) & 15) | (high << 4);
        out[block * 256 + j * 32 + i] = Math.fround(d * q) - m; // rounded as ggml rounds
      }
    }
  }
}

/** 128 bytes of low nibbles, 64 of high bit pairs, 16 × int8 scales, d (fp16): x = d·scale·(q − 32). */
function decodeQ6_K(bytes: Uint8Array, out: Float32Array): void {
  const steps = blockHalves(bytes, 210, 208);
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let block = 0; block < steps.length; block++) {
    const at = block * 210;
    const d = steps[block]!;
    for (let i = 0; i < 256; i++) {
      // Halves of 128 values; in each, four runs of 32 share 64 low bytes and 32 high bytes.
      const half = i >> 7;
      const run = (i >> 5) & 3;
      const column = i & 31;
      const low = bytes[at + half * 64 + (run & 1) * 32 + column]! >> (run < 2 ? 0 : 4);
      const high = bytes[at + 128 + half * 32 + column]! >> (2 * run);
      const q = (low & 15) | ((high & 3) << 4);
      out[block * 256 + i] = Math.fround(d * signed[at + 192 + (i >> 4)]!) * (q - 32);
    }
  }
}

/** The fp16 at `offset` of every block, as fp32. */
function blockHalves(bytes: Uint8Array, blockBytes: number, offset: number): Float32Array {
  const halves = new Uint16Array(bytes.length / blockBytes);
  for (let block = 0; block < halves.length; block++) {
    const at = block * blockBytes + offset;
    halves[block] = bytes[at]! | (bytes[at + 1]! << 8);
  }
  return float16ToFloat32(halves);
}

/** Writes the codes of 32 values into the 16 bytes from `start`: the first half of them in the low nibbles. */
function writeNibbles(bytes: Uint8Array, start: number, code: (i: number) => number): void {
  for (let i = 0; i < 16; i++) bytes[start + i] = code(i) | (code(i + 16) << 4);
}

/** Writes each block's value as the fp16 at `offset` of it. */
function writeHalves(bytes: Uint8Array, blockBytes: number, offset: number, values: Float32Array): void {
  const halves = float32ToFloat16(values);
  for (let block = 0; block < halves.length; block++) {
    bytes[block * blockBytes + offset] = halves[block]! & 0xff;
    bytes[block * blockBytes + offset + 1] = halves[block]! >> 8;
  }
}

/** 16-bit words of bytes that may lie at an odd address. */
const words = (bytes: Uint8Array): Uint16Array =>
  bytes.byteOffset % 2 === 0
    ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
    : new Uint16Array(bytes.slice().buffer);
