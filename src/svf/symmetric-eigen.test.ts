import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { eigenvectors } from "./symmetric-eigen.ts";

/** Rows are orthonormal, and A v is a multiple of v for each; returns the multiples, the smallest first. */
function eigenvaluesOf(matrix: Float64Array, n: number): number[] {
  const rows = eigenvectors(Float64Array.from(matrix), n);
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, k) => sum + value * b[k]!, 0);
  const row = (of: Float64Array, i: number) => of.subarray(i * n, (i + 1) * n);
  const largest = Math.max(1e-300, ...matrix.map(Math.abs));
  const values: number[] = [];
  let [bent, skewed] = [0, 0];
  for (let i = 0; i < n; i++) {
    const v = row(rows, i);
    const image = Float64Array.from({ length: n }, (_, k) => dot(row(matrix, k), v));
    const value = dot(image, v);
    for (let k = 0; k < n; k++) bent = Math.max(bent, Math.abs(image[k]! - value * v[k]!) / (n * largest));
    for (let j = 0; j <= i; j++) skewed = Math.max(skewed, Math.abs(dot(v, row(rows, j)) - (i === j ? 1 : 0)));
    values.push(value);
  }
  expect(bent).toBeLessThan(1e-14);
  expect(skewed).toBeLessThan(1e-13);
  return values.sort((a, b) => a - b);
}

test.each([1, 2, 3, 17, 64])("a drawn matrix of %i rows", (n) => {
  const drawn = createRng(`eigen ${n}`).fillNormal(new Float32Array(n * n), 1);
  const matrix = Float64Array.from(drawn, (_, at) => drawn[at]! + drawn[(at % n) * n + Math.floor(at / n)]!);
  const values = eigenvaluesOf(matrix, n);
  const trace = Array.from({ length: n }, (_, i) => matrix[i * n + i]!).reduce((a, b) => a + b);
  expect(values.reduce((a, b) => a + b)).toBeCloseTo(trace, 10);
});

test("equal, zero and far apart eigenvalues", () => {
  const diagonal = [0, 4, 4, 1e-12, 1e12, -3, 0];
  const matrix = new Float64Array(49);
  diagonal.forEach((value, i) => {
    matrix[8 * i] = value;
  });
  expect(eigenvaluesOf(matrix, 7)).toEqual(diagonal.toSorted((a, b) => a - b));
  expect(eigenvaluesOf(new Float64Array(9), 3)).toEqual([0, 0, 0]);
  // All ones: one eigenvalue of 5, the rest 0.
  const values = eigenvaluesOf(new Float64Array(25).fill(1), 5);
  expect(values.at(-1)).toBeCloseTo(5, 12);
  for (const value of values.slice(0, -1)) expect(Math.abs(value)).toBeLessThan(1e-14);
});

test.each([
  [160, 16],
  [160, 10],
  [96, 16],
])("of %i rows only every %ith has numbers: what is zero is left in peace", (n, every) => {
  for (let seed = 0; seed < 6; seed++) {
    const weight = new Float32Array(n * 8);
    const rng = createRng(`zero rows ${seed}`);
    for (let i = 0; i < n; i += every) rng.fillNormal(weight.subarray(8 * i, 8 * i + 8), 1);
    const matrix = Float64Array.from({ length: n * n }, (_, at) => {
      const [i, j] = [8 * Math.floor(at / n), 8 * (at % n)];
      let sum = 0;
      for (let k = 0; k < 8; k++) sum += weight[i + k]! * weight[j + k]!;
      return sum;
    });
    const values = eigenvaluesOf(matrix, n);
    expect(values.filter((value) => value > 1e-10).length).toBe(Math.min(8, Math.ceil(n / every)));
  }
});

test("rows of sizes that are 40 decades apart, the largest last", () => {
  const n = 128;
  const drawn = createRng("graded").fillNormal(new Float32Array(n * n), 1);
  const size = (i: number) => 10 ** ((40 * (i - n + 1)) / n);
  const matrix = Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return size(i) * size(j) * (drawn[i * n + j]! + drawn[j * n + i]!);
  });
  expect(eigenvaluesOf(matrix, n).length).toBe(n);
});

test("the tridiagonal matrix of 2 and −1 has the eigenvalues of its formula", () => {
  const n = 20;
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    matrix[i * n + i] = 2;
    if (i > 0) matrix[i * n + i - 1] = matrix[(i - 1) * n + i] = -1;
  }
  const wanted = Array.from({ length: n }, (_, k) => 2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1)));
  const found = eigenvaluesOf(matrix, n);
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(wanted[i]!, 12);
});

test("numbers that are not finite are refused", () => {
  const matrix = new Float64Array(9).fill(1);
  matrix[1] = matrix[3] = Number.NaN;
  expect(() => eigenvectors(matrix, 3)).toThrow(expect.objectContaining({ code: "E_NAN" }));
  expect(() => eigenvectors(new Float64Array(4).fill(Number.POSITIVE_INFINITY), 2)).toThrow(
    expect.objectContaining({ code: "E_NAN" }),
  );
});
