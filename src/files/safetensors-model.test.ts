/** @file Models in one file or in shards: every tensor in exactly one place, inside the folder. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSafetensorsModel, readModelTensor } from "./safetensors-model.ts";
import { writeSafetensors } from "./safetensors-write.ts";

const folder = () => mkdtempSync(join(tmpdir(), "model-"));
const tensor = (name: string, value: number) => ({
  name,
  dtype: "F32" as const,
  shape: [1],
  data: new Float32Array([value]),
});

/** A folder of two shards, the first with `a` and `b`, the second with `c`, and the given index. */
async function sharded(weightMap: unknown): Promise<string> {
  const dir = folder();
  await writeSafetensors(join(dir, "1.safetensors"), [tensor("a", 1), tensor("b", 2)]);
  await writeSafetensors(join(dir, "2.safetensors"), [tensor("c", 3)]);
  writeFileSync(join(dir, "model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map: weightMap }));
  return dir;
}
const complete = { a: "1.safetensors", b: "1.safetensors", c: "2.safetensors" };

test("shards read as one model, each tensor with its file", async () => {
  const dir = await sharded(complete);
  const model = await openSafetensorsModel(dir);
  expect([...model.tensors.keys()].sort()).toEqual(["a", "b", "c"]);
  expect(model.tensors.get("c")!.path).toBe(join(dir, "2.safetensors"));
  expect([...(await readModelTensor(model, "c"))]).toEqual([3]);
  await expect(readModelTensor(model, "d")).rejects.toMatchObject({ code: "E_FORMAT" });
});

test("a single file is preferred over an index", async () => {
  const dir = await sharded(complete);
  await writeSafetensors(join(dir, "model.safetensors"), [tensor("only", 1)]);
  expect([...(await openSafetensorsModel(dir)).tensors.keys()]).toEqual(["only"]);
});

test.each<[string, unknown]>([
  ["not the plain name", { ...complete, c: "../2.safetensors" }],
  ["not the plain name", { ...complete, c: "/etc/2.safetensors" }],
  ["not the plain name", { ...complete, c: "..\\2.safetensors" }],
  ["not the plain name", { ...complete, c: "2.safetensors\0" }],
  ["not the plain name", { ...complete, c: "pytorch_model.bin" }],
  ["which lacks it", { ...complete, c: "1.safetensors" }],
  ["which lacks it", { ...complete, d: "2.safetensors" }],
  ['does not list "b"', { a: "1.safetensors", c: "2.safetensors" }],
  ["weight_map is empty", {}],
  ["weight_map", []],
  ["weight_map.c", { ...complete, c: 2 }],
])("an index is refused: %s", async (message, weightMap) => {
  const opening = openSafetensorsModel(await sharded(weightMap));
  await expect(opening).rejects.toMatchObject({ code: "E_FORMAT", message: expect.stringContaining(message) });
});

test("a tensor in two shards, a missing shard and an empty folder are refused", async () => {
  const dir = await sharded(complete);
  await writeSafetensors(join(dir, "2.safetensors"), [tensor("c", 3), tensor("a", 4)]);
  await expect(openSafetensorsModel(dir)).rejects.toMatchObject({ code: "E_FORMAT", message: /"a" is also in/ });
  const missing = openSafetensorsModel(await sharded({ ...complete, d: "3.safetensors" }));
  await expect(missing).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  await expect(openSafetensorsModel(folder())).rejects.toMatchObject({ code: "E_NOT_FOUND" });
});
