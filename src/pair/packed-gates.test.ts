import { expect, test } from "vitest";
import { decodeBase64, encodeBase64 } from "../base/base64.ts";
import { createRng } from "../base/rng.ts";
import { packGates, unpackGates } from "./packed-gates.ts";

/** Random gates, `used` of them in each layer. */
function randomGates(layers: number, experts: number, used: number): number[][] {
  const rng = createRng(`${layers} ${experts} ${used}`);
  return Array.from({ length: layers }, () => {
    const row = new Array<number>(experts).fill(0);
    for (const expert of rng.shuffle([...row.keys()]).slice(0, used)) row[expert] = rng.normal();
    return row;
  });
}

test.each([
  [30, 8, 2],
  [30, 8, 8],
  [12, 300, 4],
  [3, 4096, 4096],
  [2, 255, 255],
  [2, 256, 255],
  [5, 4, 0],
])("%i layers with %i experts, %i of them in use, come back rounded to fp16", (layers, experts, used) => {
  const gates = randomGates(layers, experts, used);
  const back = unpackGates(packGates(gates, experts), { layers, experts, topK: Math.max(1, used) }, "file");
  back.forEach((row, layer) => {
    row.forEach((gate, expert) => {
      const wanted = gates[layer]![expert]!;
      expect(Math.abs(gate - wanted)).toBeLessThanOrEqual(Math.abs(wanted) * 2 ** -11 + 2 ** -25);
    });
  });
  expect(packGates(back, experts)).toBe(packGates(gates, experts));
});

test("gates that round to nothing are not in use", () => {
  expect(unpackGates(packGates([[1e-9, 0.5, -0]], 3), { layers: 1, experts: 3, topK: 1 }, "file")).toEqual([
    [0, 0.5, 0],
  ]);
});

const bytesOf = (...bytes: number[]) => encodeBase64(Uint8Array.from(bytes));
const [half, infinite, large] = [
  [0, 0x38],
  [0, 0x7c],
  [0, 0x64],
] as const;

test.each([
  ["no base64", "a"],
  ["base64 with other letters", "####"],
  ["bits behind the last byte", "AAB="],
  ["nothing", ""],
  ["half a gate", bytesOf(1, 0, 0)],
  ["more behind the last layer", bytesOf(1, 0, ...half, 0)],
  ["an expert beyond the pool", bytesOf(1, 3, ...half)],
  ["an expert twice", bytesOf(2, 1, 1, ...half, ...half)],
  ["experts out of order", bytesOf(2, 1, 0, ...half, ...half)],
  ["more gates than topK", bytesOf(3, ...half, ...half, ...half)],
  ["an infinite gate", bytesOf(1, 0, ...infinite)],
  ["a gate beyond the limit", bytesOf(1, 0, ...large)],
  ["a gate of 0", bytesOf(1, 0, 0, 0)],
])("%s: refused", (_, packed) => {
  const unpack = () => unpackGates(packed, { layers: 1, experts: 3, topK: 2 }, "file");
  expect(unpack).toThrow(expect.objectContaining({ code: "E_FORMAT" }));
});

test("any bytes come back from base64", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  for (const length of [0, 1, 2, 3, 256])
    expect(decodeBase64(encodeBase64(bytes.subarray(0, length)))).toEqual(bytes.slice(0, length));
});
