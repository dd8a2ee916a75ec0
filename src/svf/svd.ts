/** @file The singular value decomposition of one weight: fp64 eigenvectors of the smaller Gram matrix, small singular values with care. */
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { requireFinite, transpose } from "../lora/low-rank.ts";

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
  const { left, right, s } = singularPairs(rows, gramVectors(rows, n, m), n, m);
  const error = reconstructionError(rows, { left, right, s }, n, m);
  const [u, v] = isWide ? [left, right] : [right, left];
  return { rank: n, outputs, inputs, u, s, v, error };
}

/** The eigenvectors of W Wᵀ: (n, n), one a row. */
function gramVectors(rows: Float64Array, n: number, m: number): Float64Array {
  const gram = Matrix.zeros(n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      const value = dot(rows, i * m, rows, j * m, m);
      gram.set(i, j, value);
      gram.set(j, i, value);
    }
  }
  const { eigenvectorMatrix } = new EigenvalueDecomposition(gram, { assumeSymmetric: true });
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) vectors[i * n + k] = eigenvectorMatrix.get(k, i);
  return vectors;
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

function reconstructionError(rows: Float64Array, { left, right, s }: Sides, n: number, m: number): number {
  const scaled = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let k = 0; k < n; k++) scaled[k * n + i] = left[i * n + k]! * s[i]!;
  const sums = product(scaled, Float64Array.from(right), n, n, m);
  let [missed, all] = [0, 0];
  for (let i = 0; i < rows.length; i++) {
    missed += (rows[i]! - sums[i]!) ** 2;
    all += rows[i]! ** 2;
  }
  return all === 0 ? 0 : Math.sqrt(missed / all);
}

/** (n, k) times (k, m), four rows of the second at a time. */
function product(a: Float64Array, b: Float64Array, n: number, k: number, m: number): Float64Array {
  const out = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    const to = i * m;
    let r = 0;
    for (; r + 3 < k; r += 4) {
      const at = i * k + r;
      const [f0, f1, f2, f3] = [a[at]!, a[at + 1]!, a[at + 2]!, a[at + 3]!];
      const [r0, r1, r2, r3] = [r * m, (r + 1) * m, (r + 2) * m, (r + 3) * m];
      for (let j = 0; j < m; j++) out[to + j]! += f0 * b[r0 + j]! + f1 * b[r1 + j]! + f2 * b[r2 + j]! + f3 * b[r3 + j]!;
    }
    for (; r < k; r++) {
      const factor = a[i * k + r]!;
      for (let j = 0; j < m; j++) out[to + j]! += factor * b[r * m + j]!;
    }
  }
  return out;
}

function dot(a: Float64Array, fromA: number, b: Float64Array, fromB: number, count: number): number {
  let [s0, s1, s2, s3, k] = [0, 0, 0, 0, 0];
  for (; k + 3 < count; k += 4) {
    s0 += a[fromA + k]! * b[fromB + k]!;
    s1 += a[fromA + k + 1]! * b[fromB + k + 1]!;
    s2 += a[fromA + k + 2]! * b[fromB + k + 2]!;
    s3 += a[fromA + k + 3]! * b[fromB + k + 3]!;
  }
  for (; k < count; k++) s0 += a[fromA + k]! * b[fromB + k]!;
  return s0 + s1 + s2 + s3;
}
