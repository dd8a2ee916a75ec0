/** @file ONNX directories: every architecture gives its logits again, inside and beside the file, in every type. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as ort from "onnxruntime-web/wasm";
import { afterAll, expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { openModel } from "../models/model-file.ts";
import { quantizations } from "../models/quantized/layout.ts";
import { quantizeModel } from "../models/quantized/quantize-model.ts";
import { openOnnxFile } from "../runtime/onnx-file.ts";
import { reloadOnnx } from "./onnx.ts";
import { type OnnxModelOptions, writeOnnxModel } from "./onnx-model.ts";
import { reloadModel } from "./reload.ts";

const fixtures = resolve(import.meta.dirname, "../../test/fixtures/models");
const root = mkdtempSync(join(tmpdir(), "onnx-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

type Reloadable = Parameters<typeof reloadModel>[0];

/** The largest difference between a model's logits and those of the file it became, as a share of the largest logit. */
async function difference(model: Reloadable, ids: readonly number[], options: OnnxModelOptions = {}): Promise<number> {
  const folder = mkdtempSync(join(root, "model-"));
  await writeOnnxModel(folder, "model.onnx", model, options);
  await using wanted = await reloadModel(model);
  await using found = await reloadOnnx(join(folder, "model.onnx"), model.config);
  const [rows, others] = [await wanted.logits(ids), await found.logits(ids)];
  expect(others.length).toBe(rows.length);
  const largest = rows.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  return rows.reduce((gap, value, i) => Math.max(gap, Math.abs(value - others[i]!)), 0) / largest;
}

const idsUpTo = (vocab: number, length: number) => Array.from({ length }, (_, i) => (i * 37 + 5) % vocab);

test.each(readdirSync(fixtures))("%s gives its logits again, beyond its window too", async (name) => {
  const model = await openModel(join(fixtures, name));
  for (const length of [1, 2, 17, 90])
    expect(await difference(model, idsUpTo(model.config.vocab, length))).toBeLessThan(1e-5);
});

test("heads of a size that the fused attention does not take give their logits again", async () => {
  for (const headDim of [2, 12, 100])
    expect(await difference(randomLlama({ headDim }), idsUpTo(50, 17)), `heads of ${headDim}`).toBeLessThan(1e-5);
});

test("weights beside the file, in several files, are the same weights", async () => {
  const model = randomLlama();
  expect(await difference(model, idsUpTo(50, 17), { fileBytes: 8192 })).toBeLessThan(1e-5);
  const folder = mkdtempSync(join(root, "beside-"));
  const files = await writeOnnxModel(folder, "model.onnx", model, { fileBytes: 8192 });
  expect(files).toBeGreaterThan(2);
  expect(readdirSync(folder).length).toBe(files + 1);
  expect(existsSync(join(folder, `model.onnx_data_${files - 1}`))).toBe(true);
});

test("fp16 halves the file and costs about its rounding", async () => {
  const model = randomLlama({ vocab: 500, hidden: 64, ffn: 192, headDim: 16 });
  const gap = await difference(model, idsUpTo(500, 17), { isHalf: true });
  expect(gap).toBeGreaterThan(0);
  expect(gap).toBeLessThan(5e-3);
  const bytes = async (isHalf: boolean) => {
    const folder = mkdtempSync(join(root, "half-"));
    await writeOnnxModel(folder, "model.onnx", model, { isHalf });
    return statSync(join(folder, "model.onnx")).size;
  };
  expect((await bytes(true)) / (await bytes(false))).toBeLessThan(0.6);
});

test("a quantised model is written as it is", async () => {
  const model = await quantizeModel(randomLlama({ hidden: 64, ffn: 96, headDim: 16 }), quantizations.int8);
  expect(await difference(model, idsUpTo(50, 17))).toBeLessThan(1e-5);
});

test("onnxruntime-web runs the file, its cache empty at first", async () => {
  const model = randomLlama();
  const folder = mkdtempSync(join(root, "web-"));
  await writeOnnxModel(folder, "model.onnx", model);
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(readFileSync(join(folder, "model.onnx")));
  const ids = idsUpTo(50, 9);
  const { kvHeads, headDim, vocab } = model.config;
  const ints = (values: readonly number[]) => new ort.Tensor("int64", values.map(BigInt), [1, values.length]);
  const empty = new ort.Tensor("float32", new Float32Array(0), [1, kvHeads, 0, headDim]);
  const past = [0, 1].flatMap((i) => ["key", "value"].map((side) => [`past_key_values.${i}.${side}`, empty]));
  const fed = {
    ...Object.fromEntries(past),
    input_ids: ints(ids),
    position_ids: ints(ids.map((_, i) => i)),
    attention_mask: ints(ids.map(() => 1)),
  };
  const found = (await session.run(fed))["logits"]!;
  await session.release();
  await using wanted = await reloadModel(model);
  const rows = await wanted.logits(ids);
  expect(found.dims).toEqual([1, ids.length, vocab]);
  const gaps = rows.map((value, i) => Math.abs(value - (found.data as Float32Array)[i]!));
  expect(Math.max(...gaps)).toBeLessThan(1e-4);
});

test("inputs and outputs have the names that transformers.js feeds and reads", async () => {
  const folder = mkdtempSync(join(root, "names-"));
  await writeOnnxModel(folder, "model.onnx", randomLlama());
  await using session = await openOnnxFile(join(folder, "model.onnx"));
  const cache = (side: string) => [0, 1].flatMap((i) => [`${side}.${i}.key`, `${side}.${i}.value`]);
  expect([...session.inputNames].sort()).toEqual(
    ["attention_mask", "input_ids", "position_ids", ...cache("past_key_values")].sort(),
  );
  expect([...session.outputNames].sort()).toEqual(["logits", ...cache("present")].sort());
});
