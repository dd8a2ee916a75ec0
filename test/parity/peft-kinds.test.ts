/** @file Every kind of adapter that PEFT's LoraConfig makes: applied here it gives PEFT's logits, or it is refused with what to do. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { exportFormats } from "../../src/export/formats.ts";
import { runExport } from "../../src/export/run-export.ts";
import { openSafetensors, readTensor } from "../../src/files/safetensors.ts";
import { readPeftChange } from "../../src/lora/peft-change.ts";
import { peftKeys } from "../../src/lora/peft-config.ts";
import { openModel } from "../../src/models/model-file.ts";
import { applyPeftChange, peftBaseOf } from "../../src/models/peft-base.ts";
import { quantizations } from "../../src/models/quantized/layout.ts";
import { loragenHere } from "../support/loragen.ts";
import { fullLogits } from "../support/random-llama.ts";

const fixtures = resolve(import.meta.dirname, "../fixtures/peft-kinds");
const folder = mkdtempSync(join(tmpdir(), "peft-kinds-"));
afterAll(() => rmSync(folder, { recursive: true }));

const kinds = JSON.parse(readFileSync(join(fixtures, "kinds.json"), "utf8")) as Record<string, string>;
const isResized = (kind: string) => kind.endsWith("resized");
const applied = Object.keys(kinds).filter((kind) => !isResized(kind));
const expected = await openSafetensors(join(fixtures, "expected.safetensors"));
const ids = [...(await readTensor(expected, "ids"))];

const gap = (found: Float32Array, wanted: Float32Array): number => {
  expect(found).toHaveLength(wanted.length);
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0);
};
const logitsOf = async (model: Parameters<typeof fullLogits>[0]) =>
  Float32Array.from((await fullLogits(model, ids)).flatMap((row) => [...row]));
const openBase = (kind: string) => openModel(join(fixtures, `base-${kinds[kind]}`));

test.each(applied)("%s: the logits are PEFT's within 1e-4, and others than the base model's", async (kind) => {
  const base = await openBase(kind);
  const change = await readPeftChange(join(fixtures, kind), peftBaseOf(base));
  const { config, weights } = await applyPeftChange(base, change);
  const wanted = await readTensor(expected, `logits.${kind}`);
  expect(gap(await logitsOf({ config, weights: { ...weights } }), wanted)).toBeLessThan(1e-4);
  expect(gap(await readTensor(expected, `base.${kinds[kind]}`), wanted)).toBeGreaterThan(0.5);
});

test.each(["head", "dora", "save-norms", "tokens", "bias-all", "tied-head", "tied-save-embedding", "tied-tokens"])(
  "`loragen merge` writes the model of %s, opened again it gives PEFT's logits, and unmerge gives the base back",
  async (kind) => {
    const base = join(fixtures, `base-${kinds[kind]}`);
    const [out, restored] = [join(folder, kind), join(folder, `${kind}-restored`)];
    const args = ["merge", "--adapter", join(fixtures, kind), "--base", base, "--out", out];
    const merge = await loragenHere(args);
    expect(merge.status, merge.stderr).toBe(0);
    const merged = await openModel(out);
    expect(gap(await logitsOf(merged), await readTensor(expected, `logits.${kind}`))).toBeLessThan(1e-4);
    const undo = await loragenHere(["unmerge", "--model", out, "--base", base, "--out", restored]);
    expect(undo.status, undo.stderr).toBe(0);
    expect((await openModel(restored)).sha256).toBe((await openModel(base)).sha256);
  },
);

test("an adapter of the head is exported as PEFT and llama.cpp load it, checked against the merge; what is more than low rank is refused", async () => {
  const base = await openBase("head");
  const request = async (kind: string, format: string) => ({
    ...(await readPeftChange(join(fixtures, kind), peftBaseOf(base))),
    ...({ base, scale: 1, kind: "peft", adapterSha256: "a".repeat(64), name: "test", baseName: "base" } as const),
    ...{ tokenizerDirectory: fixtures, out: join(folder, `${kind}-${format}`) },
  });
  for (const format of ["peft", "gguf"] as const) {
    const { largestDifference, largestLogit } = await runExport(exportFormats[format], await request("head", format));
    expect(largestDifference).toBeLessThan(1e-5 * largestLogit);
    const refused = runExport(exportFormats[format], await request("dora", format));
    await expect(refused).rejects.toMatchObject({ code: "E_CONFIG" });
  }
});

test.each(["resized", "tied-resized"])("%s is refused, saying how to resize the base model", async (kind) => {
  const error = await readPeftChange(join(fixtures, kind), peftBaseOf(await openBase(kind))).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: "E_MISMATCH" });
  expect((error as Error).message).toMatch(
    /lm_head.weight: should be \[24,16\], found \[26,16\]: .* `model.resize_token_embeddings\(26\)`/,
  );
});

test("of a quantised model adapters of linear maps are read, also with the head as it was; others are refused, naming the weights", async () => {
  const outcomes: Record<string, string> = {};
  for (const kind of applied) {
    const base = await openModel(join(fixtures, `base-${kinds[kind]}`), { quantize: quantizations.int8 });
    outcomes[kind] = await readPeftChange(join(fixtures, kind), peftBaseOf(base)).then(
      ({ whole }) => (whole.size === 0 ? "read" : `whole: ${[...whole.keys()]}`),
      (error: Error & { code: string }) => `${error.code}: ${error.message.split(":")[0]}`,
    );
  }
  expect(outcomes).toMatchObject({
    head: "read",
    plain: "read",
    dora: expect.stringMatching(/^E_CONFIG: model\.layers\.\d\..*\.weight$/) as unknown,
    "tied-head": "E_CONFIG: model.embed_tokens.weight",
    "save-head": "whole: lm_head.weight",
    tokens: "E_CONFIG: model.embed_tokens.weight",
  });
  const refused = await loragenHere([
    ...["merge", "--requantize", "--adapter", join(fixtures, "save-head"), "--base", await quantisedBase()],
    ...["--out", join(folder, "refused")],
  ]);
  expect(refused.stderr).toMatch(/E_CONFIG: lm_head\.weight: .*merge it into the model that was quantised/);
});

async function quantisedBase(): Promise<string> {
  const out = join(folder, "int8");
  const done = await loragenHere(["quantize", "--model", join(fixtures, "base-llama"), "--out", out]);
  expect(done.status, done.stderr).toBe(0);
  return out;
}

test("every key of a configuration that PEFT 0.21 writes is in the table of keys, and in that of docs/exports.md", () => {
  const written = JSON.parse(readFileSync(join(fixtures, "plain/adapter_config.json"), "utf8")) as object;
  expect(Object.keys(written).filter((key) => !Object.hasOwn(peftKeys, key))).toEqual([]);
  const docs = readFileSync(resolve(import.meta.dirname, "../../docs/exports.md"), "utf8");
  expect(Object.keys(peftKeys).filter((key) => !docs.includes(`\`${key}\``))).toEqual([]);
});
