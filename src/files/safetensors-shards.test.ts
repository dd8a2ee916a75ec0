/** @file Tensors over several files: neighbours together, none too large, and read back as one model. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSafetensorsModel, readModelTensor } from "./safetensors-model.ts";
import { planShards, shardName, writeShardIndex } from "./safetensors-shards.ts";
import { writeSafetensors } from "./safetensors-write.ts";

test.each([
  [[3, 3, 3], 6, [[3, 3], [3]]],
  [[1, 9, 1], 4, [[1], [9], [1]]],
  [[9], 4, [[9]]],
  [[2, 2], 4, [[2, 2]]],
  [[8, 12, 200, 2], 20, [[8, 12], [200], [2]]],
])("sizes %j in files of %i are divided as %j", (sizes, shardBytes, expected) => {
  expect(planShards(sizes, (size) => size, shardBytes)).toEqual(expected);
});

test.each([1, 3])("a model of %i files opens as one", async (count) => {
  const directory = mkdtempSync(join(tmpdir(), "shards-"));
  const names = Array.from({ length: count }, (_, i) => [`a${i}`, `b${i}`]);
  for (const [i, shard] of names.entries()) {
    const tensors = shard.map((name, j) => ({
      name,
      dtype: "F32" as const,
      shape: [1],
      data: Float32Array.of(10 * i + j),
    }));
    await writeSafetensors(join(directory, shardName(i, count)), tensors);
  }
  await writeShardIndex(directory, names, 8 * count);
  expect(readdirSync(directory)).toHaveLength(count === 1 ? 1 : count + 1);
  const model = await openSafetensorsModel(directory);
  for (const [i, shard] of names.entries())
    for (const [j, name] of shard.entries())
      expect(await readModelTensor(model, name)).toEqual(Float32Array.of(10 * i + j));
  rmSync(directory, { recursive: true });
});
