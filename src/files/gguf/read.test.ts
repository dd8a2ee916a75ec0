/** @file GGUF files: those of the reference package read as it reads them; hostile ones are refused by name. */
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createRng } from "../../base/rng.ts";
import { type GgufField, ggufLimits, openGguf, readGgufBytes, readGgufTensor, requireReadable } from "./read.ts";
import { type GgufTensorType, ggufTypes } from "./types.ts";
import { writeGguf } from "./write.ts";

const folder = mkdtempSync(join(tmpdir(), "gguf-"));
afterAll(() => rmSync(folder, { recursive: true }));
const fixture = resolve(import.meta.dirname, "../../../test/fixtures/gguf/types.gguf");

test.each<GgufTensorType>(Object.keys(ggufTypes).filter((type) => type !== "F32") as GgufTensorType[])(
  "%s decodes to the very values of the gguf package",
  async (type) => {
    const file = await openGguf(fixture);
    expect(file.tensors.get(type)?.type).toBe(type);
    expect(await readGgufTensor(file, type)).toEqual(await readGgufTensor(file, `${type}.values`));
  },
);

test.each(["Q8_0", "Q4_1"] as const)("%s encodes to the very blocks of the gguf package", async (type) => {
  const file = await openGguf(fixture);
  const { offset, bytes } = file.tensors.get(`encoded.${type}`)!;
  const wanted = readFileSync(fixture).subarray(offset, offset + bytes);
  expect(Buffer.from(ggufTypes[type].encode!(await readGgufTensor(file, "encoded.source")))).toEqual(wanted);
});

test("metadata of every kind is read", async () => {
  const { metadata, version } = await openGguf(fixture);
  expect(version).toBe(3);
  expect(metadata.get("test.floats")).toEqual({ type: "array", of: "f32", value: [0.5, -1.25] });
  expect(metadata.get("test.texts")).toEqual({ type: "array", of: "string", value: ["a", "ü", "\ufeff"] });
  expect(metadata.get("test.large")).toEqual({ type: "u64", value: 2n ** 63n + 1n });
  expect(metadata.get("test.negative")).toEqual({ type: "i32", value: -7 });
  expect(metadata.get("test.yes")).toEqual({ type: "bool", value: true });
});

const fields = new Map<string, GgufField>([
  ["general.architecture", { type: "string", value: "llama" }],
  ["a.u8", { type: "u8", value: 255 }],
  ["a.i8", { type: "i8", value: -3 }],
  ["a.u16", { type: "u16", value: 65535 }],
  ["a.i16", { type: "i16", value: -2 }],
  ["a.f32", { type: "f32", value: 0.25 }],
  ["a.f64", { type: "f64", value: Math.PI }],
  ["a.i64", { type: "i64", value: -5 }],
  ["a.bool", { type: "bool", value: false }],
  ["a.texts", { type: "array", of: "string", value: ["x".repeat(70_000), ""] }],
  ["a.ids", { type: "array", of: "i32", value: Array.from({ length: 300_000 }, (_, i) => i - 5) }],
]);

test("what is written reads back: fields in order, F32 exactly, the rest within its precision", async () => {
  const path = join(folder, "written.gguf");
  const values = createRng("gguf").fillNormal(new Float32Array(3 * 64), 1);
  const types = { F32: 0, F16: 2e-3, BF16: 2e-2, Q8_0: 2e-2 } as const;
  const tensors = Object.keys(types).map((type) => ({
    name: `blk.0.${type}`,
    type: type as GgufTensorType,
    shape: [3, 64],
    data: () => values,
  }));
  await writeGguf(path, fields, [...tensors, { name: "odd", type: "F32", shape: [5], data: () => values.slice(0, 5) }]);
  const file = await openGguf(path);
  expect([...file.metadata]).toEqual([...fields]);
  expect(file.tensors.get("odd")?.shape).toEqual([5]);
  for (const [type, tolerance] of Object.entries(types)) {
    const read = await readGgufTensor(file, `blk.0.${type}`);
    expect(read).toHaveLength(values.length);
    expect(Math.max(...read.map((value, i) => Math.abs(value - values[i]!))), type).toBeLessThanOrEqual(tolerance);
  }
});

/** A file with one field and one tensor [2, 32] of F32, its bytes changed. */
async function damaged(change: (bytes: Buffer, find: (text: string) => number) => Buffer | undefined): Promise<string> {
  const path = join(folder, "damaged.gguf");
  const metadata = new Map<string, GgufField>([
    ["general.alignment", { type: "u32", value: 32 }],
    ["list", { type: "array", of: "u8", value: [1, 2, 3] }],
    ["name", { type: "string", value: "abc" }],
  ]);
  const data = () => new Float32Array(64);
  await writeGguf(path, metadata, [
    { name: "first", type: "F32", shape: [2, 32], data },
    { name: "second", type: "F32", shape: [2, 32], data },
  ]);
  const bytes = readFileSync(path);
  writeFileSync(path, change(bytes, (text) => bytes.indexOf(text) + text.length) ?? bytes);
  return path;
}
const put64 = (at: number, value: bigint) => (bytes: Buffer) => void bytes.writeBigUInt64LE(value, at);

test.each<[string, Parameters<typeof damaged>[0], string, RegExp]>([
  ["no magic", (bytes) => void bytes.writeUInt32LE(7, 0), "E_FORMAT", /does not begin with "GGUF"/],
  ["version 1", (bytes) => void bytes.writeUInt32LE(1, 4), "E_FORMAT", /version 2 or 3, found 1/],
  ["more tensors than allowed", put64(8, 2n ** 60n), "E_LIMIT", /claims \d+ tensors, the limit is 100000/],
  ["more tensors than bytes", put64(8, 90_000n), "E_FORMAT", /claims 90000 tensors in/],
  ["more fields than allowed", put64(16, 2n ** 63n), "E_LIMIT", /metadata fields, the limit/],
  ["a key longer than allowed", put64(24, 2000n), "E_LIMIT", /key 0: a text of 2000 bytes, the limit is 1024/],
  ["a text longer than the file", (b, find) => put64(find("name") + 4, 9999n)(b), "E_FORMAT", /expected 9999 more/],
  ["a text longer than allowed", (b, find) => put64(find("name") + 4, 2n ** 62n)(b), "E_LIMIT", /"name": a text of/],
  ["an unknown type of value", (b, find) => void b.writeUInt32LE(13, find("name")), "E_FORMAT", /type of value 13/],
  ["arrays in arrays", (b, find) => void b.writeUInt32LE(9, find("list") + 4), "E_LIMIT", /nested deeper than 1/],
  ["a hostile array length", (b, find) => put64(find("list") + 8, 2n ** 40n)(b), "E_LIMIT", /elements, the limit/],
  ["an array longer than the file", (b, find) => put64(find("list") + 8, 4000n)(b), "E_FORMAT", /4000 elements in/],
  ["an odd alignment", (b, find) => void b.writeUInt32LE(24, find("alignment") + 4), "E_FORMAT", /power of two/],
  ["alignment zero", (b, find) => void b.writeUInt32LE(0, find("alignment") + 4), "E_FORMAT", /power of two/],
  ["nine axes", (b, find) => void b.writeUInt32LE(9, find("first")), "E_LIMIT", /9 axes, expected 1 to 4/],
  ["an empty axis", (b, find) => put64(find("first") + 4, 0n)(b), "E_FORMAT", /an axis of 0 values/],
  ["axes that overflow", (b, find) => put64(find("first") + 12, 2n ** 52n)(b), "E_FORMAT", /overflows/],
  ["rows that are no blocks", (b, find) => {
    put64(find("first") + 4, 33n)(b);
    b.writeUInt32LE(8, find("first") + 20);
  }, "E_FORMAT", /do not divide into Q8_0 blocks/], // biome-ignore format: one case
  ["an offset between alignments", (b, find) => put64(find("first") + 24, 8n)(b), "E_FORMAT", /not a multiple of 32/],
  ["tensors that overlap", (b, find) => put64(find("second") + 24, 224n)(b), "E_FORMAT", /overlaps another/],
  ["a tensor beyond the end", (b, find) => put64(find("second") + 24, 2n ** 63n)(b), "E_FORMAT", /do not fit/],
  ["a file cut off", (bytes) => bytes.subarray(0, bytes.length - 1), "E_FORMAT", /do not fit/],
  ["a header cut off", (bytes) => bytes.subarray(0, 60), "E_FORMAT", /expected \d+ more|in \d+ bytes/],
])("%s is refused", async (_, change, code, message) => {
  await expect(openGguf(await damaged(change))).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message) as unknown,
  });
});

test.each([Number.NaN, 32.5, Number.POSITIVE_INFINITY, -32])("an alignment of %d is refused", async (value) => {
  const path = join(folder, "alignment.gguf");
  const tensors = [{ name: "w", type: "F32" as const, shape: [2], data: () => new Float32Array(2) }];
  await writeGguf(path, new Map<string, GgufField>([["general.alignment", { type: "f32", value }]]), tensors);
  await expect(openGguf(path)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: `${path}: alignment should be a power of two from 8 to 65536, found ${value}`,
  });
});

test.each([
  [10, "Q2_K"],
  [99, "type 99"],
])("tensors of type %i are named and placed, and refused where they are needed", async (number, type) => {
  const file = await openGguf(await damaged((bytes, find) => void bytes.writeUInt32LE(number, find("first") + 20)));
  expect([...file.tensors.keys()]).toEqual(["second"]);
  const { shape, offset } = (await openGguf(await damaged(() => undefined))).tensors.get("first")!;
  expect(file.unreadable.get("first")).toEqual({ name: "first", type, shape, offset });
  await expect(readGgufTensor(file, "first")).rejects.toMatchObject({ code: "E_FORMAT" });
  expect(() => requireReadable(file)).toThrow(
    expect.objectContaining({ code: "E_DTYPE", message: expect.stringMatching(`"first": ${type} is not supported`) }),
  );
});

test("a file that was written anew, or replaced by one of the same size, is not read on", async () => {
  const path = await damaged(() => undefined);
  const changed = { code: "E_FORMAT", message: `${path}: was changed since it was opened; open it again` };
  const opened = await openGguf(path);
  expect(await readGgufTensor(opened, "first", { from: 0, count: 1 })).toHaveLength(32);
  utimesSync(path, 1, 1);
  await expect(readGgufTensor(opened, "first")).rejects.toMatchObject(changed);
  const again = await openGguf(path);
  const { mtime } = statSync(path);
  copyFileSync(path, join(folder, "other.gguf"));
  renameSync(join(folder, "other.gguf"), path);
  utimesSync(path, mtime, mtime);
  await expect(readGgufBytes(again, "first")).rejects.toMatchObject(changed);
});

test("metadata that would take more memory than the limit is refused: many arrays of bytes, each small in the file", async () => {
  const length = ggufLimits.arrayLength;
  const word = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
  const long = (value: number) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
  const field = (key: string) => [
    long(key.length),
    Buffer.from(key),
    word(9),
    word(0),
    long(length),
    Buffer.alloc(length),
  ];
  const write = (name: string, keys: readonly string[]) => {
    const path = join(folder, name);
    writeFileSync(
      path,
      Buffer.concat([Buffer.from("GGUF"), word(3), long(0), long(keys.length), ...keys.flatMap(field)]),
    );
    return path;
  };
  expect((await openGguf(write("within.gguf", ["a"]))).metadata.get("a")?.value).toHaveLength(length);
  const beyond = openGguf(write("beyond.gguf", ["a", "b", "c", "d"]));
  await expect(beyond).rejects.toMatchObject({
    code: "E_LIMIT",
    message: expect.stringMatching(/beyond\.gguf: metadata takes more than 134217728 bytes of memory/) as unknown,
  });
});
