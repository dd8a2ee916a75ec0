/** @file What is decoded beside llama.cpp: how our weights are held, its type beside them, and how the two differ. */

import type { GgufModelType } from "../../src/models/gguf/save.ts";
import type { QuantizationName } from "../../src/models/quantized/layout.ts";

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
  readonly peer?: {
    readonly type: PeerType;
    /** Of a weight of the layers with its share of scales. Ours are fp32, llama.cpp's fp16 and always in blocks of 32. */
    readonly bits: { readonly ours: number; readonly theirs: number };
  };
  /** Made for its peer: left out where llama.cpp does not have the model. */
  readonly needsPeer?: true;
};

/** By the name of the row. */
export const decodings = {
  f32: { stored: "f32", peer: { type: "F32", bits: { ours: 32, theirs: 32 } } },
  bf16: { stored: "bf16" },
  int8: { stored: "int8", peer: { type: "Q8_0", bits: { ours: 9, theirs: 8.5 } } },
  "int8-64": { stored: "int8-64", peer: { type: "Q8_0", bits: { ours: 8.5, theirs: 8.5 } } },
  "int8-128": { stored: "int8-128", peer: { type: "Q8_0", bits: { ours: 8.25, theirs: 8.5 } } },
  int4: { stored: "int4", peer: { type: "Q4_0", bits: { ours: 5, theirs: 4.5 } } },
  "int4 beside Q4_1": { stored: "int4", peer: { type: "Q4_1", bits: { ours: 5, theirs: 5 } }, needsPeer: true },
  "int4-64": { stored: "int4-64", peer: { type: "Q4_0", bits: { ours: 4.5, theirs: 4.5 } } },
  "int4-128": { stored: "int4-128", peer: { type: "Q4_0", bits: { ours: 4.25, theirs: 4.5 } } },
} as const satisfies Readonly<Record<string, Decoding>>;

export type DecodingName = keyof typeof decodings;

/** The name of a decoding's row. */
export const rowOf = (name: DecodingName): string => `run ${name}`;

/** llama.cpp's type in a row; undefined where it takes no part. */
export const peerTypeOf = (row: string): PeerType | undefined =>
  Object.entries<Decoding>(decodings).find(([name]) => rowOf(name as DecodingName) === row)?.[1].peer?.type;

/** What differs between the two beside the program. */
export const comparison = ({ stored, peer }: Required<Pick<Decoding, "stored" | "peer">>): string =>
  stored === "f32"
    ? "fp32 weights, both read from files: llama.cpp maps its own, ours are mostly packed anew into memory"
    : `layers in ${stored} (${peer.bits.ours} bits) against ${peer.type} (${peer.bits.theirs}); embeddings and head in 8.25 bits against Q8_0 (8.5)`;
