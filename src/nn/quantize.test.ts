import { describe, expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { dequantize, input } from "../graph/build.ts";
import { interpret } from "../graph/interpret.ts";
import { numbersOf, type Tensor } from "../graph/tensor.ts";
import { dequantizeBlocks, type QuantizeOptions, quantizeBlocks } from "./quantize.ts";
import { quantizedTensors } from "./quantized.ts";

/** What the graph's own reference reads out of the codes. */
function roundTrip(values: Float32Array, n: number, k: number, options: QuantizeOptions): number[] {
  const quantized = quantizeBlocks(values, n, k, options);
  const tensors = quantizedTensors("w", n, k, options);
  const nodes = [];
  const inputs: Record<string, Tensor> = {};
  for (const part of ["packed", "scales", "zeros"] as const) {
    const declared = tensors[part];
    const data = quantized[part];
    expect(data === undefined).toBe(declared === undefined);
    if (declared === undefined || data === undefined) continue;
    const { name, shape, dtype } = declared;
    nodes.push(input(name, shape, dtype));
    inputs[name] = { shape, dtype, data: data instanceof Float32Array ? Float64Array.from(data) : data };
  }
  const { bits, blockSize = 32 } = options;
  const weight = dequantize(nodes, { n, k, bits, blockSize });
  return numbersOf(interpret({ outputs: { weight } }, { inputs })["weight"]!);
}

/** Steps between neighbouring codes of a block. */
function stepOf(block: readonly number[], { bits, symmetric = true }: QuantizeOptions): number {
  const [low, high] = [Math.min(0, ...block), Math.max(0, ...block)];
  if (!symmetric) return (high - low) / (2 ** bits - 1);
  const half = 2 ** (bits - 1);
  return Math.max(Math.max(-low, high) / half, Math.min(-low, high) / (half - 1));
}

const layouts = ([4, 8] as const).flatMap((bits) =>
  [true, false].flatMap((symmetric) =>
    [
      { n: 3, k: 64, blockSize: 32 },
      { n: 5, k: 50, blockSize: 16 },
    ].map((shape) => ({ bits, symmetric, ...shape })),
  ),
);

describe.each(layouts)("$bits bits, symmetric $symmetric, ($n, $k) in blocks of $blockSize", (layout) => {
  const { n, k, blockSize } = layout;

  test("no value moves by more than half a step of its block", () => {
    const values = createRng(`quantize ${n}`).fillNormal(new Float32Array(n * k), 1);
    const read = roundTrip(values, n, k, layout);
    for (let row = 0; row < n; row++)
      for (let start = 0; start < k; start += blockSize) {
        const at = row * k + start;
        const end = row * k + Math.min(start + blockSize, k);
        const block = [...values.subarray(at, end)];
        const half = stepOf(block, layout) / 2;
        block.forEach((value, i) => {
          expect(Math.abs(value - read[at + i]!)).toBeLessThanOrEqual(half * (1 + 1e-5));
        });
      }
  });

  test("dequantising in memory gives what the graph reads", () => {
    const values = createRng(`dequantize ${n}`).fillNormal(new Float32Array(n * k), 1);
    const read = dequantizeBlocks(quantizeBlocks(values, n, k, layout), n, k, layout);
    expect([...read]).toEqual(roundTrip(values, n, k, layout).map(Math.fround));
  });

  test("zeros stay zero, whether the block holds others or not", () => {
    const values = new Float32Array(n * k);
    values.subarray(0, 7).set([0, 0.3, 0, -1, 0, 2, 0]);
    const read = roundTrip(values, n, k, layout);
    values.forEach((value, i) => {
      if (value === 0) expect(Math.abs(read[i]!)).toBe(0);
    });
  });
});

test("a block of one sign uses all codes when it may have a zero point", () => {
  const values = Float32Array.from({ length: 32 }, (_, i) => i / 31);
  const worst = (options: QuantizeOptions) =>
    Math.max(...roundTrip(values, 1, 32, options).map((read, i) => Math.abs(read - values[i]!)));
  const [asymmetric, symmetric] = [worst({ bits: 4, symmetric: false }), worst({ bits: 4, symmetric: true })];
  expect(asymmetric).toBeLessThanOrEqual(0.5 / 15 + 1e-6);
  expect(symmetric).toBeGreaterThan(asymmetric);
  expect(symmetric).toBeLessThanOrEqual(0.5 / 8 + 1e-6);
});

test.each([-1, 1])("the value that lies furthest out is met exactly, its sign being %d", (sign) => {
  const values = Float32Array.from({ length: 32 }, (_, i) => (sign * (i - 8)) / 23);
  expect(roundTrip(values, 1, 32, { bits: 4 })[31]).toBeCloseTo(sign, 6);
});

test.each([4, 8] as const)("in %d bits a block of numbers too small for a step becomes zeros", (bits) => {
  const least = 2 ** -149;
  const values = Float32Array.from({ length: 32 }, (_, i) => (i === 0 ? 11 : 5) * least);
  expect(roundTrip(values, 1, 32, { bits }).map(Math.abs)).toEqual(new Array(32).fill(0));
});

test("values that are not finite are refused, and so is a wrong shape", () => {
  const values = new Float32Array(64);
  expect(() => quantizeBlocks(values, 3, 32, { bits: 8 })).toThrow(expect.objectContaining({ code: "E_SHAPE" }));
  values[40] = Number.NaN;
  expect(() => quantizeBlocks(values, 2, 32, { bits: 8 })).toThrow(
    expect.objectContaining({ code: "E_NAN", message: "quantize: value 40 is NaN" }),
  );
});
