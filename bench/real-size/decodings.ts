/** @file What is decoded beside llama.cpp: how our weights are held, its type beside them, and how the two differ. */
import type { QuantizationName } from "../../src/models/quantized-layout.ts";
import type { GgufModelType } from "../../src/models/save-gguf.ts";

export const quantised = [
  "int8",
  "int8-64",
  "int8-128",
  "int4",
  "int4-64",
  "int4-128",
] as const satisfies QuantizationName[];
export type Quantised = (typeof quantised)[number];
export type Stored = "f32" | "bf16" | Quantised;

export type PeerType = Exclude<GgufModelType, "F16">;

export type Decoding = {
  readonly stored: Stored;
  /** Absent: ours alone. */
  readonly peer?: { readonly type: PeerType; readonly compared: string };
  /** Made for its peer: left out where llama.cpp does not have the model. */
  readonly needsPeer?: true;
};

const tables = "embeddings and head in 8.25 bits against Q8_0 (8.5)";

/** By the name of the row. Bits are those of a weight with its share of scales: ours are fp32, llama.cpp's fp16 and always in blocks of 32. */
export const decodings = {
  f32: { stored: "f32", peer: { type: "F32", compared: "fp32 weights, both mapped from files" } },
  bf16: { stored: "bf16" },
  int8: {
    stored: "int8",
    peer: { type: "Q8_0", compared: `int8 in blocks of 32 (9 bits) against Q8_0 (8.5); ${tables}` },
  },
  "int8-64": {
    stored: "int8-64",
    peer: { type: "Q8_0", compared: `int8 in blocks of 64 against Q8_0, 8.5 bits on both sides; ${tables}` },
  },
  "int8-128": {
    stored: "int8-128",
    peer: { type: "Q8_0", compared: `int8 in blocks of 128 (8.25 bits) against Q8_0 (8.5); ${tables}` },
  },
  int4: {
    stored: "int4",
    peer: { type: "Q4_0", compared: `layers in int4 in blocks of 32 (5 bits) against Q4_0 (4.5); ${tables}` },
  },
  "int4 beside Q4_1": {
    stored: "int4",
    peer: { type: "Q4_1", compared: `layers in int4 in blocks of 32 against Q4_1, 5 bits on both sides; ${tables}` },
    needsPeer: true,
  },
  "int4-64": {
    stored: "int4-64",
    peer: { type: "Q4_0", compared: `layers in int4 in blocks of 64 against Q4_0, 4.5 bits on both sides; ${tables}` },
  },
  "int4-128": {
    stored: "int4-128",
    peer: { type: "Q4_0", compared: `layers in int4 in blocks of 128 (4.25 bits) against Q4_0 (4.5); ${tables}` },
  },
} as const satisfies Readonly<Record<string, Decoding>>;

export type DecodingName = keyof typeof decodings;

/** The name of a decoding's row. */
export const rowOf = (name: DecodingName): string => `run ${name}`;

/** llama.cpp's type in a row; undefined where it takes no part. */
export const peerTypeOf = (row: string): PeerType | undefined =>
  Object.entries<Decoding>(decodings).find(([name]) => rowOf(name as DecodingName) === row)?.[1].peer?.type;
