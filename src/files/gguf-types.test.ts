/** @file Blocks that we encode. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { openGguf, readGgufTensor } from "./gguf.ts";
import { ggufTypes } from "./gguf-types.ts";

const fixture = resolve(import.meta.dirname, "../../test/fixtures/gguf/types.gguf");

test("Q4_0 encodes the values of the gguf package's blocks to those very blocks", async () => {
  const file = await openGguf(fixture);
  const { offset, bytes } = file.tensors.get("Q4_0")!;
  const blocks = readFileSync(fixture).subarray(offset, offset + bytes);
  expect(Buffer.from(ggufTypes.Q4_0.encode!(await readGgufTensor(file, "Q4_0")))).toEqual(blocks);
});

test.each(["Q4_0", "Q4_1"] as const)(
  "no value moves by more than a step of its %s block, and a block of zeros stays",
  (type) => {
    const values = new Float32Array(32 * 40);
    createRng("q4").fillNormal(values.subarray(32), 3);
    const back = new Float32Array(values.length);
    ggufTypes[type].decode(ggufTypes[type].encode!(values), back);
    for (let block = 0; block < 40; block++) {
      const own = values.subarray(block * 32, block * 32 + 32);
      const step = Math.max(...own.map(Math.abs)) / 8;
      for (const [i, value] of own.entries())
        expect(Math.abs(back[block * 32 + i]! - value)).toBeLessThanOrEqual(step * 1.001);
    }
  },
);
