/** @file Merges into quantised directories: what is written is the merge in memory, and the way back leads to the very base. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomAdapter } from "../../test/support/random-adapter.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { writeSmallTokenizer } from "../../test/support/small-tokenizer.ts";
import type { Model } from "../models/model.ts";
import { openModel, saveModel } from "../models/model-file.ts";
import { parameterShapes } from "../models/parameters.ts";
import { quantizeDirectory } from "../models/quantized/directory-file.ts";
import { type Quantization, quantizations } from "../models/quantized/layout.ts";
import { requantize } from "../models/quantized/requantize.ts";
import { readMergeRecord } from "../models/save-merged.ts";
import { exportFormats } from "./formats.ts";
import { mergeRequantized, type RequantizeRequest } from "./merge-requantized.ts";
import { runExport } from "./run-export.ts";
import { unmerge } from "./unmerge.ts";

const folder = mkdtempSync(join(tmpdir(), "requantized-"));
const at = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

const tables = "model.embed_tokens.weight.scales";

let dense: Model;
beforeAll(async () => {
  writeSmallTokenizer(at("tokenizer"));
  const { config, weights } = randomLlama({ vocab: 275 });
  const names = [...parameterShapes(config).keys()];
  await saveModel(at("dense"), config, new Map(names.map((n) => [n, (weights[n] as { data: Float32Array }).data])));
  dense = await openModel(at("dense"));
});

async function quantized(name: string, quantization: Quantization): Promise<Model> {
  await quantizeDirectory(dense.directory, at(name), quantization);
  return openModel(at(name));
}

const request = (base: Model, out: string, changes: Partial<RequantizeRequest> = {}): RequantizeRequest => ({
  out: at(out),
  base,
  adapter: randomAdapter(base.config),
  scale: 1,
  kind: "specialization",
  adapterSha256: "a".repeat(64),
  tokenizerDirectory: at("tokenizer"),
  ...changes,
});

const leftOf = (name: string) => readdirSync(folder).filter((found) => found.includes(name));

test.each(Object.entries(quantizations))("%s: what is written is the merge in memory", async (name, quantization) => {
  const base = await quantized(`base ${name}`, quantization);
  const result = await mergeRequantized(request(base, `merged ${name}`));
  expect(result).toMatchObject({ quantization, rank: 4, scale: 1, largestDifference: 0, positions: 66 });
  expect(result.arrived).toBeGreaterThan(0.9);
  expect(result.arrived).toBeLessThan(1.1);
  expect([result.effect.tokens, result.change.tokens]).toEqual([66, 66]);
  expect(result.effect.mean).toBeGreaterThan(result.change.mean);
  expect(result.change.mean).toBeGreaterThan(0);
  expect(result.change.largest).toBeLessThan(result.largestLogit);
  expect(result.files.map((file) => file.name)).toEqual(readdirSync(result.out).sort());
  const opened = await openModel(result.out);
  expect(opened.quantization).toEqual(base.quantization);
  const expected = await requantize({ ...base, adapter: randomAdapter(base.config) });
  let compared = 0;
  for (const [weight, source] of Object.entries(expected.weights)) {
    const found = opened.weights[weight]!;
    if (source.kind !== "data" || found.kind !== "file") continue; // rotary tables, and what was not adapted
    compared++;
    const bytes = readFileSync(found.path).subarray(found.offset, found.offset + found.bytes);
    const { buffer, byteOffset, byteLength } = source.data;
    expect(bytes.equals(new Uint8Array(buffer, byteOffset, byteLength)), weight).toBe(true);
  }
  const perMap = quantization.symmetric ? 2 : 3; // codes, scales, zero points
  expect(compared).toBe(perMap * randomAdapter(base.config).size);
});

test("the result is a model of its own, as other merges are, and says what was merged into what", async () => {
  const base = await quantized("base identity", quantizations.int8);
  const { out } = await mergeRequantized(request(base, "identity", { scale: 0.5 }));
  const merged = await openModel(out);
  expect(base.sha256).toBe(dense.sha256);
  expect(merged.sha256).not.toBe(base.sha256);
  expect(merged.sha256).toBe(merged.weightsSha256);
  expect(await readMergeRecord(out)).toEqual({
    base_sha256: dense.sha256,
    base_weights_sha256: base.weightsSha256,
    kind: "specialization",
    adapter_sha256: "a".repeat(64),
    scale: 0.5,
  });
  expect(readFileSync(join(out, "tokenizer.json"))).toEqual(readFileSync(join(at("tokenizer"), "tokenizer.json")));
  const refused = { code: "E_MISMATCH", message: expect.stringContaining("merged into this model already") as unknown };
  await expect(mergeRequantized(request(merged, "twice"))).rejects.toMatchObject(refused);
  const again = runExport(exportFormats.peft, { ...request(merged, "twice"), name: "test", baseName: "base" });
  await expect(again).rejects.toMatchObject(refused);
});

test("unmerge gives back the quantised base, and takes neither the dense model nor other codes for it", async () => {
  const base = await quantized("base back", quantizations.int4);
  const { out } = await mergeRequantized(request(base, "back"));
  const { files } = await unmerge(out, base, at("restored"));
  expect(files.map(({ name }) => name).sort()).toEqual(readdirSync(base.directory).sort());
  for (const { name } of files)
    expect(readFileSync(join(at("restored"), name)).equals(readFileSync(join(base.directory, name))), name).toBe(true);
  const spelled = (found: RegExp) => ({
    code: "E_MISMATCH",
    message: expect.stringMatching(
      new RegExp(`merged into weights that are quantised, of sha256 ${base.weightsSha256}, but .* are ${found.source}`),
    ) as unknown,
  });
  await expect(unmerge(out, dense, at("not-back"))).rejects.toMatchObject(spelled(/unquantised/));
  const others = await quantized("other codes", quantizations.int8);
  await expect(unmerge(out, others, at("not-back"))).rejects.toMatchObject(spelled(/quantised, of sha256/));
  expect(leftOf("not-back")).toEqual([]);
});

test("a merge into a directory of version 2 keeps its tables, and unmerge gives that directory back", async () => {
  const { config, weights } = randomLlama({ vocab: 275, hidden: 64, heads: 2, kvHeads: 2 });
  const names = [...parameterShapes(config).keys()];
  await saveModel(at("wide"), config, new Map(names.map((n) => [n, (weights[n] as { data: Float32Array }).data])));
  await quantizeDirectory(at("wide"), at("version 2"), { ...quantizations.int4, tableBlockSize: 32 });
  const path = join(at("version 2"), "config.json");
  const json = JSON.parse(readFileSync(path, "utf8")) as { quantization_config: Record<string, unknown> };
  const { table_block_size: _, ...before } = json.quantization_config;
  writeFileSync(path, JSON.stringify({ ...json, quantization_config: { ...before, version: 2 } }));
  const base = await openModel(at("version 2"));
  const { out, quantization } = await mergeRequantized(request(base, "of version 2"));
  expect(quantization).toEqual({ bits: 4, symmetric: true, blockSize: 32, tableBlockSize: 32 });
  const merged = await openModel(out);
  expect(merged.quantization).toEqual(quantization);
  const bytesOf = ({ weights: { [tables]: source } }: Model) => {
    if (source?.kind !== "file") throw new Error("expected a mapped table");
    return readFileSync(source.path).subarray(source.offset, source.offset + source.bytes);
  };
  expect(bytesOf(merged).equals(bytesOf(base))).toBe(true);
  await unmerge(out, base, at("version 2 again"));
  expect(readFileSync(join(at("version 2 again"), "config.json"))).toEqual(readFileSync(path));
});

test("a merge into dense weights is not undone with quantised ones", async () => {
  const base = await quantized("base dense", quantizations.int8);
  const named = { name: "test", baseName: "base" };
  const { out } = await runExport(exportFormats.merged, { ...request(dense, "merged dense"), ...named });
  await expect(unmerge(out, base, at("dense-back"))).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: expect.stringMatching(/weights that are unquantised, but this model's are quantised/) as unknown,
  });
});

test("an adapter that is nothing or lost in the rounding is refused: at strength 0, empty, and too slight for the codes", async () => {
  for (const [name, quantization] of Object.entries(quantizations)) {
    const base = await quantized(`base lost ${name}`, quantization);
    const nothing = `changes no weight: expected an adapter that does in ${quantization.bits} bits`;
    // At a thousandth no code moves, but the outermost value of a block moves its scale.
    const lost = `is lost in the rounding to ${name}: -?\\d(\\.\\d)? % of it arrives, expected at least 10 %`;
    for (const [changes, text] of [
      [{ scale: 0 }, nothing],
      [{ adapter: new Map() }, nothing],
      [{ scale: 1e-9 }, lost],
      [{ scale: 1e-3 }, lost],
    ] as const)
      await expect(mergeRequantized(request(base, "lost", changes))).rejects.toMatchObject({
        code: "E_MISMATCH",
        message: expect.stringMatching(new RegExp(text)) as unknown,
      });
  }
  expect(leftOf("lost").filter((name) => !name.startsWith("base"))).toEqual([]);
});

test("only a quantised directory is merged into this way", async () => {
  for (const base of [dense, await openModel(dense.directory, { quantize: quantizations.int8 })])
    await expect(mergeRequantized(request(base, "dense-out"))).rejects.toMatchObject({
      code: "E_USAGE",
      message: expect.stringContaining("a directory written by `loragen quantize`, found") as unknown,
    });
});

test("a folder with files in it is left alone, and an interruption leaves nothing", async () => {
  const base = await quantized("base stopped", quantizations.int8);
  await expect(mergeRequantized(request(base, "tokenizer"))).rejects.toMatchObject({ code: "E_USAGE" });
  for (const last of ["merge", "write", "verify"]) {
    const controller = new AbortController();
    const onStep = (step: string) => {
      if (step === last) controller.abort();
    };
    const stopped = mergeRequantized(request(base, "interrupted", { signal: controller.signal, onStep }));
    await expect(stopped).rejects.toMatchObject({ code: "E_INTERRUPTED" });
  }
  expect(leftOf("interrupted")).toEqual([]);
});
