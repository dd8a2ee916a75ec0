/** @file The singular value decomposition of one weight: fp64 eigenvectors of the smaller Gram matrix, small singular values with care. */
import { requireFinite, transpose } from "../lora/low-rank.ts";
import { eigenvectors } from "./symmetric-eigen.ts";

/** W = Uᵀ diag(s) V of a weight (out, in), with r = min(out, in). */
export type Svd = {
  readonly rank: number;
  readonly outputs: number;
  readonly inputs: number;
  /** (r, out): row i is the left vector i. */
  readonly u: Float32Array;
  /** (r): the largest first, none below zero. */
  readonly s: Float32Array;
  /** (r, in): row i is the right vector i. */
  readonly v: Float32Array;
  /** ‖W − Uᵀ diag(s) V‖ / ‖W‖ of these fp32 numbers; 0 where W is zero. */
  readonly error: number;
};

/** Below this share of the largest singular value the Gram matrix no longer keeps right vectors apart: its numbers are squares. */
const smallShare = 1e-4;

/**
 * @param weight (out, in)
 * @throws E_NAN where it has numbers that are not finite
 */
export function decompose(weight: Float32Array, outputs: number, inputs: number): Svd {
  requireFinite(weight, () => "weight");
  const isWide = outputs <= inputs;
  const rows = Float64Array.from(isWide ? weight : transpose(weight, outputs, inputs));
  const [n, m] = isWide ? [outputs, inputs] : [inputs, outputs];
  const { left, right, s } = singularPairs(rows, eigenvectors(gram(rows, n, m), n), n, m);
  const error = reconstructionError(rows, { left, right, s }, n, m);
  const [u, v] = isWide ? [left, right] : [right, left];
  return { rank: n, outputs, inputs, u, s, v, error };
}

/** So many rows stay in the processor's cache while all others are multiplied with them. */
const tileRows = 32;

/** W Wᵀ, (n, n). */
function gram(rows: Float64Array, n: number, m: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let tile = 0; tile < n; tile += tileRows) {
    const end = Math.min(n, tile + tileRows);
    for (let i = tile; i < n; i++)
      for (let j = tile; j < Math.min(end, i + 1); j++) {
        const value = dot(rows, i * m, rows, j * m, m);
        out[i * n + j] = value;
        out[j * n + i] = value;
      }
  }
  return out;
}

type Sides = { readonly left: Float32Array; readonly right: Float32Array; readonly s: Float32Array };

/** Each left vector u with its s v = Wᵀ u, sorted by s. */
function singularPairs(rows: Float64Array, vectors: Float64Array, n: number, m: number): Sides {
  const right = product(vectors, rows, n, n, m);
  const s = Float64Array.from({ length: n }, (_, i) => Math.sqrt(dot(right, i * m, right, i * m, m)));
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => s[j]! - s[i]!);
  const largest = s[order[0]!]!;
  order.forEach((row, place) => {
    if (largest === 0 || s[row]! < smallShare * largest)
      s[row] = straighten(right, order.slice(0, place), row, m, largest);
    else scaleRow(right, row, m, 1 / s[row]!);
  });
  order.sort((i, j) => s[j]! - s[i]!); // straightening made some smaller
  return {
    left: inOrder(vectors, order, n),
    right: inOrder(right, order, m),
    s: Float32Array.from(order, (i) => s[i]!),
  };
}

function inOrder(rows: Float64Array, order: readonly number[], width: number): Float32Array {
  const out = new Float32Array(rows.length);
  order.forEach((from, to) => void out.set(rows.subarray(from * width, (from + 1) * width), to * width));
  return out;
}

/**
 * Makes a row orthogonal to those before it and of length 1. Returns the singular value that is left; where none is, the row becomes
 * any direction that is still free.
 */
function straighten(right: Float64Array, before: readonly number[], row: number, m: number, largest: number): number {
  project(right, before, row, m);
  const length = Math.sqrt(dot(right, row * m, right, row * m, m));
  if (length > Number.EPSILON * largest) {
    scaleRow(right, row, m, 1 / length);
    project(right, before, row, m);
    return length;
  }
  for (let axis = 0; axis < m; axis++) {
    right.fill(0, row * m, (row + 1) * m);
    right[row * m + axis] = 1;
    project(right, before, row, m);
    const free = Math.sqrt(dot(right, row * m, right, row * m, m));
    if (free < 0.5 / Math.sqrt(m)) continue; // some axis has more: the squares of all add up to the free dimensions
    scaleRow(right, row, m, 1 / free);
    project(right, before, row, m);
    break;
  }
  return 0;
}

/** Takes out of a row what lies along the rows before it. */
function project(right: Float64Array, before: readonly number[], row: number, m: number): void {
  for (const other of before) {
    const along = dot(right, row * m, right, other * m, m);
    for (let j = 0; j < m; j++) right[row * m + j]! -= along * right[other * m + j]!;
  }
}

function scaleRow(rows: Float64Array, row: number, m: number, factor: number): void {
  for (let j = row * m; j < (row + 1) * m; j++) rows[j]! *= factor;
}

/** The product of both sides beside the weight, some rows at a time: never the whole of it. */
function reconstructionError(rows: Float64Array, { left, right, s }: Sides, n: number, m: number): number {
  const scaled = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) scaled[k * n + i] = left[i * n + k]! * s[i]!;
  const wide = Float64Array.from(right);
  let missed = 0;
  let all = 0;
  for (let from = 0; from < n; from += 2 * tileRows) {
    const count = Math.min(n - from, 2 * tileRows);
    const sums = product(scaled.subarray(from * n, (from + count) * n), wide, count, n, m);
    for (let i = 0; i < sums.length; i++) {
      const value = rows[from * m + i]!;
      missed += (value - sums[i]!) ** 2;
      all += value ** 2;
    }
  }
  return all === 0 ? 0 : Math.sqrt(missed / all);
}

/** (n, k) times (k, m): tiles of the second matrix, four of their rows at a time. */
function product(a: Float64Array, b: Float64Array, n: number, k: number, m: number): Float64Array {
  const out = new Float64Array(n * m);
  for (let tile = 0; tile < k; tile += tileRows) {
    const end = Math.min(k, tile + tileRows);
    for (let i = 0; i < n; i++) {
      const row = out.subarray(i * m, (i + 1) * m);
      let r = tile;
      for (; r + 3 < end; r += 4) addRows(row, a, i * k + r, b, r * m);
      for (; r < end; r++) {
        const factor = a[i * k + r]!;
        for (let j = 0; j < m; j++) row[j]! += factor * b[r * m + j]!;
      }
    }
  }
  return out;
}

/** Adds four rows, each times its factor. */
function addRows(to: Float64Array, factors: Float64Array, at: number, rows: Float64Array, first: number): void {
  const m = to.length;
  const f0 = factors[at]!;
  const f1 = factors[at + 1]!;
  const f2 = factors[at + 2]!;
  const f3 = factors[at + 3]!;
  const [second, third, fourth] = [first + m, first + 2 * m, first + 3 * m];
  for (let j = 0; j < m; j++)
    to[j]! += f0 * rows[first + j]! + f1 * rows[second + j]! + f2 * rows[third + j]! + f3 * rows[fourth + j]!;
}

function dot(a: Float64Array, fromA: number, b: Float64Array, fromB: number, count: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let k = 0;
  for (; k + 3 < count; k += 4) {
    s0 += a[fromA + k]! * b[fromB + k]!;
    s1 += a[fromA + k + 1]! * b[fromB + k + 1]!;
    s2 += a[fromA + k + 2]! * b[fromB + k + 2]!;
    s3 += a[fromA + k + 3]! * b[fromB + k + 3]!;
  }
  for (; k < count; k++) s0 += a[fromA + k]! * b[fromB + k]!;
  return s0 + s1 + s2 + s3;
}
