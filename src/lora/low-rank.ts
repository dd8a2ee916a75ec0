/** @file An adapter: for each adapted weight a low-rank change, scales and gates folded in. */
import { AppError } from "../base/errors.ts";

/** A low-rank change of one weight (out, in): B·A, scales and gates folded into B. */
export type LowRank = {
  readonly rank: number;
  readonly inputs: number;
  readonly outputs: number;
  /** (rank, in) */
  readonly a: Float32Array;
  /** (rank, out): Bᵀ */
  readonly b: Float32Array;
};

/** Weight name as in the checkpoint ("model.layers.0.mlp.up_proj.weight") → its change. */
export type Adapter = ReadonlyMap<string, LowRank>;

/** The largest rank of an adapter's parts. */
export const adapterRank = (adapter: Adapter): number => Math.max(0, ...[...adapter.values()].map(({ rank }) => rank));

/** (rows, columns) → (columns, rows). */
export function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j]!;
  return out;
}

/** The same change with zeros up to a rank: A (rank, in), B (rank, out). */
export function padRank(change: LowRank, rank: number): LowRank {
  if (rank === change.rank) return change;
  if (rank < change.rank) throw new Error(`internal: rank ${change.rank} does not fit ${rank}`);
  const a = new Float32Array(rank * change.inputs);
  const b = new Float32Array(rank * change.outputs);
  a.set(change.a);
  b.set(change.b);
  return { ...change, rank, a, b };
}

/** Throws E_NAN naming what holds the first value that is no finite number. */
export function requireFinite(values: Float32Array, what: () => string): void {
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(values[i]))
      throw new AppError("E_NAN", `${what()}: expected finite numbers, found ${values[i]} at ${i}`);
}
