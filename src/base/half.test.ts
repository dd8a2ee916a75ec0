/** @file Half precision: exact to fp32, nearest-even back. */
import { expect, test } from "vitest";
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from "./half.ts";
import { createRng } from "./rng.ts";

const all = Uint16Array.from({ length: 65536 }, (_, i) => i);

/** The value of an fp16 pattern by its definition. */
function float16Value(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 31;
  const mantissa = h & 1023;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1 + mantissa / 1024) * 2 ** (exponent - 15) : (mantissa / 1024) * 2 ** -14);
}

test("every fp16 pattern becomes its value and comes back unchanged", () => {
  const floats = float16ToFloat32(all);
  const wrong = all.filter((h) => !Object.is(floats[h], float16Value(h)));
  expect([...wrong]).toEqual([]);
  const back = float32ToFloat16(floats);
  const changed = all.filter((h) => back[h] !== h && !Number.isNaN(floats[h]));
  expect([...changed]).toEqual([]);
  expect(all.every((h) => !Number.isNaN(floats[h]) || Number.isNaN(float16Value(back[h]!)))).toBe(true);
});

test("every bf16 pattern comes back unchanged, NaN stays NaN", () => {
  const floats = bfloat16ToFloat32(all);
  const back = float32ToBfloat16(floats);
  const changed = all.filter((h) => back[h] !== h && !Number.isNaN(floats[h]));
  expect([...changed]).toEqual([]);
  const nans = all.filter((h) => Number.isNaN(floats[h]));
  expect(nans.length).toBe(254);
  expect(bfloat16ToFloat32(float32ToBfloat16(floats.slice(0x7f81, 0x7f90))).every(Number.isNaN)).toBe(true);
});

test("between two neighbours fp32 rounds to the nearer, and from the middle to the even one", () => {
  const finite = float16ToFloat32(all.slice(0, 0x7c00)); // 0 … 65504, ascending
  const middles = finite.slice(0, -1).map((x, i) => (x + finite[i + 1]!) / 2); // exact in fp32
  const expected = Array.from(middles, (_, i) => i + (i & 1));
  expect([...float32ToFloat16(middles)]).toEqual(expected);
  expect([...float32ToFloat16(middles.map((x) => -x))]).toEqual(expected.map((h) => h | 0x8000));
  const nudge = (floats: Float32Array, by: number) =>
    new Float32Array(new Uint32Array(floats.slice().buffer).map((bits) => bits + by).buffer);
  expect([...float32ToFloat16(nudge(middles, -1))]).toEqual(Array.from(middles, (_, i) => i));
  expect([...float32ToFloat16(nudge(middles, 1))]).toEqual(Array.from(middles, (_, i) => i + 1));
});

test("bf16 rounding never errs by more than half a unit in the last place", () => {
  const floats = createRng(1).fillNormal(new Float32Array(10_000), 3);
  const back = bfloat16ToFloat32(float32ToBfloat16(floats));
  expect(floats.every((x, i) => Math.abs(back[i]! - x) <= Math.abs(x) * 2 ** -8)).toBe(true);
  expect([...float32ToBfloat16(new Float32Array([1 + 2 ** -8, 1 + 3 * 2 ** -8]))]).toEqual([0x3f80, 0x3f82]);
});

test("overflow becomes infinity exactly where rounding says so", () => {
  const halves = float32ToFloat16(new Float32Array([65504, 65519.996, 65520, 1e30, -1e30, 2 ** -25, 2 ** -26, 1e-45]));
  expect([...halves]).toEqual([0x7bff, 0x7bff, 0x7c00, 0x7c00, 0xfc00, 0, 0, 0]);
});
