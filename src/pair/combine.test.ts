/** @file Combining specialisations: the sum of what each does, and a report of what they share. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openTinyPair, specializationOf } from "../../test/support/tiny-pair.ts";
import { labelsSpec } from "../constraint/spec.ts";
import { quantizations } from "../models/quantized/layout.ts";
import { readWeight } from "../runtime/read-weight.ts";
import { type CombinePart, combineSpecializations, interference } from "./combine.ts";
import { measureCombination } from "./combine-effect.ts";
import { merge } from "./merge.ts";
import type { Pair } from "./pair-file.ts";
import { readSpecialization, writeSpecialization } from "./specialization-file.ts";

/** Where the pair does not matter. */
const none = { cloud: { sha256: "c" }, edge: { sha256: "e" }, generator: { sha256: "d" } };
const part = (
  pair: Pair | undefined,
  name: string,
  weight: number,
  gates: readonly (readonly number[])[],
): CombinePart => ({
  name,
  weight,
  specialization: specializationOf(pair ?? none, gates, { promptHmac: name.repeat(64).slice(0, 64) }),
});
const first = [
  [0.25, 0.75, 0, 0],
  [0, 1, 0, 0],
];
const second = [
  [0.5, 0, 0.5, 0],
  [0, 0, 0.5, 0.5],
];

const pooled = { shape: { generator: { generation: "pool" } } } as const;

test("gates are the weighted sum, with all experts kept; provenance tells the recipe", () => {
  const [a, b] = [part(undefined, "a", 0.5, first), part(undefined, "b", 0.25, second)];
  const combined = combineSpecializations(pooled, [a, b]);
  expect(combined.gates).toEqual([
    [0.25, 0.375, 0.125, 0],
    [0, 0.5, 0.125, 0.125],
  ]);
  expect(combined).toMatchObject({ topK: 3, promptTokens: 20, edgeSha256: "e" });
  const other = combineSpecializations(pooled, [a, { ...b, weight: 0.3 }]);
  expect(other.promptHmac).not.toBe(combined.promptHmac);
});

test("a combination is as coarse as its coarsest part, and another recipe than that of unquantised parts", () => {
  const [a, b] = [part(undefined, "a", 1, first), part(undefined, "b", 1, second)];
  const held = (
    of: CombinePart,
    cloudQuantization: NonNullable<CombinePart["specialization"]["cloudQuantization"]>,
  ) => ({
    ...of,
    specialization: { ...of.specialization, cloudQuantization },
  });
  const int8 = { bits: 8, blockSize: 128, symmetric: true, tableBlockSize: 64 } as const;
  const int4 = { bits: 4, blockSize: 32, symmetric: false, tableBlockSize: 64 } as const;
  const plain = combineSpecializations(pooled, [a, b]);
  expect(plain).not.toHaveProperty("cloudQuantization");
  const mixed = combineSpecializations(pooled, [a, held(b, int8)]);
  expect(mixed.cloudQuantization).toEqual(int8);
  expect(mixed.promptHmac).not.toBe(plain.promptHmac);
  const both = combineSpecializations(pooled, [held(a, int8), held(b, int4)]);
  expect(both.cloudQuantization).toEqual(int4);
  const coarser = { ...int4, tableBlockSize: 128 } as const;
  const tables = combineSpecializations(pooled, [held(a, coarser), held(b, int4)]);
  expect(tables.cloudQuantization).toEqual(coarser);
  expect(new Set([mixed, both, tables].map(({ promptHmac }) => promptHmac)).size).toBe(3);
});

test("merging a combination is merging each part at its weight", async () => {
  const pair = await openTinyPair();
  const parts = [part(pair, "a", 0.7, first), part(pair, "b", -0.3, second)];
  const combined = await merge(pair, combineSpecializations(pair, parts));
  const alone = await Promise.all(
    parts.map(({ specialization, weight }) => merge(pair, specialization, { scale: weight })),
  );
  const name = "model.layers.0.mlp.up_proj.weight";
  const valuesOf = async ({ weights }: Pick<typeof combined, "weights">) => readWeight(weights[name]!);
  const [base, together] = [await valuesOf(pair.edge), await valuesOf(combined)];
  const [one, two] = [await valuesOf(alone[0]!), await valuesOf(alone[1]!)];
  let moved = 0;
  together.forEach((value, i) => {
    expect(Math.abs(value - (one[i]! + two[i]! - base[i]!))).toBeLessThan(1e-5);
    moved = Math.max(moved, Math.abs(value - base[i]!));
  });
  expect(moved).toBeGreaterThan(0.05);
});

test("a combination of which one part is of a prompt unlike those of the training says so", () => {
  const [a, b] = [part(undefined, "a", 1, first), part(undefined, "b", 1, second)];
  const odd: CombinePart = { ...b, specialization: { ...b.specialization, unlike: true } };
  expect(combineSpecializations(pooled, [a, odd]).unlike).toBe(true);
  expect(combineSpecializations(pooled, [a, b])).not.toHaveProperty("unlike");
});

test("the file of a combination is that combination, its gates in fp16, its constraint that of the parts", async () => {
  const pair = await openTinyPair();
  const constraint = labelsSpec(["a", "b"]);
  const [a, b] = [part(pair, "a", 0.7, first), part(pair, "b", -0.3, second)];
  const held = { ...a, specialization: { ...a.specialization, constraint } };
  const combined = combineSpecializations(pair, [held, b]);
  const { file } = await writeSpecialization(mkdtempSync(join(tmpdir(), "combined-")), combined);
  const read = await readSpecialization(file, pair);
  expect(read).toEqual({ ...combined, gates: read.gates });
  expect(read.constraint).toEqual(constraint);
  read.gates.flat().forEach((gate, i) => {
    const wanted = combined.gates.flat()[i]!;
    expect(Math.abs(gate - wanted)).toBeLessThanOrEqual(Math.abs(wanted) * 2 ** -11);
  });
  const other = { ...b, specialization: { ...b.specialization, constraint: labelsSpec(["c", "d"]) } };
  expect(combineSpecializations(pair, [held, other])).not.toHaveProperty("constraint");
});

test("interference counts experts in common and how much of the gates overlaps", () => {
  const [report] = interference([part(undefined, "a", 1, first), part(undefined, "b", 0.5, second)]);
  expect(report).toMatchObject({ a: "a", b: "b", inCommon: [1, 0] });
  expect(report!.overlap[0]).toBeCloseTo(0.25 / (0.25 + 0.75 + 0.25));
  expect(report!.overlap[1]).toBe(0);
  expect(interference([part(undefined, "a", 1, first), part(undefined, "b", 1, first)])[0]!.meanOverlap).toBe(1);
});

test("the change of logits is none where the combination is the part itself, and some where it is another", async () => {
  const pair = await openTinyPair();
  const [a, b] = [part(pair, "a", 1, first), part(pair, "b", 1, second)];
  const inputs = ["hello there", "is it open"];
  const [ofA, ofB] = await measureCombination(pair, a.specialization, [a, b], inputs);
  expect(ofA!.inputs.map(({ input }) => input)).toEqual(inputs);
  for (const { largestChange, divergence, sameToken } of ofA!.inputs)
    expect([largestChange, divergence, sameToken]).toEqual([0, 0, true]);
  for (const { largestChange, divergence } of ofB!.inputs) {
    expect(largestChange).toBeGreaterThan(0.1);
    expect(divergence).toBeGreaterThan(0);
  }
});

test("the change is measured beside a quantised edge model too", async () => {
  const pair = await openTinyPair({}, { quantize: { edge: quantizations.int8 } });
  const [a, b] = [part(pair, "a", 1, first), part(pair, "b", 1, second)];
  const [ofA, ofB] = await measureCombination(pair, a.specialization, [a, b], ["hello there"]);
  expect(ofA!.inputs[0]!.largestChange).toBe(0);
  expect(ofB!.inputs[0]!.largestChange).toBeGreaterThan(0.1);
});

test.each<[string, readonly CombinePart[], string, RegExp]>([
  ["a single part", [part(undefined, "a", 1, first)], "E_USAGE", /at least two/],
  [
    "a weight that is no number",
    [part(undefined, "a", Number.NaN, first), part(undefined, "b", 1, first)],
    "E_USAGE",
    /NaN/,
  ],
  [
    "a weight of 0",
    [part(undefined, "a", 0, first), part(undefined, "b", 1, second)],
    "E_USAGE",
    /^combine: a: expected a number other than 0 as weight, found 0$/,
  ],
  [
    "parts that cancel out",
    [part(undefined, "a", 1, first), part(undefined, "b", -1, first)],
    "E_MISMATCH",
    /cancel out/,
  ],
  [
    "gates beyond the file's limit",
    [part(undefined, "a", 2000, first), part(undefined, "b", 1, first)],
    "E_LIMIT",
    /limit is 1000/,
  ],
  [
    "parts of different pairs",
    [
      part(undefined, "a", 1, first),
      {
        ...part(undefined, "b", 1, first),
        specialization: { ...part(undefined, "b", 1, first).specialization, edgeSha256: "f" },
      },
    ],
    "E_MISMATCH",
    /b was made for another pair than a/,
  ],
])("%s is refused", (_, parts, code, message) => {
  expect(() => combineSpecializations(pooled, parts)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(message) as unknown }),
  );
});

test("specialisations of a generator without a pool are refused: their rows are hidden states, not gates", async () => {
  const direct = await openTinyPair({ generator: { generation: "direct" } });
  const parts = [part(undefined, "a", 1, first), part(undefined, "b", 1, second)];
  expect(() => combineSpecializations(direct, parts)).toThrow(
    expect.objectContaining({
      code: "E_CONFIG",
      message: expect.stringMatching(/expected .* pool of experts/) as unknown,
    }),
  );
});
