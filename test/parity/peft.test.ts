/** @file Adapters that Python's PEFT trained: loaded here they give its logits, merged here its merged weights. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openSafetensors, readTensor } from "../../src/files/safetensors.ts";
import { readPeft } from "../../src/lora/peft-format.ts";
import { mergeAdapter } from "../../src/models/merge-adapter.ts";
import { openModel } from "../../src/models/model-file.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { readWeight } from "../../src/runtime/read-weight.ts";
import { loragenHere } from "../support/loragen.ts";
import { fullLogits } from "../support/random-llama.ts";

const fixture = resolve(import.meta.dirname, "../fixtures/peft");
const folder = mkdtempSync(join(tmpdir(), "peft-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const gap = (found: Float32Array, wanted: Float32Array): number => {
  expect(found).toHaveLength(wanted.length);
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i]!)), 0);
};

async function open() {
  const base = await openModel(join(fixture, "base"));
  const adapter = await readPeft(join(fixture, "adapter"), parameterShapes(base.config));
  const expected = await openSafetensors(join(fixture, "expected.safetensors"));
  return { base, adapter, expected };
}

test("an adapter trained by PEFT gives PEFT's logits within 1e-4, and without it they are others", async () => {
  const { base, adapter, expected } = await open();
  const ids = [...(await readTensor(expected, "ids"))];
  const wanted = await readTensor(expected, "logits");
  const logitsOf = async (weights: Awaited<ReturnType<typeof mergeAdapter>>) =>
    Float32Array.from((await fullLogits({ config: base.config, weights }, ids)).flatMap((row) => [...row]));
  expect(gap(await logitsOf(await mergeAdapter(base.weights, adapter)), wanted)).toBeLessThan(1e-4);
  expect(gap(await logitsOf({ ...base.weights }), wanted)).toBeGreaterThan(0.1);
});

test("merging it gives the weights of merge_and_unload", async () => {
  const { base, adapter, expected } = await open();
  const merged = await mergeAdapter(base.weights, adapter);
  const names = [...expected.tensors.keys()].filter((name) => name.startsWith("merged."));
  expect(names).toHaveLength(adapter.size);
  for (const name of names) {
    const found = await readWeight(merged[name.slice("merged.".length)]!);
    expect(gap(found, await readTensor(expected, name)), name).toBeLessThan(1e-6);
  }
});

test("`loragen merge` writes that model, refuses to merge into it again, and `loragen unmerge` gives the base back", async () => {
  const [base, adapter] = [join(fixture, "base"), join(fixture, "adapter")];
  const [out, again, restored] = ["merged", "again", "restored"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const merge = await loragenHere(["merge", "--adapter", adapter, "--base", base, "--out", out, "--json"]);
  expect(merge.status, merge.stderr).toBe(0);
  const { expected } = await open();
  const model = await openModel(out);
  const wanted = await readTensor(expected, "merged.model.layers.1.mlp.up_proj.weight");
  expect(gap(await readWeight(model.weights["model.layers.1.mlp.up_proj.weight"]!), wanted)).toBeLessThan(1e-6);
  const twice = await loragenHere(["merge", "--adapter", adapter, "--base", out, "--out", again]);
  expect(twice.status).toBe(1);
  expect(twice.stderr).toMatch(/error E_MISMATCH: .*merged into this model already/);
  const undo = await loragenHere(["unmerge", "--model", out, "--base", base, "--out", restored]);
  expect(undo.status, undo.stderr).toBe(0);
  expect((await openModel(restored)).sha256).toBe((await openModel(base)).sha256);
  const wrong = await loragenHere(["unmerge", "--model", base, "--base", base, "--out", again]);
  expect(wrong.stderr).toMatch(/error E_MISMATCH: .*nothing is merged into this model/);
});
