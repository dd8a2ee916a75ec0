import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { decompose, type Svd } from "./svd.ts";

const random = (count: number, seed: string) => createRng(seed).fillNormal(new Float32Array(count), 1);

/** (rows, k) times (k, columns). */
function product(a: Float32Array, b: Float32Array, k: number): Float32Array {
  const [rows, columns] = [a.length / k, b.length / k];
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < k; j++) sum += a[Math.floor(i / columns) * k + j]! * b[j * columns + (i % columns)]!;
    return sum;
  });
}

/** The largest gap between the products of rows and the unit matrix. */
function skewness(rows: Float32Array, count: number): number {
  const width = rows.length / count;
  let worst = 0;
  for (let i = 0; i < count; i++)
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? -1 : 0;
      for (let k = 0; k < width; k++) sum += rows[i * width + k]! * rows[j * width + k]!;
      worst = Math.max(worst, Math.abs(sum));
    }
  return worst;
}

function expectSound(svd: Svd): void {
  expect(svd.error).toBeLessThan(1e-6);
  expect(skewness(svd.u, svd.rank)).toBeLessThan(1e-6);
  expect(skewness(svd.v, svd.rank)).toBeLessThan(1e-6);
  svd.s.forEach((value, i) => {
    expect(value).toBeGreaterThanOrEqual(0);
    if (i > 0) expect(value).toBeLessThanOrEqual(svd.s[i - 1]!);
  });
}

test.each([
  ["tall", 40, 24],
  ["wide", 24, 40],
  ["square", 30, 30],
  ["larger than a tile", 70, 45],
  ["larger than a tile and wide", 45, 70],
  ["of one row", 1, 7],
  ["of one column", 7, 1],
])("a weight that is %s: both sides are orthonormal, and together they are the weight", (_, outputs, inputs) => {
  const svd = decompose(random(outputs * inputs, `${outputs}`), outputs, inputs);
  expect(svd).toMatchObject({ rank: Math.min(outputs, inputs), outputs, inputs });
  expectSound(svd);
});

test("a weight of which most rows are zero has orthonormal sides too", () => {
  const weight = new Float32Array(160 * 200);
  for (let i = 0; i < 160; i += 16) weight.set(random(200, `row ${i}`), i * 200);
  const svd = decompose(weight, 160, 200);
  expectSound(svd);
  expect(svd.s.filter((value) => value > 1e-3).length).toBe(10);
});

test("the singular values of a diagonal weight are its numbers, however small, the largest first", () => {
  const wanted = [5, 2, 1e-3, 1e-6, 1e-9, 0];
  const weight = new Float32Array(36);
  [2, 5, 1e-9, 0, 1e-3, -1e-6].forEach((value, i) => {
    weight[7 * i] = value;
  });
  const svd = decompose(weight, 6, 6);
  expectSound(svd);
  wanted.forEach((value, i) => {
    expect(Math.abs(svd.s[i]! - value)).toBeLessThan(1e-6 * value + 1e-12);
  });
});

test("singular values down to a billionth of the largest, in mixed directions, leave both sides orthonormal", () => {
  const n = 12;
  const [left, right] = [decompose(random(n * n, "left"), n, n).u, decompose(random(n * n, "right"), n, n).v];
  const spread = right.map((value, i) => value * 10 ** ((-9 * Math.floor(i / n)) / (n - 1)));
  expectSound(decompose(product(left, spread, n), n, n));
});

test("a weight of low rank, and one of zeros, have as many free directions as they need", () => {
  const low = decompose(product(random(20 * 2, "a"), random(2 * 9, "b"), 2), 20, 9);
  expectSound(low);
  expect(low.s[2]! / low.s[0]!).toBeLessThan(1e-6);
  const zero = decompose(new Float32Array(12), 3, 4);
  expectSound(zero);
  expect([...zero.s]).toEqual([0, 0, 0]);
});

test("a number that is not finite is refused", () => {
  expect(() => decompose(Float32Array.of(1, Number.NaN, 2, 3), 2, 2)).toThrow(
    expect.objectContaining({ code: "E_NAN" }),
  );
});
