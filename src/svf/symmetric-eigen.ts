/** @file Eigenvectors of a symmetric matrix: Householder reflections to a tridiagonal matrix, then QL sweeps with implicit shifts (Golub & Van Loan §8.3). All inner loops run along rows. */
import { AppError } from "../base/errors.ts";

/** What the reflections leave: T has d on its diagonal, and e[i] between i − 1 and i. The vector of reflection i has i numbers and stands in row i of the matrix. */
type Tridiagonal = {
  readonly d: Float64Array;
  readonly e: Float64Array;
  /** vᵀv / 2 of the vector of each row: the reflection is 1 − v vᵀ / h; 0 where there is none. */
  readonly h: Float64Array;
};

/** Sweeps of one eigenvalue; two are usual, six the most that was seen. */
const mostSweeps = 30;

/**
 * @param matrix (n, n), symmetric; it is overwritten
 * @returns (n, n): each row an eigenvector of length 1, in no order
 * @throws E_NAN where it has numbers that are not finite, or so far apart that sweeps do not end
 */
export function eigenvectors(matrix: Float64Array, n: number): Float64Array {
  if (!matrix.every(Number.isFinite))
    throw new AppError("E_NAN", "eigenvectors: expected finite numbers, found others");
  const tridiagonal = tridiagonalize(matrix, n);
  const rows = reflections(matrix, tridiagonal.h, n);
  diagonalize(tridiagonal, rows, n);
  return rows;
}

/** T = P₂ … P₍ₙ₋₁₎ A P₍ₙ₋₁₎ … P₂. Of the matrix the lower triangle is read, and then holds the vectors of the reflections. */
function tridiagonalize(a: Float64Array, n: number): Tridiagonal {
  const [d, e, h] = [new Float64Array(n), new Float64Array(n), new Float64Array(n)];
  const [v, p] = [new Float64Array(n), new Float64Array(n)];
  for (let i = n - 1; i > 0; i--) {
    const row = i * n;
    d[i] = a[row + i]!;
    const last = a[row + i - 1]!;
    let scale = 0;
    for (let k = 0; k < i; k++) scale = Math.max(scale, Math.abs(a[row + k]!));
    if (i === 1 || scale === 0) {
      e[i] = last;
      continue;
    }
    let length = 0;
    for (let k = 0; k < i; k++) {
      v[k] = a[row + k]! / scale;
      length += v[k]! ** 2;
    }
    const end = v[i - 1]! >= 0 ? -Math.sqrt(length) : Math.sqrt(length);
    const half = length - v[i - 1]! * end;
    v[i - 1]! -= end;
    e[i] = scale * end;
    h[i] = half;
    a.set(v.subarray(0, i), row);
    // p = A v / h: each number below the diagonal counts for its row and for its column.
    p.fill(0, 0, i);
    for (let j = 0; j < i; j++) {
      const from = j * n;
      const factor = v[j]!;
      let sum = a[from + j]! * factor;
      for (let k = 0; k < j; k++) {
        const value = a[from + k]!;
        sum += value * v[k]!;
        p[k]! += value * factor;
      }
      p[j]! += sum;
    }
    let along = 0;
    for (let j = 0; j < i; j++) {
      p[j]! /= half;
      along += v[j]! * p[j]!;
    }
    for (let j = 0; j < i; j++) p[j]! -= (along / (2 * half)) * v[j]!;
    for (let j = 0; j < i; j++) {
      const from = j * n;
      const [fv, fp] = [v[j]!, p[j]!];
      for (let k = 0; k <= j; k++) a[from + k]! -= fv * p[k]! + fp * v[k]!;
    }
  }
  d[0] = a[0]!;
  return { d, e, h };
}

/** P₂ P₃ … P₍ₙ₋₁₎, (n, n). */
function reflections(a: Float64Array, h: Float64Array, n: number): Float64Array {
  const rows = new Float64Array(n * n);
  for (let i = 0; i < n; i++) rows[i * n + i] = 1;
  for (let i = 2; i < n; i++) {
    if (h[i] === 0) continue;
    const v = a.subarray(i * n, i * n + i);
    for (let r = 0; r < i; r++) {
      const row = rows.subarray(r * n, r * n + i);
      let along = 0;
      for (let k = 0; k < i; k++) along += row[k]! * v[k]!;
      along /= h[i]!;
      for (let k = 0; k < i; k++) row[k]! -= along * v[k]!;
    }
  }
  return rows;
}

/** Turns neighbouring rows until T has nothing beside its diagonal that counts beside its largest numbers. */
function diagonalize({ d, e: beside }: Tridiagonal, rows: Float64Array, n: number): void {
  const e = new Float64Array(n);
  e.set(beside.subarray(1));
  const largest = d.reduce((most, value, i) => Math.max(most, Math.abs(value) + Math.abs(e[i]!)), 0);
  // Not beside the neighbours alone: in a part of T that is zero but for rounding, sweeps would not end.
  const small = Number.EPSILON * largest;
  for (let first = 0; first < n; first++) {
    for (let sweeps = 0; ; sweeps++) {
      let last = first;
      while (last < n - 1 && Math.abs(e[last]!) > small) last++;
      if (last === first) break;
      if (sweeps === mostSweeps)
        throw new AppError("E_NAN", `eigenvectors: no end after ${mostSweeps} sweeps; the numbers are too far apart`);
      sweep(d, e, rows, n, first, last);
    }
  }
}

/** One sweep over the part of T from `first` to `last`, with Wilkinson's shift. */
function sweep(d: Float64Array, e: Float64Array, rows: Float64Array, n: number, first: number, last: number): void {
  const lean = (d[first + 1]! - d[first]!) / (2 * e[first]!);
  const root = Math.hypot(lean, 1);
  let g = d[last]! - d[first]! + e[first]! / (lean + (lean >= 0 ? root : -root));
  let [s, c, p] = [1, 1, 0];
  for (let i = last - 1; i >= first; i--) {
    const f = s * e[i]!;
    const b = c * e[i]!;
    const r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1]! -= p;
      e[last] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    const shifted = d[i + 1]! - p;
    const t = (d[i]! - shifted) * s + 2 * c * b;
    p = s * t;
    d[i + 1] = shifted + p;
    g = c * t - b;
    turn(rows, i * n, (i + 1) * n, n, c, s);
  }
  d[first]! -= p;
  e[first] = g;
  e[last] = 0;
}

/** Turns two rows by an angle of which c is the cosine and s the sine. */
function turn(rows: Float64Array, upper: number, lower: number, n: number, c: number, s: number): void {
  for (let k = 0; k < n; k++) {
    const up = rows[upper + k]!;
    const low = rows[lower + k]!;
    rows[lower + k] = s * up + c * low;
    rows[upper + k] = c * up - s * low;
  }
}
