import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { startOf } from "../base/process-identity.ts";
import { createRng } from "../base/rng.ts";
import { readWeight } from "../runtime/read-weight.ts";
import { openBasis, type SvdSource } from "./svd-cache.ts";

const root = mkdtempSync(join(tmpdir(), "svd-cache-"));
afterAll(() => rmSync(root, { recursive: true }));
let folder: string;
let count = 0;
beforeEach(() => {
  folder = join(root, String(count++));
});

const maps = [
  { weight: "layer.0.up.weight", outputs: 40, inputs: 30 },
  { weight: "layer.0.down.weight", outputs: 30, inputs: 40 },
] as const;
const model = (name: string): SvdSource => ({
  sha256: name.repeat(64),
  maps,
  weights: Object.fromEntries(
    maps.map(({ weight }) => [
      weight,
      { kind: "data", data: createRng(name + weight).fillNormal(new Float32Array(1200), 1) },
    ]),
  ),
});
const fileOf = (name: string, weight: string) => join(folder, name.repeat(64), `${weight}.safetensors`);

/** Writes another reconstruction error into a file's header: its numbers stay as they are, and their hash. */
function withError(path: string, error: string): void {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as { __metadata__: Record<string, string> };
  header.__metadata__["error"] = error;
  const text = JSON.stringify(header).padEnd(length);
  if (text.length > length) throw new Error("internal: the header grew");
  bytes.write(text, 8);
  writeFileSync(path, bytes);
}

test("what is decomposed once is read from then on, and is the weight", async () => {
  const source = model("a");
  const first = await openBasis(source, { folder });
  expect(first).toMatchObject({ made: 2, largestError: expect.closeTo(0, 6) });
  const again = await openBasis(source, { folder });
  expect(again.made).toBe(0);
  const { rank, sources } = again.basis.get("layer.0.up.weight")!;
  const [u, s, v] = [await readWeight(sources.u), await readWeight(sources.s), await readWeight(sources.v)];
  const weight = await readWeight(source.weights["layer.0.up.weight"]!);
  for (const [output, input] of [
    [0, 0],
    [39, 29],
    [3, 1],
  ] as const) {
    let sum = 0;
    for (let i = 0; i < rank; i++) sum += u[i * 40 + output]! * s[i]! * v[i * 30 + input]!;
    expect(sum).toBeCloseTo(weight[output * 30 + input]!, 5);
  }
});

test.each([
  ["cut off", (path: string) => truncateSync(path, readFileSync(path).length - 9)],
  ["emptied", (path: string) => writeFileSync(path, "")],
  [
    "damaged in one bit of its numbers",
    (path: string) => {
      const bytes = readFileSync(path);
      bytes[bytes.length - 20]! ^= 4;
      writeFileSync(path, bytes);
    },
  ],
  ["given an error that is no number", (path: string) => withError(path, "abc")],
  ["given an error above the limit", (path: string) => withError(path, "0.1")],
  ["of another map", (path: string) => writeFileSync(path, readFileSync(fileOf("b", "layer.0.down.weight")))],
])("a file that was %s is named and made again", async (_, damage) => {
  const source = model("b");
  await openBasis(source, { folder });
  const path = fileOf("b", "layer.0.up.weight");
  const sound = readFileSync(path);
  damage(path);
  const damaged: string[] = [];
  const { made } = await openBasis(source, { folder, onDamaged: (why) => damaged.push(why) });
  expect(made).toBe(1);
  expect(damaged).toEqual([expect.stringContaining(path)]);
  expect(readFileSync(path).equals(sound)).toBe(true);
});

test("a quota that a model does not fit is refused; one that two do not fit keeps the one used last", async () => {
  const { bytes } = await openBasis(model("a"), { folder });
  await expect(openBasis(model("b"), { folder, quotaBytes: 1000 })).rejects.toMatchObject({ code: "E_LIMIT" });
  const quotaBytes = 2.5 * bytes;
  await openBasis(model("b"), { folder, quotaBytes });
  await openBasis(model("a"), { folder, quotaBytes });
  await openBasis(model("c"), { folder, quotaBytes });
  expect(readdirSync(folder).map((name) => name[0])).toEqual(["a", "c"]);
});

test("two that decompose at a time keep to the quota together, and make nothing twice", async () => {
  const { bytes } = await openBasis(model("a"), { folder });
  const quotaBytes = 2.5 * bytes;
  await Promise.all(["b", "c"].map((name) => openBasis(model(name), { folder, quotaBytes })));
  expect(readdirSync(folder).map((name) => name[0])).toEqual(["b", "c"]);
  const found = await Promise.all([1, 2].map(() => openBasis(model("d"), { folder })));
  expect(found[0]!.made + found[1]!.made).toBe(2);
});

test("what another process uses is not removed for a quota; that it ended is noticed", async () => {
  const { bytes } = await openBasis(model("a"), { folder });
  const used = (id: number) => join(folder, "a".repeat(64), `used-by-${id}`);
  writeFileSync(used(process.ppid), (await startOf(process.ppid))!);
  const quotaBytes = 1.5 * bytes;
  await expect(openBasis(model("b"), { folder, quotaBytes })).rejects.toMatchObject({
    code: "E_LIMIT",
    message: expect.stringContaining(`process ${process.ppid} uses`) as unknown,
  });
  expect(readdirSync(folder).map((name) => name[0])).toEqual(["a"]);
  writeFileSync(used(process.ppid), "another boot 1"); // of an earlier process with this number
  await openBasis(model("b"), { folder, quotaBytes });
  expect(readdirSync(folder).map((name) => name[0])).toEqual(["b"]);
});

test("that a model's decompositions are used is said before they are read, so that no other process removes them meanwhile", async () => {
  const source = model("a");
  await openBasis(source, { folder });
  const directory = join(folder, source.sha256);
  const mark = join(directory, `used-by-${process.pid}`);
  rmSync(mark);
  const marked: boolean[] = [];
  const signal = {
    get aborted() {
      marked.push(existsSync(mark));
      return false;
    },
  } as AbortSignal;
  await openBasis(source, { folder, signal });
  expect(marked).toEqual([true, true]);
});

test("a weight with a number that is not finite is refused by name, and nothing is left of it", async () => {
  const source = model("a");
  const weights = {
    ...source.weights,
    "layer.0.down.weight": { kind: "data", data: new Float32Array(1200).fill(NaN) },
  };
  await expect(openBasis({ ...source, weights } as SvdSource, { folder })).rejects.toMatchObject({
    code: "E_NAN",
    message: expect.stringContaining("layer.0.down.weight") as unknown,
  });
  expect(readdirSync(join(folder, source.sha256))).toEqual(["layer.0.up.weight.safetensors"]);
});

test("stopped on request, what was finished stays", async () => {
  const stop = new AbortController();
  const onProgress = (done: number) => void (done === 1 && stop.abort());
  await expect(openBasis(model("a"), { folder, signal: stop.signal, onProgress })).rejects.toMatchObject({
    code: "E_INTERRUPTED",
  });
  expect((await openBasis(model("a"), { folder })).made).toBe(1);
});
