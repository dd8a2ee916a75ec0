/** @file The specialisation file: small, exact, and only good for the weights it was made for. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { openTinyPair, specializationOf } from "../../test/support/tiny-pair.ts";
import { createRng } from "../base/rng.ts";
import type { Pair } from "./pair-file.ts";
import { parseSpecialization, requireSpecializable, specializationLimits } from "./specialization.ts";
import {
  encodeSpecialization,
  readSpecialization,
  type Specialization,
  writeSpecialization,
} from "./specialization-file.ts";

const folder = () => mkdtempSync(join(tmpdir(), "specialization-"));

let pair: Pair;
beforeAll(async () => {
  pair = await openTinyPair();
});

/** Random gates, K of n per layer, for the tiny pair unless said otherwise. */
function make({ layers = 2, experts = 4, topK = 2, ...changes }: Partial<Specialization> = {}): Specialization {
  const rng = createRng("gates");
  const gates = Array.from({ length: layers }, () => {
    const row = new Array<number>(experts).fill(0);
    const used = rng.shuffle(row.map((_, i) => i)).slice(0, topK);
    for (const expert of used) row[expert] = Math.fround(rng.next());
    return row;
  });
  return specializationOf(pair, gates, { topK, layers, experts, promptTokens: 120, ...changes });
}

test("what is written is read back, gates bit for bit, from the folder and from the file", async () => {
  const directory = join(folder(), "new/sub");
  const specialization = make();
  const { file, bytes } = await writeSpecialization(directory, { ...specialization, ms: { cloud: 12 } });
  expect(bytes).toBe(readFileSync(file).length);
  expect(await readSpecialization(directory)).toEqual(specialization);
  expect(await readSpecialization(file, pair)).toEqual(specialization);
});

test("the file is under 1 KB for 6 layers with 2 of 8 experts, and for 6 layers with 4 of 8", () => {
  for (const topK of [2, 4])
    expect(Buffer.byteLength(encodeSpecialization(make({ layers: 6, experts: 8, topK })))).toBeLessThan(1024);
});

test("how the cloud model was quantised is written and read back, in a file still under 1 KB", async () => {
  const cloudQuantization = { bits: 4, blockSize: 128, symmetric: false, tableBlockSize: 64 } as const;
  const specialization = make({ layers: 6, experts: 8, topK: 4, cloudQuantization });
  const directory = folder();
  const { bytes } = await writeSpecialization(directory, specialization);
  expect(bytes).toBeLessThan(1024);
  expect(await readSpecialization(directory)).toEqual(specialization);
  expect(encodeSpecialization(make())).not.toContain("cloudQuantization");
  const text = encodeSpecialization(specialization);
  const before = parseSpecialization(text.replace(',"tableBlockSize":64', ""), "before tables had blocks of their own");
  expect(before.cloudQuantization).toEqual({ ...cloudQuantization, tableBlockSize: 128 });
  const odd = () => parseSpecialization(text.replace('"tableBlockSize":64', '"tableBlockSize":48'), "odd");
  expect(odd).toThrow(expect.objectContaining({ code: "E_FORMAT" }));
});

test("as many numbers as the limits allow fit the file, however long they are to write; one layer more is refused", () => {
  const longest = Math.fround(-0.00000123456789);
  const { experts, numbers, fileBytes } = specializationLimits;
  const row = new Array<number>(experts).fill(longest);
  const text = encodeSpecialization(make({ gates: [row], layers: 1, experts, topK: experts }));
  expect(text).toContain(`[${experts - 1},-0.0000012345679]`);
  expect(parseSpecialization(text, "large").gates).toEqual([row]);
  const layers = numbers / experts;
  expect(Buffer.byteLength(text) * layers).toBeLessThan(fileBytes);
  const empty = (count: number) =>
    encodeSpecialization(make({ gates: new Array<[]>(count).fill([]), layers: count, experts, topK: 1 }));
  expect(parseSpecialization(empty(layers), "most").gates).toHaveLength(layers);
  expect(() => parseSpecialization(empty(layers + 1), "more")).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
});

test.each([
  [{ cloud: 16_384, layers: 126, generation: "direct" }, undefined],
  [
    { cloud: 16_384, layers: 129, generation: "direct" },
    /4096 numbers .* each of 129 layers: .* at most 524288 in all/,
  ],
  [{ cloud: 16_388, layers: 2, generation: "direct" }, /4097 numbers .* at most 4096 per layer/],
  [{ cloud: 16_388, layers: 126, generation: "pool" }, undefined],
  [{ cloud: 64, layers: 1025, generation: "pool" }, /1025 layers: .* at most 1024/],
] as const)("%o: specialisations fit a file, or are refused (%s)", ({ cloud, layers, generation }, refused) => {
  const { shape } = pair;
  const wide = {
    cloud: { ...shape.cloud, hidden: cloud },
    edge: { ...shape.edge, layers },
    generator: { ...shape.generator, generation },
  };
  const refusal = { code: "E_LIMIT", message: expect.stringMatching(refused ?? /^$/) as unknown };
  if (refused === undefined) requireSpecializable(wide);
  else expect(() => requireSpecializable(wide)).toThrow(expect.objectContaining(refusal));
});

test("any fp32 gate is written in the fewest digits that give it back", async () => {
  const rng = createRng("floats");
  const values = Float32Array.from({ length: 400 }, () => rng.normal() * 10 ** (rng.int(8) - 6));
  const gates = [Array.from(values.subarray(0, 200)), Array.from(values.subarray(200))];
  const directory = folder();
  await writeSpecialization(directory, make({ gates, experts: 200, topK: 200 }));
  expect((await readSpecialization(directory)).gates).toEqual(gates);
  expect(encodeSpecialization(make({ gates: [[0.5, 0, 0, 0]], layers: 1 }))).toContain('"gates":[[[0,0.5]]]');
});

describe("a specialisation of other weights is refused", () => {
  test.each([
    ["edge model", "edgeSha256", () => pair.edge.sha256],
    ["cloud model", "cloudSha256", () => pair.cloud.sha256],
    ["generator", "generatorSha256", () => pair.generator.sha256],
  ] as const)("%s: both hashes are named", async (part, key, found) => {
    const other = "b".repeat(64);
    const directory = folder();
    await writeSpecialization(directory, make({ [key]: other }));
    const refusal = readSpecialization(directory, pair);
    await expect(refusal).rejects.toMatchObject({ code: "E_MISMATCH" });
    await expect(refusal).rejects.toThrow(new RegExp(`${part} ${other}.*${found()}`));
    expect(await readSpecialization(directory)).toMatchObject({ [key]: other }); // without a pair it can be looked at
  });

  test("the right hashes with gates of another size", async () => {
    const directory = folder();
    await writeSpecialization(directory, make({ layers: 3 }));
    await expect(readSpecialization(directory, pair)).rejects.toMatchObject({ code: "E_MISMATCH" });
  });
});

test.each<[string, (file: Record<string, unknown>) => unknown, string]>([
  ["a missing layer", ({ gates }) => ({ gates: (gates as unknown[]).slice(1) }), "E_FORMAT"],
  ["an expert beyond the pool", () => ({ gates: [[[4, 1]], [[0, 1]]] }), "E_FORMAT"],
  [
    "an expert named twice",
    () => ({
      gates: [
        [
          [0, 0.5],
          [0, 0.5],
        ],
        [[0, 1]],
      ],
    }),
    "E_FORMAT",
  ],
  [
    "an expert named twice, first with nothing",
    () => ({
      gates: [
        [
          [0, 0],
          [0, 0.5],
        ],
        [[0, 1]],
      ],
    }),
    "E_FORMAT",
  ],
  ["more gates than topK", () => ({ topK: 1 }), "E_FORMAT"],
  ["a topK beyond the experts", () => ({ topK: 5 }), "E_FORMAT"],
  ["a version that is no plain text", () => ({ version: "0.1.0\u001b[2J" }), "E_FORMAT"],
  ["a hash that is none", () => ({ sha256: { prompt: "x", cloud: "x", edge: "x", generator: "x" } }), "E_FORMAT"],
  ["a gate that is no number", () => ({ gates: [[[0, null]], [[0, 1]]] }), "E_FORMAT"],
  ["another format", () => ({ format: "lora-gen specialization 2" }), "E_FORMAT"],
  ["bits we do not have", () => ({ cloudQuantization: { bits: 3, blockSize: 32, symmetric: true } }), "E_FORMAT"],
  ["an unknown key", () => ({ note: "hello" }), "E_FORMAT"],
  ["a billion experts", () => ({ experts: 1e9 }), "E_FORMAT"],
])("%s is refused", async (_, change, code) => {
  const path = join(folder(), "specialization.json");
  const sound = JSON.parse(encodeSpecialization(make())) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...sound, ...(change(sound) as object) }));
  await expect(readSpecialization(path)).rejects.toMatchObject({ code });
});

test("a missing file is E_NOT_FOUND; a folder that cannot be made is E_IO", async () => {
  const directory = folder();
  await expect(readSpecialization(directory)).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  writeFileSync(join(directory, "taken"), "");
  await expect(writeSpecialization(join(directory, "taken/sub"), make())).rejects.toMatchObject({ code: "E_IO" });
});
