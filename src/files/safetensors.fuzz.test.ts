/** @file 2,000 damaged safetensors files and indexes of shards: each reads soundly or is refused, and none makes the reader allocate beyond it. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateJsonBytes, mutateSafetensors } from "../../test/support/mutate.ts";
import { watchAllocations } from "../../test/support/watch-allocations.ts";
import { AppError } from "../base/errors.ts";
import { createRng } from "../base/rng.ts";
import { dtypeBytes, elementCount, openSafetensors, readTensorBytes } from "./safetensors.ts";
import { openSafetensorsModel } from "./safetensors-model.ts";
import { writeSafetensors } from "./safetensors-write.ts";

const mutations = 2000;

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

async function makeSeedFile(path: string): Promise<void> {
  const rng = createRng("fuzz weights");
  const floats = (count: number) => rng.fillNormal(new Float32Array(count), 1);
  await writeSafetensors(
    path,
    [
      { name: "embed.weight", dtype: "F32", shape: [8, 4], data: floats(32) },
      { name: "layers.0.q.weight", dtype: "F16", shape: [4, 4], data: floats(16) },
      { name: "layers.0.k.weight", dtype: "BF16", shape: [2, 4], data: floats(8) },
      { name: "ids", dtype: "I64", shape: [3], data: new BigInt64Array([1n, 2n, 3n]) },
      { name: "mask", dtype: "BOOL", shape: [5], data: new Uint8Array(5) },
      { name: "empty", dtype: "F32", shape: [0, 4], data: new Float32Array(0) },
      { name: "scalar", dtype: "F32", shape: [], data: floats(1) },
    ],
    { format: "pt", note: 'a "quoted" note' },
  );
}

test(`${mutations} mutated files are read soundly or refused`, async () => {
  const dir = mkdtempSync(join(tmpdir(), "fuzz-"));
  const path = join(dir, "model.safetensors");
  await makeSeedFile(path);
  const original = new Uint8Array(readFileSync(path));
  const rng = createRng("fuzz safetensors");
  const outcomes: Record<string, number> = {};
  const reasons = new Set<string>();
  const allocations = watchAllocations();

  for (let i = 0; i < mutations; i++) {
    const bytes = mutateSafetensors(original, rng.split(`mutation-${i}`));
    writeFileSync(path, bytes);
    allocations.largest = 0;
    try {
      const file = await openSafetensors(path);
      let dataBytes = 0;
      for (const { name, dtype, shape, offset, bytes: size } of file.tensors.values()) {
        expect(offset + size).toBeLessThanOrEqual(bytes.length);
        expect(size).toBe(elementCount(shape) * dtypeBytes[dtype]);
        expect(await readTensorBytes(file, name)).toHaveLength(size);
        dataBytes += size;
      }
      expect(8 + file.headerBytes + dataBytes).toBe(bytes.length);
      outcomes["read"] = (outcomes["read"] ?? 0) + 1;
    } catch (error) {
      if (!(error instanceof AppError)) throw new Error(`mutation ${i}: ${error}`, { cause: error });
      outcomes[error.code] = (outcomes[error.code] ?? 0) + 1;
      reasons.add(error.message.replace(/\(.*|"(?:[^"\\]|\\.)*"|\d+/g, ""));
    }
    expect(allocations.largest, `mutation ${i}`).toBeLessThanOrEqual(bytes.length);
  }

  console.info(`outcomes of ${mutations} mutations: ${JSON.stringify(outcomes)}, ${reasons.size} reasons`);
  // The mutations reach deep: some files stay sound, and many different checks refuse the others.
  expect(outcomes["read"]).toBeGreaterThan(20);
  expect(Object.keys(outcomes).sort()).toEqual(["E_DTYPE", "E_FORMAT", "E_LIMIT", "read"]);
  expect(reasons.size).toBeGreaterThan(15);
});

test("the allocation watch sees a large buffer", () => {
  const allocations = watchAllocations();
  new Uint8Array(12_345);
  expect(allocations.largest).toBe(12_345);
  Buffer.alloc(23_456);
  expect(allocations.largest).toBe(23_456);
});

test("2,000 mutated shard indexes open the model or are refused", async () => {
  const dir = mkdtempSync(join(tmpdir(), "fuzz-"));
  const index = join(dir, "model.safetensors.index.json");
  const shard = (i: number) => `model-0000${i}-of-00002.safetensors`;
  for (const i of [1, 2])
    await writeSafetensors(join(dir, shard(i)), [{ name: `w${i}`, dtype: "U8", shape: [1], data: new Uint8Array(1) }]);
  const text = JSON.stringify({ metadata: { total_size: 2 }, weight_map: { w1: shard(1), w2: shard(2) } });
  const { outcomes, reasons } = await fuzz({
    seed: "shard index",
    damage: damageFile(index, new TextEncoder().encode(text), mutateJsonBytes),
    read: async () => {
      for (const { name, path } of (await openSafetensorsModel(dir)).tensors.values())
        expect(path).toBe(join(dir, shard(Number(name.slice(1)))));
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(50);
  expect(outcomes["E_FORMAT"]).toBeGreaterThan(500);
  expect(reasons).toBeGreaterThan(10);
});
