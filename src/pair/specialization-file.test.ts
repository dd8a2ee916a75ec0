/** @file The specialisation file: small, exact, and only good for the weights it was made for. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { openTinyPair, specializationOf } from "../../test/support/tiny-pair.ts";
import { float16ToFloat32, float32ToFloat16 } from "../base/half.ts";
import { createRng } from "../base/rng.ts";
import { labelsSpec, schemaSpec } from "../constraint/spec.ts";
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

/** What fp16 makes of a number. */
const halved = (value: number): number => float16ToFloat32(float32ToFloat16(Float32Array.of(value)))[0]!;

/** Random gates, K of n per layer, for the tiny pair unless said otherwise. */
function make({ layers = 2, experts = 4, topK = 2, ...changes }: Partial<Specialization> = {}): Specialization {
  const rng = createRng("gates");
  const gates = Array.from({ length: layers }, () => {
    const row = new Array<number>(experts).fill(0);
    const used = rng.shuffle(row.map((_, i) => i)).slice(0, topK);
    for (const expert of used) row[expert] = halved(rng.next());
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

test("30 layers with up to 4 of 8, 64 or 255 experts are under 1 KB, all of 32 experts under 4 KB", () => {
  const sizeOf = (changes: Partial<Specialization>) =>
    Buffer.byteLength(encodeSpecialization(make({ layers: 30, promptHmac: "a".repeat(64), ...changes })));
  for (const experts of [8, 64, 255])
    for (const topK of [1, 2, 4]) expect(sizeOf({ experts, topK })).toBeLessThan(1024);
  expect(sizeOf({ experts: 32, topK: 32 })).toBeLessThan(4096);
});

describe("the constraint of a specialisation", () => {
  const constraints = [
    labelsSpec(["card lost", "שלום", '</s> "quoted" \\', "👩‍👧"]),
    schemaSpec({ type: "object", properties: { intent: { enum: ["a", "b"] } }, required: ["intent"] }),
  ];

  test.each(constraints)("comes back as it was, its bytes told apart: %o", async (constraint) => {
    const directory = folder();
    const specialization = make({ constraint });
    const written = await writeSpecialization(directory, specialization);
    expect(await readSpecialization(directory)).toEqual(specialization);
    const without = Buffer.byteLength(encodeSpecialization(make()));
    expect(written.bytes - written.constraintBytes).toBe(without);
  });

  test.each<[string, unknown, string]>([
    ["of an unknown kind", { kind: "regex", regex: "a" }, "E_FORMAT"],
    ["of no labels", { kind: "labels", labels: [] }, "E_FORMAT"],
    [
      "of a schema with more states than are kept",
      {
        kind: "schema",
        schema: { type: "array", minItems: 9000, items: { type: "string", minLength: 9000 } },
      },
      "E_LIMIT",
    ],
    ["of an escape sequence", { kind: "labels", labels: ["\u001b[2J"] }, "E_FORMAT"],
    ["of a label twice", { kind: "labels", labels: ["a", "a"] }, "E_FORMAT"],
    ["of too many labels", { kind: "labels", labels: Array.from({ length: 10_001 }, (_, i) => `${i}`) }, "E_LIMIT"],
    ["of a schema that cannot be kept", { kind: "schema", schema: { not: {} } }, "E_FORMAT"],
    ["of a call of what is no name", { kind: "calls", functions: [{ name: "a b", parameters: [] }] }, "E_FORMAT"],
    [
      "of too many parameters",
      { kind: "calls", functions: [{ name: "a", parameters: Array.from({ length: 31 }, (_, i) => `p${i}`) }] },
      "E_LIMIT",
    ],
    ["of a large schema", { kind: "schema", schema: { const: "x".repeat(2 ** 19) } }, "E_LIMIT"],
  ])("%s is refused", async (_, constraint, code) => {
    const path = join(folder(), "specialization.json");
    const sound = JSON.parse(encodeSpecialization(make())) as Record<string, unknown>;
    writeFileSync(path, JSON.stringify({ ...sound, constraint }));
    await expect(readSpecialization(path)).rejects.toMatchObject({ code });
  });
});

test("a key that stands twice is refused", () => {
  const text = encodeSpecialization(make());
  const twice = text.replace('"topK":2', '"topK":2,"topK":2');
  expect(() => parseSpecialization(twice, "twice")).toThrow(expect.objectContaining({ code: "E_FORMAT" }));
});

/** As the first format wrote them. */
const firstFormat = {
  format: "lora-gen specialization 1",
  version: "0.1.0",
  layers: 2,
  experts: 4,
  topK: 2,
  gates: [
    [
      [0, 0.1],
      [3, 0.9],
    ],
    [[2, 1]],
  ],
  promptTokens: 120,
  truncated: false,
  sha256: { prompt: "a".repeat(64), cloud: "b".repeat(64), edge: "c".repeat(64), generator: "d".repeat(64) },
};

test("a file of the first format is read, but for its hash that confirms a guess of the prompt", () => {
  const read = parseSpecialization(JSON.stringify(firstFormat), "first");
  expect(read).toEqual({
    version: "0.1.0",
    layers: 2,
    experts: 4,
    topK: 2,
    gates: [
      [Math.fround(0.1), 0, 0, Math.fround(0.9)],
      [0, 0, 1, 0],
    ],
    promptTokens: 120,
    truncated: false,
    cloudSha256: "b".repeat(64),
    edgeSha256: "c".repeat(64),
    generatorSha256: "d".repeat(64),
  });
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

test("as many numbers as the limits allow fit the file; one layer more is refused", () => {
  const { experts, numbers, fileBytes } = specializationLimits;
  const row = new Array<number>(experts).fill(halved(-0.00123456789));
  const text = encodeSpecialization(make({ gates: [row], layers: 1, experts, topK: experts }));
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
  ["a missing layer", () => ({ gates: firstFormat.gates.slice(1) }), "E_FORMAT"],
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
  ["another format", () => ({ format: "lora-gen specialization 3" }), "E_FORMAT"],
  ["bits we do not have", () => ({ cloudQuantization: { bits: 3, blockSize: 32, symmetric: true } }), "E_FORMAT"],
  ["an unknown key", () => ({ note: "hello" }), "E_FORMAT"],
  ["a billion experts", () => ({ experts: 1e9 }), "E_FORMAT"],
])("%s is refused", async (_, change, code) => {
  const path = join(folder(), "specialization.json");
  const current = JSON.parse(encodeSpecialization(make())) as Record<string, unknown>;
  for (const sound of [current, firstFormat]) {
    writeFileSync(path, JSON.stringify({ ...sound, ...(change(sound) as object) }));
    await expect(readSpecialization(path)).rejects.toMatchObject({ code });
  }
});

test("a missing file is E_NOT_FOUND; a folder that cannot be made is E_IO", async () => {
  const directory = folder();
  await expect(readSpecialization(directory)).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  writeFileSync(join(directory, "taken"), "");
  await expect(writeSpecialization(join(directory, "taken/sub"), make())).rejects.toMatchObject({ code: "E_IO" });
});
