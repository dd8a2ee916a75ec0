/** @file Blocks that we encode. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { createRng } from "../../base/rng.ts";
import { openGguf, readGgufTensor } from "./read.ts";
import { ggufTypes } from "./types.ts";

const fixture = resolve(import.meta.dirname, "../../../test/fixtures/gguf/types.gguf");

test("Q4_0 encodes the values of the gguf package's blocks to those very blocks", async () => {
  const file = await openGguf(fixture);
  const { offset, bytes } = file.tensors.get("Q4_0")!;
  const blocks = readFileSync(fixture).subarray(offset, offset + bytes);
  expect(Buffer.from(ggufTypes.Q4_0.encode!(await readGgufTensor(file, "Q4_0")))).toEqual(blocks);
});

// Q4_0 has codes from −8 to 7 times max|x|/8, Q4_1 from 0 to 15 times (max − min)/15, from min: the value across is up to a step off, or half of one.
const bounds = {
  Q4_0: (block: Float32Array) => (Math.max(...block.map(Math.abs)) / 8) * 1.001,
  Q4_1: (block: Float32Array) =>
    (Math.max(...block) - Math.min(...block)) / 30 + Math.max(...block.map(Math.abs)) / 1024, // minimum and step are fp16
} as const;

test.each(["Q4_0", "Q4_1"] as const)(
  "no value moves further than its %s block allows; blocks of zeros and of one value stay",
  (type) => {
    const values = new Float32Array(32 * 40);
    createRng("q4").fillNormal(values.subarray(64), 3);
    values.fill(-1.5, 32, 64);
    const back = new Float32Array(values.length);
    ggufTypes[type].decode(ggufTypes[type].encode!(values), back);
    for (let block = 0; block < 40; block++) {
      const own = values.subarray(block * 32, block * 32 + 32);
      const furthest = Math.max(...own.map((value, i) => Math.abs(back[block * 32 + i]! - value)));
      expect(furthest).toBeLessThanOrEqual(bounds[type](own));
      if (block < 2) expect(furthest).toBe(0);
    }
  },
);
