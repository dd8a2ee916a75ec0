/** @file What every session is, wherever it runs. */
import { AppError } from "../base/errors.ts";
import type { Tensor } from "./tensor.ts";

export type Feeds = Readonly<Record<string, Tensor>>;

/** A compiled graph. Owns native memory until closed. */
export type Session = AsyncDisposable & {
  /**
   * Runs the graph.
   * @param into outputs written into tensors the caller already holds: no copies, no allocation
   */
  run(feeds: Feeds, into?: Feeds): Promise<Record<string, Tensor>>;
  /** Gives the memory back. Idempotent; `run` afterwards is an error. */
  close(): Promise<void>;
  readonly outputNames: readonly string[];
  /** Whether memory that is both fed and written stays on the device between runs: the caller's holds its first values only. */
  readonly keepsState: boolean;
};

/** Where the values of a frozen weight come from. */
export type WeightSource = StoredSource | DecodedSource;

/** Values as a session takes them. */
export type StoredSource = FileSource | HeldSource;

/** Values in memory. */
export type HeldSource = { readonly kind: "data"; readonly data: WeightValues };

/** Values that are mapped. */
export type FileSource = {
  readonly kind: "file";
  readonly path: string;
  readonly offset: number;
  /** As they lie in the file. */
  readonly bytes: number;
  /** Where fp32 values lie there in two bytes each: every session widens them for itself, one weight at a time. */
  readonly storedAs?: "f16" | "bf16";
};

/** Values that lie in a file in a way that no session reads: decoded whenever they are needed, and not held in between. */
export type DecodedSource = {
  readonly kind: "decoded";
  readonly path: string;
  /** Of the decoded values. */
  readonly bytes: number;
  /** Throws E_NOT_FOUND, E_IO; E_FORMAT where the file was changed since it was opened. */
  readonly read: () => Promise<Float32Array | Uint8Array>;
};

export type WeightValues = Float32Array | BigInt64Array | Uint8Array;

export type Device = "cpu" | "webgpu" | "cuda" | "wasm";

/** Most threads that may be asked for: with very many the process hangs, deaf to signals, while they start. */
export const maxThreads = 256;

/** Throws E_USAGE where threads are no whole number up to `maxThreads`. */
export function requireThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 0 || threads > maxThreads)
    throw new AppError("E_USAGE", `threads: expected a whole number from 0 to ${maxThreads}, found ${threads}`);
}

export type CompileOptions = {
  readonly weights?: Readonly<Record<string, WeightSource>>;
  readonly device?: Device;
  /** Threads for one operator. 0: as many as `LORAGEN_THREADS` says, else one per core. */
  readonly threads?: number;
  /** Repacks frozen weights for speed at the price of a second copy: worth it for decoding, not for training batches. */
  readonly prepack?: boolean;
  /** Keeps freed activations for the next run. Off where peak memory matters more than speed. */
  readonly arena?: boolean;
  /** Threads without work keep their processor busy for a while, ready for the next operator. Off where operators are long. */
  readonly spin?: boolean;
  /** Records what every operator takes. Written to a JSON file once the session is closed: this, then the date. On the CPU in Node. */
  readonly profile?: string;
};
