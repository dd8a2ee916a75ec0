/** @file How much of an adapter arrives where weights are rounded, and whose codes a quantised directory has: a user is told. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writePeft } from "../../src/lora/peft-format.ts";
import { saveModel } from "../../src/models/model-file.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { quantizeDirectory } from "../../src/models/quantized/directory-file.ts";
import { quantizations } from "../../src/models/quantized/layout.ts";
import { loragenHere } from "../support/loragen.ts";
import { randomAdapter } from "../support/random-adapter.ts";
import { randomLlama } from "../support/random-llama.ts";
import { writeSmallTokenizer } from "../support/small-tokenizer.ts";

const folder = mkdtempSync(join(tmpdir(), "arrival-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(async () => {
  const { config, weights } = randomLlama({ vocab: 275 });
  const names = [...parameterShapes(config).keys()];
  const values = new Map(names.map((name) => [name, (weights[name] as { data: Float32Array }).data]));
  await saveModel(at("dense"), config, values);
  await saveModel(at("half"), config, values, { dtype: "F16" });
  writeSmallTokenizer(at("dense"));
  writeSmallTokenizer(at("half"));
  await quantizeDirectory(at("dense"), at("int4"), quantizations.int4);
  await writePeft(at("adapter"), randomAdapter(config), { baseName: "dense" });
});

type Merged = { readonly arrived?: number };

async function merge(base: string, out: string, ...flags: readonly string[]) {
  const args = ["merge", "--adapter", at("adapter"), "--base", at(base), "--out", at(out), "--json", ...flags];
  const { status, stdout, stderr } = await loragenHere(args);
  return { status, stderr, ...(JSON.parse(stdout) as Merged) };
}

const warning = /warning: only \d+(\.\d)? % of the adapter arrived in the rounding to \S+; expected at least 80 %/;

test.each([
  ["int4", "--requantize", 0.1, 1],
  ["half", "--type=f16", 1e-4, 1],
] as const)(
  "merged into %s with %s, a slight adapter is warned of, and one that arrives is not",
  async (base, flag, slight, strong) => {
    const lost = await merge(base, `${base}-slight`, flag, "--scale", String(slight));
    expect(lost.status, lost.stderr).toBe(0);
    expect(lost.arrived).toBeGreaterThan(0.1);
    expect(lost.arrived).toBeLessThan(0.5);
    expect(lost.stderr).toMatch(warning);
    const found = await merge(base, `${base}-strong`, flag, "--scale", String(strong));
    expect(found.arrived).toBeCloseTo(1, 1);
    expect(found.stderr).toBe("");
  },
);

test("`quantize --verify` says whether a quantised directory was made from a model", async () => {
  const verify = (...args: readonly string[]) => loragenHere(["quantize", "--verify", at("int4"), ...args]);
  const right = await verify("--model", at("dense"), "--json");
  expect(right.status, right.stderr).toBe(0);
  expect(JSON.parse(right.stdout)).toMatchObject({ bits: 4, directory: at("int4"), weights: 21 });
  const wrong = await verify("--model", at("half"));
  expect(wrong.stderr).toMatch(/error E_MISMATCH: .*names a base of sha256/);
  expect((await verify("--model", at("dense"), "--out", at("x"))).stderr).toMatch(/error E_USAGE: .*writes nothing/);
});

test("where nothing is rounded, nothing is said of arriving", async () => {
  const found = await merge("dense", "dense-slight", "--scale", "0.0001");
  expect(found).toEqual(expect.objectContaining({ status: 0, stderr: "" }));
  expect(found).not.toHaveProperty("arrived");
});
