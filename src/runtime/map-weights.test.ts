/** @file Weights that a session maps from a file of its own, which has no name afterwards. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { input, matmul, weight } from "../graph/build.ts";
import { mapWeights } from "./map-weights.ts";
import { compile } from "./node.ts";
import type { DecodedSource, FileSource } from "./session.ts";
import { floats, floatTensor } from "./tensor.ts";

const root = mkdtempSync(join(tmpdir(), "decoded-"));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;
function folder(): string {
  const path = join(root, String(folders++));
  mkdirSync(path);
  return path;
}

const large = 2 ** 18 + 3;
const decoded = (values: Float32Array | Uint8Array): DecodedSource => ({
  kind: "decoded",
  path: "weights",
  bytes: values.byteLength,
  read: async () => values,
});
const nodes = (names: readonly string[], dtype: "f32" | "u8" = "f32") =>
  new Map(names.map((name) => [name, weight(name, [1], dtype)]));
const rising = (length: number, from = 0) => Float32Array.from({ length }, (_, i) => from + i);

test("large ones lie one behind the other in a file, and its name is gone once it is given back", async () => {
  const [first, second] = [rising(large), new Uint8Array(70_001).fill(7)];
  const place = folder();
  const vector = { kind: "data", data: rising(2) } as const;
  const given = {
    first: decoded(first),
    second: { kind: "data", data: second },
    vector,
    other: decoded(first),
  } as const;
  const weights = await mapWeights(nodes(["first", "second", "vector", "missing"]), given, place);
  const { sources } = weights;
  expect(Object.keys(sources)).toEqual(["first", "second", "vector"]);
  expect(sources["vector"]).toEqual(vector);
  const bytes = (name: string) => {
    const { path, offset, bytes } = sources[name] as FileSource;
    expect(offset % 64).toBe(0);
    return readFileSync(path).subarray(offset, offset + bytes);
  };
  expect(Buffer.compare(bytes("first"), Buffer.from(first.buffer))).toBe(0);
  expect(Buffer.compare(bytes("second"), second)).toBe(0);
  await weights.release();
  expect(readdirSync(place)).toEqual([]);
});

test("small ones are held in memory", async () => {
  const place = folder();
  const { sources } = await mapWeights(nodes(["w", "m"]), { w: decoded(rising(7)), m: decoded(rising(30_000)) }, place);
  expect(sources).toEqual({ w: { kind: "data", data: rising(7) }, m: { kind: "data", data: rising(30_000) } });
  expect(readdirSync(place)).toEqual([]);
});

test("so are large ones where no file can be made", async () => {
  const place = join(folder(), "missing");
  const { sources } = await mapWeights(nodes(["w"]), { w: decoded(rising(large)) }, place);
  expect(sources["w"]).toMatchObject({ kind: "data" });
});

test("a weight that cannot be decoded is the error, and no file stays", async () => {
  const place = folder();
  const broken = { ...decoded(rising(4)), read: () => Promise.reject(new Error("cut off")) };
  await expect(mapWeights(nodes(["w", "broken"]), { w: decoded(rising(large)), broken }, place)).rejects.toThrow(
    "cut off",
  );
  expect(readdirSync(place)).toEqual([]);
});

test("what a killed process left is removed", async () => {
  const place = folder();
  const old = join(place, ".loragen-weights.0123456789ab.tmp");
  writeFileSync(old, "left");
  utimesSync(old, 0, 0);
  const weights = await mapWeights(nodes(["w"]), { w: decoded(rising(large)) }, place);
  expect(readdirSync(place)).not.toContain(".loragen-weights.0123456789ab.tmp");
  await weights.release();
});

test("values that are stored narrow are widened beside codes, and mapped as they are elsewhere", async () => {
  const place = folder();
  const path = join(folder(), "narrow");
  writeFileSync(path, new Uint8Array(2 * large).fill(0x40));
  const narrow = { kind: "file", path, offset: 0, bytes: 2 * large, storedAs: "bf16" } as const;
  const alone = await mapWeights(nodes(["narrow"]), { narrow }, place);
  expect(alone.sources["narrow"]).toBe(narrow);
  const codes = { kind: "data", data: new Uint8Array(4) } as const;
  const both = new Map([...nodes(["narrow"]), ...nodes(["codes"], "u8")]);
  const weights = await mapWeights(both, { narrow, codes }, place);
  expect(weights.sources["narrow"]).toMatchObject({ kind: "file", bytes: 4 * large });
  const { path: wide } = weights.sources["narrow"] as FileSource;
  expect(new Float32Array(readFileSync(wide).subarray(0, 8).slice().buffer)[1]).toBe(3);
  await weights.release();
  // The system says that there is no such folder, as it says that there is no room.
  const held = await mapWeights(both, { narrow, codes }, join(place, "missing"));
  expect(held.sources["narrow"]).toMatchObject({ kind: "data" });
});

test("a weight under two names is decoded once", async () => {
  let times = 0;
  const tied = { ...decoded(rising(large)), read: async () => rising(large, ++times) };
  const weights = await mapWeights(nodes(["head", "table"]), { head: tied, table: tied }, folder());
  expect(weights.sources["head"]).toBe(weights.sources["table"]);
  expect(times).toBe(1);
  await weights.release();
});

test("where the disk has no room for all of them, all are held, and no file stays", async () => {
  const place = folder();
  const huge = { ...decoded(rising(4)), bytes: 2 ** 60 };
  const { sources } = await mapWeights(nodes(["w", "huge"]), { w: decoded(rising(large)), huge }, place);
  expect([sources["w"], sources["huge"]]).toMatchObject([{ kind: "data" }, { kind: "data" }]);
  expect(readdirSync(place)).toEqual([]);
});

test("what looks like a leftover and is a folder or a link is not touched", async () => {
  const place = folder();
  const outside = join(folder(), "kept");
  writeFileSync(outside, "kept");
  const [link, named] = ["0123456789ab", "0123456789ac"].map((one) => join(place, `.loragen-weights.${one}.tmp`));
  symlinkSync(outside, link!);
  mkdirSync(named!);
  writeFileSync(join(named!, "inside"), "kept");
  for (const path of [named!, outside]) utimesSync(path, 0, 0);
  const weights = await mapWeights(nodes(["w"]), { w: decoded(rising(large)) }, place);
  await weights.release();
  expect(readdirSync(place)).toHaveLength(2);
  expect(readFileSync(outside, "utf8")).toBe("kept");
});

test("a session multiplies by them after the file's name is gone", async () => {
  const [n, k] = [512, 700];
  const values = rising(n * k).map((value) => (value % 13) - 6);
  const x = input("x", [1, k]);
  const graph = { outputs: { y: matmul(x, weight("w", [n, k]), { transB: true }) } };
  const place = folder();
  vi.stubEnv("TMPDIR", place);
  const made: string[] = [];
  const read = async () => {
    made.push(...readdirSync(place));
    return values;
  };
  await using session = await compile(graph, { weights: { w: { ...decoded(values), read } }, prepack: false });
  vi.unstubAllEnvs();
  expect([made.length, readdirSync(place)]).toEqual([1, []]);
  const fed = rising(k).map((value) => value % 5);
  const { y } = await session.run({ x: floatTensor([1, k], fed) });
  for (const row of [0, 1, n - 1]) {
    const wanted = fed.reduce((sum, value, i) => sum + value * values[row * k + i]!, 0);
    expect(floats(y)[row]).toBeCloseTo(wanted, 3);
  }
});
