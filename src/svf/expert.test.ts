import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeSafetensors } from "../files/safetensors-write.ts";
import { combineExperts, type Expert, multipliers, requireModel, scaleExpert } from "./expert.ts";
import { expertFileName, readExpert, writeExpert } from "./expert-file.ts";

const root = mkdtempSync(join(tmpdir(), "expert-"));
afterAll(() => rmSync(root, { recursive: true }));

const expert = (scales: Readonly<Record<string, readonly number[]>>, changes: Partial<Expert> = {}): Expert => ({
  modelSha256: "a".repeat(64),
  renormalize: false,
  madeBy: { by: "hand" },
  scales: new Map(Object.entries(scales).map(([weight, z]) => [weight, Float32Array.from(z)])),
  ...changes,
});
const factorsOf = ({ scales }: Expert) => Object.fromEntries([...scales].map(([weight, z]) => [weight, [...z]]));

test("an expert is read as it was written, from its file and from its folder", async () => {
  const written = expert({ "l.0.up.weight": [1, 0.5, 2], "l.1.up.weight": [0, -1] }, { renormalize: true });
  const path = join(root, "kept", expertFileName);
  await writeExpert(path, written);
  for (const from of [path, join(root, "kept")]) {
    const read = await readExpert(from);
    expect(factorsOf(read)).toEqual(factorsOf(written));
    expect(read).toMatchObject({ modelSha256: "a".repeat(64), renormalize: true, madeBy: { by: "hand" } });
  }
});

test("what is no expert is refused: other tensors, other metadata, numbers that are not finite, nothing", async () => {
  const refusal = async (name: string, write: (path: string) => Promise<unknown>) => {
    const path = join(root, name);
    await write(path);
    return readExpert(path).catch(({ code }: { code: string }) => code);
  };
  const sha = "a".repeat(64);
  const metadata = { format: "lora-gen svf expert 1", model_sha256: sha, renormalize: "false" };
  const tensor = (name: string, values: readonly number[], shape = [values.length]) => [
    { name, dtype: "F32" as const, shape, data: Float32Array.from(values) },
  ];
  expect(await refusal("nan", (path) => writeSafetensors(path, tensor("a.z", [1, Number.NaN]), metadata))).toBe(
    "E_NAN",
  );
  for (const [name, tensors, said] of [
    ["no-z", tensor("a.weight", [1]), metadata],
    ["matrix", tensor("a.z", [1, 2], [1, 2]), metadata],
    ["no-tensor", [], metadata],
    ["no-metadata", tensor("a.z", [1]), {}],
    ["no-hash", tensor("a.z", [1]), { ...metadata, model_sha256: "x" }],
  ] as const)
    expect(await refusal(name, (path) => writeSafetensors(path, tensors, said)), name).toBe("E_FORMAT");
  expect(await refusal("text", async (path) => writeFileSync(path, "expert"))).toBe("E_FORMAT");
  expect(await readExpert(join(root, "nowhere")).catch(({ code }) => code)).toBe("E_NOT_FOUND");
  await expect(writeExpert(join(root, "bad"), expert({ w: [Infinity] }))).rejects.toMatchObject({ code: "E_NAN" });
});

test("experts combine as Σ α z, or as changes of 1; where one says nothing its factor is 1", () => {
  const [a, b] = [expert({ w: [2, 1, 1], v: [3] }), expert({ w: [0, 1] })];
  expect(factorsOf(combineExperts([a, b], [0.5, 0.25]))).toEqual({ w: [1, 0.75, 0.75], v: [1.75] });
  expect(factorsOf(combineExperts([a, b], [0.5, 0.25], { of: "changes" }))).toEqual({ w: [1.25, 1, 1], v: [2] });
  expect(factorsOf(combineExperts([a, b], [0, 0], { of: "changes" }))).toEqual({ w: [1, 1, 1], v: [1] });
  const byMap = (weight: string) => (weight === "w" ? [1, 0] : [0, 1]);
  expect(factorsOf(combineExperts([a, b], byMap))).toEqual({ w: [2, 1, 1], v: [1] });
  expect(factorsOf(scaleExpert(a, 0.5))).toEqual({ w: [1.5, 1, 1], v: [2] });
});

test("experts of two models, or renormalised and not, do not combine; weights must be as many as experts", () => {
  const a = expert({ w: [1] });
  const other = expert({ w: [1] }, { modelSha256: "b".repeat(64) });
  expect(() => combineExperts([a, other], [1, 1])).toThrow(/a{64}.*b{64}/);
  expect(() => combineExperts([a, { ...a, renormalize: true }], [1, 1])).toThrow(/both/);
  const [short, long] = [[1], [1, 0.5]].map((w) => ({ ...expert({ w }), renormalize: true }));
  expect(() => combineExperts([short!, long!], [1, 0])).toThrow(/w: renormalised .* found 1 and 2/);
  expect(() => combineExperts([a, a], [1])).toThrow(expect.objectContaining({ code: "E_USAGE" }));
  expect(() => requireModel(a, "c".repeat(64), "skill")).toThrow(/skill: .*a{64}.*c{64}/);
});

test("renormalised factors, of which only ratios count, are refused where a strength would hang on their size", () => {
  const [z, twice] = [
    [0.25, 0.5],
    [0.5, 1],
  ].map((w) => ({ ...expert({ w }), renormalize: true }));
  for (const one of [z!, twice!])
    expect(() => scaleExpert(one, 0.5)).toThrow(/only the ratios count, so that there is no half of them$/);
  expect(factorsOf(combineExperts([z!, twice!], [0.5, 0.5], { of: "changes" }))).toEqual({ w: [0.375, 0.75] });
});

test("renormalised factors keep the sum of the singular values, and a common factor changes none of them", () => {
  const s = Float32Array.of(4, 2, 1);
  const z = Float32Array.of(0.5, 1, 2);
  const factors = multipliers(z, s, true);
  expect(factors.reduce((sum, factor, i) => sum + factor * s[i]!, 0)).toBeCloseTo(7, 6);
  multipliers(
    z.map((value) => 3 * value),
    s,
    true,
  ).forEach((factor, i) => {
    expect(factor).toBeCloseTo(factors[i]!, 6);
  });
  expect([...multipliers(z, s, false)]).toEqual([0.5, 1, 2]);
  expect(() => multipliers(Float32Array.of(0, 0, 0), s, true)).toThrow(expect.objectContaining({ code: "E_NAN" }));
});
