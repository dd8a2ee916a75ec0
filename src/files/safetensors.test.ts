/** @file Safetensors: what is written reads back, and every way a file can lie is named. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import {
  openSafetensors,
  readTensor,
  readTensorBytes,
  type SafetensorsDtype,
  safetensorsLimits,
} from "./safetensors.ts";
import { type TensorToWrite, writeSafetensors } from "./safetensors-write.ts";

const newPath = () => join(mkdtempSync(join(tmpdir(), "safetensors-")), "model.safetensors");

/** A file from a header (an object, or text as it is) and a number of data bytes. */
function craft(header: unknown, dataBytes = 0, claimedLength?: number): string {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(claimedLength ?? json.length));
  const path = newPath();
  writeFileSync(path, Buffer.concat([length, json, Buffer.alloc(dataBytes)]));
  return path;
}

const entry = (dtype: unknown, shape: unknown, data_offsets: unknown) => ({ dtype, shape, data_offsets });

test("a file written in any order reads back with its values, shapes and metadata", async () => {
  const path = newPath();
  const values = createRng(1).fillNormal(new Float32Array(6), 1);
  await writeSafetensors(
    path,
    [
      { name: "b", dtype: "U8", shape: [3], data: new Uint8Array([1, 2, 255]) },
      { name: "a", dtype: "F32", shape: [2, 3], data: values },
      { name: "lazy", dtype: "I64", shape: [2], data: () => new BigInt64Array([-5n, 7n]) },
      { name: "none", dtype: "F32", shape: [0, 9], data: new Float32Array(0) },
    ],
    { format: "pt", author: "ü" },
  );
  const file = await openSafetensors(path);
  expect(file.metadata).toEqual({ author: "ü", format: "pt" });
  expect([...file.tensors.keys()].sort()).toEqual(["a", "b", "lazy", "none"]);
  expect(file.tensors.get("a")).toMatchObject({ dtype: "F32", shape: [2, 3], bytes: 24 });
  expect(await readTensor(file, "a")).toEqual(values);
  expect([...(await readTensor(file, "b"))]).toEqual([1, 2, 255]);
  expect([...(await readTensor(file, "lazy"))]).toEqual([-5, 7]);
  expect(await readTensor(file, "none")).toHaveLength(0);
  expect([...(await readTensorBytes(file, "b"))]).toEqual([1, 2, 255]);
  expect(readdirSync(join(path, ".."))).toEqual(["model.safetensors"]);
});

test("equal content gives equal bytes whatever the order, and every tensor is aligned to its element", async () => {
  const tensors: TensorToWrite[] = [
    { name: "x", dtype: "BOOL", shape: [3], data: new Uint8Array(3) },
    { name: "y", dtype: "F16", shape: [3], data: new Uint16Array(3) },
    { name: "z", dtype: "F32", shape: [3], data: new Float32Array(3) },
    { name: "w", dtype: "F64", shape: [1], data: new Float64Array(1) },
  ];
  const [forward, backward] = [newPath(), newPath()];
  await writeSafetensors(forward, tensors, { a: "1", b: "2" });
  await writeSafetensors(backward, [...tensors].reverse(), { b: "2", a: "1" });
  expect(readFileSync(backward)).toEqual(readFileSync(forward));
  const file = await openSafetensors(forward);
  expect(file.headerBytes % 8).toBe(0);
  const width: Partial<Record<SafetensorsDtype, number>> = { F64: 8, F32: 4, F16: 2, BOOL: 1 };
  for (const { dtype, offset } of file.tensors.values()) expect(offset % width[dtype]!).toBe(0);
});

test.each([
  ["F64", new Float64Array([0.5, -2]), [0.5, -2]],
  ["I32", new Int32Array([-3, 7]), [-3, 7]],
  ["I16", new Int16Array([-3, 7]), [-3, 7]],
  ["I8", new Int8Array([-3, 7]), [-3, 7]],
  ["U16", new Uint16Array([3, 65535]), [3, 65535]],
  ["U32", new Uint32Array([3, 2 ** 31]), [3, 2 ** 31]],
  ["U64", new BigUint64Array([3n, 2n ** 40n]), [3, 2 ** 40]],
  ["BOOL", new Uint8Array([0, 2]), [0, 1]],
  ["F16", new Float32Array([1.5, -0.25]), [1.5, -0.25]],
  ["BF16", new Float32Array([1.5, -0.25]), [1.5, -0.25]],
] as const)("%s becomes fp32", async (dtype, data, expected) => {
  const path = newPath();
  await writeSafetensors(path, [{ name: "t", dtype, shape: [2], data }]);
  expect([...(await readTensor(await openSafetensors(path), "t"))]).toEqual(expected);
});

test("fp8 is recognised, its bytes can be read, and converting it is refused", async () => {
  const path = newPath();
  await writeSafetensors(path, [{ name: "t", dtype: "F8_E4M3", shape: [2], data: new Uint8Array([1, 2]) }]);
  const file = await openSafetensors(path);
  expect([...(await readTensorBytes(file, "t"))]).toEqual([1, 2]);
  await expect(readTensor(file, "t")).rejects.toMatchObject({ code: "E_DTYPE" });
});

test.each<[string, string, () => string]>([
  ["E_LIMIT", "claims a header of 10000000000 bytes", () => craft({}, 0, 1e10)],
  ["E_FORMAT", "claims a header of 99999999 bytes in", () => craft({}, 0, 99_999_999)],
  ["E_FORMAT", "claims a header of 3 bytes in 10", () => craft({}, 0, 3)],
  ["E_FORMAT", 'does not begin with "{"', () => craft([], 0)],
  ["E_FORMAT", 'does not begin with "{"', () => craft(' {"a":1}', 0)],
  ["E_FORMAT", "not valid JSON", () => craft('{"a"}', 0)],
  ["E_FORMAT", "not valid JSON", () => craft("{}]", 0)],
  ["E_FORMAT", 'duplicate key "w"', () => craft('{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{}}', 1)],
  ["E_FORMAT", 'duplicate key "dtype"', () => craft('{"w":{"dtype":"F32","dtype":"U8"}}', 1)],
  ["E_LIMIT", "nested deeper than 3", () => craft('{"w":'.repeat(100_000), 0)],
  ["E_LIMIT", "nested deeper than 3", () => craft({ w: entry("U8", [[1]], [0, 1]) }, 1)],
  ["E_FORMAT", "__metadata__ must map strings to strings", () => craft({ __metadata__: { step: 3 } })],
  ["E_FORMAT", "__metadata__ must map strings to strings", () => craft({ __metadata__: null })],
  ["E_FORMAT", "__metadata__ must map strings to strings", () => craft({ __metadata__: ["a"] })],
  ["E_FORMAT", "expected an object", () => craft({ w: 3 })],
  ["E_FORMAT", 'unexpected key "note"', () => craft({ w: { ...entry("U8", [1], [0, 1]), note: 1 } }, 1)],
  ["E_FORMAT", "dtype is not a string", () => craft({ w: entry(32, [1], [0, 1]) }, 1)],
  ["E_DTYPE", 'dtype "F31" is not supported', () => craft({ w: entry("F31", [1], [0, 1]) }, 1)],
  ["E_DTYPE", 'dtype "toString" is not supported', () => craft({ w: entry("toString", [1], [0, 1]) }, 1)],
  ["E_FORMAT", "shape is not an array", () => craft({ w: entry("U8", 1, [0, 1]) }, 1)],
  ["E_FORMAT", "shape must hold whole numbers", () => craft({ w: entry("U8", [-1], [0, 1]) }, 1)],
  ["E_FORMAT", "shape must hold whole numbers", () => craft({ w: entry("U8", [0.5], [0, 1]) }, 1)],
  ["E_FORMAT", "shape must hold whole numbers", () => craft({ w: entry("U8", ["1"], [0, 1]) }, 1)],
  [
    "E_FORMAT",
    "shape must hold whole numbers",
    () => craft('{"w":{"dtype":"U8","shape":[1e400],"data_offsets":[0,1]}}', 1),
  ],
  ["E_FORMAT", "overflows", () => craft({ w: entry("U8", [2 ** 32, 2 ** 32, 0], [0, 0]) }, 0)],
  ["E_FORMAT", "overflows", () => craft({ w: entry("F64", [2 ** 51], [0, 1]) }, 1)],
  ["E_LIMIT", "9 axes", () => craft({ w: entry("U8", Array(9).fill(1), [0, 1]) }, 1)],
  ["E_FORMAT", "two whole numbers", () => craft({ w: entry("U8", [1], [0]) }, 1)],
  ["E_FORMAT", "two whole numbers", () => craft({ w: entry("U8", [1], [-1, 0]) }, 1)],
  ["E_FORMAT", "two whole numbers", () => craft({ w: { dtype: "U8", shape: [1] } }, 1)],
  ["E_FORMAT", "reversed", () => craft({ w: entry("U8", [1], [1, 0]) }, 1)],
  ["E_FORMAT", "needs 4 bytes, has 1", () => craft({ w: entry("F32", [1], [0, 1]) }, 1)],
  ["E_FORMAT", "ends at byte", () => craft({ w: entry("U8", [1e10], [0, 1e10]) }, 1)],
  ["E_FORMAT", "overlaps", () => craft({ v: entry("U8", [2], [0, 2]), w: entry("U8", [2], [1, 3]) }, 3)],
  ["E_FORMAT", "overlaps", () => craft({ v: entry("U8", [2], [0, 2]), w: entry("U8", [2], [0, 2]) }, 2)],
  ["E_FORMAT", "1 unused bytes before", () => craft({ v: entry("U8", [1], [0, 1]), w: entry("U8", [1], [2, 3]) }, 3)],
  ["E_FORMAT", "2 unused bytes before", () => craft({ v: entry("U8", [1], [2, 3]) }, 3)],
  ["E_FORMAT", "5 unused bytes at the end", () => craft({ v: entry("U8", [1], [0, 1]) }, 6)],
  ["E_LIMIT", "a tensor name of 1025 characters", () => craft({ ["n".repeat(1025)]: entry("U8", [0], [0, 0]) })],
])("%s: %s", async (code, message, make) => {
  const path = make();
  await expect(openSafetensors(path)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  await expect(openSafetensors(path)).rejects.toMatchObject({ message: expect.stringContaining(path) });
});

test("too many tensors are refused", async () => {
  const names = Array.from({ length: safetensorsLimits.tensors + 1 }, (_, i) => [`t${i}`, entry("U8", [0], [0, 0])]);
  await expect(openSafetensors(craft(Object.fromEntries(names)))).rejects.toMatchObject({ code: "E_LIMIT" });
});

test("empty, cut, missing and non-UTF-8 files and folders are refused", async () => {
  const path = newPath();
  await expect(openSafetensors(path)).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  writeFileSync(path, "");
  await expect(openSafetensors(path)).rejects.toMatchObject({ code: "E_FORMAT", message: /0 bytes are too few/ });
  writeFileSync(path, Buffer.from([4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0xe4, 0x7d]));
  await expect(openSafetensors(path)).rejects.toMatchObject({ code: "E_FORMAT", message: /UTF-8/ });
  mkdirSync(join(path, "..", "folder"));
  await expect(openSafetensors(join(path, "..", "folder"))).rejects.toMatchObject({ code: "E_IO" });
});

test("zero-sized tensors may share a place, also with the next tensor", async () => {
  const path = craft({ b: entry("F32", [0], [0, 0]), a: entry("U8", [2], [0, 2]), c: entry("U8", [0], [2, 2]) }, 2);
  expect((await openSafetensors(path)).tensors.size).toBe(3);
});

test("names that mean something in JavaScript are only names", async () => {
  const path = craft('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1);
  const file = await openSafetensors(path);
  expect([...file.tensors.keys()]).toEqual(["__proto__"]);
  expect(() => file.tensors.get("constructor")?.name).not.toThrow();
  await expect(readTensor(file, "constructor")).rejects.toMatchObject({ code: "E_FORMAT" });
});

test("a file that changed after it was opened is not read", async () => {
  const path = craft({ a: entry("U8", [2], [0, 2]) }, 2);
  const file = await openSafetensors(path);
  writeFileSync(path, readFileSync(path).subarray(0, -1));
  await expect(readTensor(file, "a")).rejects.toMatchObject({ code: "E_FORMAT", message: /when opened/ });
});

test.each<[string, string, TensorToWrite[]]>([
  ["E_SHAPE", "needs 12 bytes, has 8", [{ name: "t", dtype: "F32", shape: [3], data: new Float32Array(2) }]],
  ["E_FORMAT", "two tensors named", Array(2).fill({ name: "t", dtype: "U8", shape: [0], data: new Uint8Array(0) })],
  ["E_FORMAT", "two tensors named", [{ name: "__metadata__", dtype: "U8", shape: [0], data: new Uint8Array(0) }]],
  ["E_LIMIT", "too long", [{ name: "n".repeat(1025), dtype: "U8", shape: [0], data: new Uint8Array(0) }]],
])("writing refuses %s: %s, and leaves nothing behind", async (code, message, tensors) => {
  const path = newPath();
  const writing = writeSafetensors(path, tensors);
  await expect(writing).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  expect(readdirSync(join(path, ".."))).toEqual([]);
});

const weights = join(import.meta.dirname, "../../../shared/weights/stories260k/model.safetensors");
test.skipIf(!existsSync(weights))("weights written by another library read (needs ../shared/weights)", async () => {
  const file = await openSafetensors(weights);
  const embedding = await readTensor(file, "model.embed_tokens.weight");
  expect(embedding.length).toBe(512 * 64);
  expect(embedding.every(Number.isFinite)).toBe(true);
  // Written again it holds the same tensors.
  const path = newPath();
  const data = [...file.tensors.values()].map((info) => ({ ...info, read: () => readTensorBytes(file, info.name) }));
  const copies = await Promise.all(
    data.map(async ({ name, dtype, shape, read }) => ({ name, dtype, shape, data: await read() })),
  );
  await writeSafetensors(path, copies, file.metadata);
  const copy = await openSafetensors(path);
  expect(await readTensor(copy, "model.embed_tokens.weight")).toEqual(embedding);
  expect(copy.tensors.size).toBe(file.tensors.size);
});
