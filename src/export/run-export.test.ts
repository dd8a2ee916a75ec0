/** @file Exports: verified before they get their name; what is wrong leaves nothing behind. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { missingLlamaCpp, startLlamaCpp } from "../../test/support/llama-cpp.ts";
import { randomAdapter } from "../../test/support/random-adapter.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { writeSmallTokenizer } from "../../test/support/small-tokenizer.ts";
import { labelsSpec } from "../constraint/spec.ts";
import { openGguf } from "../files/gguf/read.ts";
import { openSafetensors } from "../files/safetensors.ts";
import type { Adapter, LowRank } from "../lora/low-rank.ts";
import { readPeft } from "../lora/peft-format.ts";
import type { ModelConfig } from "../models/config.ts";
import type { Model } from "../models/model.ts";
import { openModel, saveModel, type WeightDtype } from "../models/model-file.ts";
import { parameterShapes } from "../models/parameters.ts";
import { quantizeDirectory } from "../models/quantized/directory-file.ts";
import { type Quantization, quantizations } from "../models/quantized/layout.ts";
import { readMergeRecord, saveMergedModel } from "../models/save-merged.ts";
import { readWeight } from "../runtime/read-weight.ts";
import type { ExportFormat } from "./format.ts";
import { exportFormats } from "./formats.ts";
import { mergedDirectory } from "./merged.ts";
import { type ExportRequest, runExport } from "./run-export.ts";

const folder = mkdtempSync(join(tmpdir(), "export-"));
afterAll(() => rmSync(folder, { recursive: true }));
const tokenizerDirectory = join(folder, "tokenizer");

async function writeModel(
  name: string,
  changes: Partial<ModelConfig> = {},
  dtype: WeightDtype = "F32",
): Promise<Model> {
  const { config, weights } = randomLlama({ vocab: 275, ...changes });
  const names = Object.keys(weights).filter((weight) => !weight.startsWith("rope."));
  const values = new Map(names.map((weight) => [weight, (weights[weight] as { data: Float32Array }).data]));
  await saveModel(join(folder, name), config, values, { dtype });
  return openModel(join(folder, name));
}

let base: Model;
let llamaCpp: Awaited<ReturnType<typeof startLlamaCpp>> | undefined;
beforeAll(async () => {
  writeSmallTokenizer(tokenizerDirectory);
  base = await writeModel("base");
  if (missingLlamaCpp() === undefined) llamaCpp = await startLlamaCpp();
});
afterAll(() => llamaCpp?.dispose());

const request = (out: string, changes: Partial<ExportRequest> = {}): ExportRequest => ({
  out: join(folder, out),
  base,
  adapter: randomAdapter((changes.base ?? base).config),
  scale: 1,
  kind: "specialization",
  adapterSha256: "a".repeat(64),
  name: "test",
  baseName: "base",
  tokenizerDirectory,
  llamaCpp,
  ...changes,
});

test.each(Object.entries(exportFormats).filter(([name]) => name !== "onnx"))(
  "%s: every type is within the format's tolerance, and the files are there",
  async (name, format: ExportFormat) => {
    for (const type of format.types) {
      const result = await runExport(format, request(`${name}-${type}`, { type }));
      expect(result.largestDifference).toBeLessThanOrEqual(result.tolerance * result.largestLogit);
      expect(result.largestDifference).toBeLessThan(1e-5 * result.largestLogit);
      if (type === "f32") expect(result.rounding).toBe(0);
      else expect(result.rounding).toBeGreaterThan(result.largestDifference); // what the type costs is told apart
      expect(result.positions).toBe(66);
      expect(result.files.map((file) => file.name)).toEqual((await readdir(result.out)).sort());
    }
  },
);

test("an export of a pair that leaves out the default system prompt has a chat template that does so too", async () => {
  const folderOfTemplate = join(folder, "tokenizer-with-template");
  writeSmallTokenizer(folderOfTemplate);
  const turns =
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
  const byDefault = "{% if messages[0].role != 'system' %}<|system|>be nice{% endif %}";
  const configPath = join(folderOfTemplate, "tokenizer_config.json");
  const config = JSON.parse(readFileSync(configPath, "utf8")) as object;
  writeFileSync(configPath, JSON.stringify({ ...config, chat_template: `${byDefault}${turns}` }));
  const wanted = `${byDefault.replace("<|system|>be nice", "")}${turns}`;
  const exported = async (key: keyof typeof exportFormats, defaultSystem: "omit" | "keep", withBase = false) => {
    const layout = { kind: "chat-template", defaultSystem } as const;
    const changes = { layout, withBase, tokenizerDirectory: folderOfTemplate };
    const { out, template } = await runExport(
      exportFormats[key],
      request(`template-${key}-${defaultSystem}-${withBase}`, changes),
    );
    const text = (name: string) => readFileSync(join(out, name), "utf8");
    const inGguf = async (name: string) => (await openGguf(join(out, name))).metadata.get("tokenizer.chat_template");
    return { out, template, text, inGguf };
  };
  const merged = await exported("gguf-merged", "omit");
  expect(await merged.inGguf("model.gguf")).toMatchObject({ value: wanted });
  expect([merged.template, await readdir(merged.out)]).toEqual(["field", ["model.gguf"]]);
  const adapter = await exported("gguf", "omit", true);
  expect([adapter.template, adapter.text("chat_template.jinja")]).toEqual(["file", wanted]);
  expect(await adapter.inGguf("base.gguf")).toMatchObject({ value: wanted });
  const directory = await exported("merged", "omit");
  expect(directory.text("chat_template.jinja")).toBe(wanted);
  expect(JSON.parse(directory.text("tokenizer_config.json"))).toMatchObject({ chat_template: wanted, ...config });
  expect((await exported("peft", "omit")).text("chat_template.jinja")).toBe(wanted);
  const kept = await exported("gguf-merged", "keep");
  expect([kept.template, await kept.inGguf("model.gguf")]).toMatchObject([
    undefined,
    { value: `${byDefault}${turns}` },
  ]);
});

test("the constraint of a specialisation's answers goes with its export: GBNF for llama.cpp, a JSON schema for the others", async () => {
  const constraint = labelsSpec(["card lost", 'say "hi"', "日本"]);
  for (const key of ["gguf", "peft"] as const) {
    const { out, files } = await runExport(exportFormats[key], request(`constraint-${key}`, { constraint }));
    const name = key === "gguf" ? "constraint.gbnf" : "constraint.schema.json";
    expect(files.map((file) => file.name)).toContain(name);
    const text = readFileSync(join(out, name), "utf8");
    if (key === "gguf") expect(text).toBe('root ::= ("card lost" | "say \\x22hi\\x22" | "\\u65E5\\u672C")\n');
    else expect(JSON.parse(text)).toEqual({ type: "string", enum: ["card lost", 'say "hi"', "日本"] });
  }
});

test("onnx: every type gives the logits of the rounded weights", async () => {
  for (const type of exportFormats.onnx.types) {
    const { largestDifference, largestLogit, rounding } = await runExport(
      exportFormats.onnx,
      request(`onnx-${type}`, { type }),
    );
    expect(largestDifference).toBeLessThan(1e-5 * largestLogit);
    expect(rounding > 0).toBe(type !== "f32");
  }
});

test("weights in place of the base model's are written and verified by formats of merged weights; formats of adapters, and a strength, are refused", async () => {
  const name = "model.norm.weight";
  const whole = new Map([[name, new Float32Array(base.config.hidden).fill(0.75)]]);
  for (const key of ["merged", "gguf-merged", "onnx"] as const) {
    const result = await runExport(exportFormats[key], request(`whole-${key}`, { whole, adapter: new Map() }));
    expect(result.largestDifference).toBeLessThan(1e-5 * result.largestLogit);
  }
  const { weights } = await openModel(join(folder, "whole-merged"));
  expect(await readWeight(weights[name]!)).toEqual(whole.get(name));
  for (const key of ["peft", "gguf"] as const)
    await expect(runExport(exportFormats[key], request("whole-no", { whole }))).rejects.toMatchObject({
      code: "E_CONFIG",
      message: expect.stringContaining(`${name}: the adapter is more there`) as unknown,
    });
  await expect(runExport(mergedDirectory, request("whole-no", { whole, scale: 0.5 }))).rejects.toMatchObject({
    code: "E_USAGE",
  });
});

test("a merge keeps types, config and tokenizer, and records what it is", async () => {
  const half = await writeModel("half", {}, "F16");
  const path = join(half.directory, "config.json");
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), something_else: [1] }));
  const { out, type } = await runExport(mergedDirectory, request("half-merged", { base: half, scale: 0.5 }));
  expect(type).toBe("f16");
  const { tensors } = await openSafetensors(join(out, "model.safetensors"));
  expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(["F16"]));
  const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
  expect(config).toMatchObject({ something_else: [1], torch_dtype: "float16" });
  expect(readFileSync(join(out, "tokenizer.json"))).toEqual(readFileSync(join(tokenizerDirectory, "tokenizer.json")));
  expect(await readMergeRecord(out)).toEqual({
    base_sha256: half.sha256,
    kind: "specialization",
    adapter_sha256: "a".repeat(64),
    scale: 0.5,
  });
});

test("the type of what is written is in every place of the configuration where the base model has one", async () => {
  const directory = join(folder, "dtypes");
  cpSync("test/fixtures/models/llama-bf16", directory, { recursive: true });
  const path = join(directory, "config.json");
  const json = JSON.parse(readFileSync(path, "utf8"));
  expect(json).toMatchObject({ dtype: "bfloat16" });
  const nested = { dtype: "bfloat16", torch_dtype: "bfloat16", depth: 1 };
  writeFileSync(path, JSON.stringify({ ...json, text_config: nested }));
  const half = await openModel(directory);
  for (const [type, name] of [
    ["f32", "float32"],
    [undefined, "bfloat16"],
  ] as const) {
    const { out } = await runExport(mergedDirectory, request(`dtypes-${name}`, { base: half, type }));
    const written = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect(written).toMatchObject({ dtype: name, torch_dtype: name });
    expect(written.text_config).toEqual({ dtype: name, torch_dtype: name, depth: 1 });
  }
});

test("weights are divided among files by size, and read back the same", async () => {
  const record = { base_sha256: base.sha256, kind: "peft", adapter_sha256: "b".repeat(64), scale: 1 } as const;
  const out = join(folder, "sharded");
  await saveMergedModel(out, base, base.weights, { record, shardBytes: 40_000 });
  const files = (await readdir(out)).filter((name) => name.endsWith(".safetensors"));
  expect(files.length).toBeGreaterThan(2);
  expect(files[0]).toBe(`model-00001-of-0000${files.length}.safetensors`);
  const index = JSON.parse(readFileSync(join(out, "model.safetensors.index.json"), "utf8"));
  expect(index.metadata.total_size).toBe(4 * base.parameterCount);
  const read = await openModel(out);
  for (const name of Object.keys(index.weight_map))
    expect(await readWeight(read.weights[name]!)).toEqual(await readWeight(base.weights[name]!));
});

test("merging into the result of a merge is refused, as directory and as GGUF", async () => {
  const merged = await runExport(mergedDirectory, request("once"));
  const gguf = await runExport(exportFormats["gguf-merged"], request("once-gguf", { type: "f32" }));
  for (const directory of [merged.out, join(gguf.out, "model.gguf")])
    for (const format of Object.values(exportFormats))
      await expect(runExport(format, request("twice", { base: await openModel(directory) }))).rejects.toMatchObject({
        code: "E_MISMATCH",
        message: expect.stringContaining("merged into this model already") as unknown,
      });
  expect((await openGguf(join(gguf.out, "model.gguf"))).metadata.has("lora_gen.merge")).toBe(true);
});

test("a merge that changes nothing is an error: at strength 0, with an empty adapter, and where the type rounds it away", async () => {
  const refuse = (changes: Partial<ExportRequest>) =>
    expect(runExport(mergedDirectory, request("nothing", changes))).rejects.toMatchObject({
      code: "E_MISMATCH",
      message: expect.stringMatching(/changes no weight/) as unknown,
    });
  await refuse({ scale: 0 });
  await refuse({ adapter: new Map() });
  await refuse({
    adapter: randomAdapter(base.config, { strength: 1e-9 }),
    type: "f16",
    base: await writeModel("h", {}, "F16"),
  });
  expect(await readdir(folder)).not.toContain("nothing");
});

test("a merge that q8_0 rounds away is an error; in f32 it is a change", async () => {
  const wide = await writeModel("wide", { hidden: 64, ffn: 96 });
  const slight = { base: wide, scale: 1e-7 };
  const refused = runExport(exportFormats["gguf-merged"], request("slight-q8", { ...slight, type: "q8_0" }));
  await expect(refused).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: expect.stringMatching(/changes no weight: expected an adapter that does in q8_0/) as unknown,
  });
  expect((await runExport(exportFormats["gguf-merged"], request("slight-f32", { ...slight, type: "f32" }))).rank).toBe(
    4,
  );
});

test("the check is of the writing: one weight next to where it should be is found, in every type", async () => {
  const wide = await writeModel("wider", { hidden: 64, ffn: 96 });
  for (const [name, type] of [
    ["merged", "f16"],
    ["merged", "bf16"],
    ["gguf-merged", "q8_0"],
  ] as const) {
    const right: ExportFormat = exportFormats[name];
    const wrong: ExportFormat = {
      ...right,
      write(context) {
        const [weight] = context.adapter.keys();
        const source = context.merged.weights[weight!] as { readonly data: Float32Array };
        const data = source.data.slice();
        data.set([data[1]!, data[0]!]); // two values have changed places
        const weights = { ...context.merged.weights, [weight!]: { kind: "data", data } as const };
        return right.write({ ...context, merged: { ...context.merged, weights } });
      },
    };
    expect((await runExport(right, request(`right-${type}`, { base: wide, type }))).type).toBe(type);
    await expect(runExport(wrong, request(`swapped-${type}`, { base: wide, type }))).rejects.toMatchObject({
      message: expect.stringContaining(`other logits than the merged model rounded to ${type}`) as unknown,
    });
  }
});

test("what PEFT trained is merged in f16 and in bf16", async () => {
  const [directory, baseDirectory] = ["test/fixtures/peft/adapter", "test/fixtures/peft/base"];
  const trained = await openModel(baseDirectory);
  const adapter = await readPeft(directory, parameterShapes(trained.config));
  for (const type of ["f16", "bf16"] as const) {
    const { largestDifference, rounding } = await runExport(
      mergedDirectory,
      request(`trained-${type}`, { base: trained, adapter, type }),
    );
    expect(largestDifference).toBe(0);
    expect(rounding).toBeGreaterThan(0);
  }
});

test("an architecture the tool does not have is refused, naming those it has", async () => {
  const opt = await writeModel("opt", { modelType: "opt", kvHeads: 4, tied: true, biased: [] });
  for (const name of ["gguf", "gguf-merged"] as const)
    await expect(runExport(exportFormats[name], request("opt-out", { base: opt }))).rejects.toMatchObject({
      code: "E_ARCHITECTURE",
      message:
        "llama.cpp does not support opt; it supports: llama, mistral, qwen2, qwen3, gemma, gemma2, gemma3_text, granite, smollm3, phi3, lfm2",
    });
  expect((await runExport(exportFormats.peft, request("opt-peft", { base: opt }))).rank).toBe(4);
});

test("an export whose logits differ leaves nothing", async () => {
  const wrong: ExportFormat = {
    ...mergedDirectory,
    write: (context) =>
      mergedDirectory.write({ ...context, merged: { ...context.merged, weights: context.base.weights } }),
  };
  await expect(runExport(wrong, request("wrong"))).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: expect.stringMatching(/gives other logits than the merged model: they differ by up to \d/) as unknown,
  });
  expect((await readdir(folder)).filter((name) => name.includes("wrong"))).toEqual([]);
});

test("one NaN in what was written is a difference", async () => {
  const notANumber: ExportFormat = {
    ...mergedDirectory,
    async reload(context) {
      const right = await mergedDirectory.reload(context);
      const logits = async (ids: readonly number[]) => (await right.logits(ids)).fill(Number.NaN, 5, 6);
      return { ...right, logits };
    },
  };
  await expect(runExport(notANumber, request("nan"))).rejects.toMatchObject({ code: "E_MISMATCH" });
});

test("a folder with files in it is left alone; an empty one is used; an interruption leaves nothing", async () => {
  await mkdir(join(folder, "filled"));
  await writeFile(join(folder, "filled", "mine.txt"), "mine");
  await expect(runExport(exportFormats.peft, request("filled"))).rejects.toMatchObject({ code: "E_USAGE" });
  expect(await readdir(join(folder, "filled"))).toEqual(["mine.txt"]);
  await mkdir(join(folder, "empty"));
  await runExport(exportFormats.peft, request("empty"));
  expect(await readdir(join(folder, "empty"))).toHaveLength(2);
  const controller = new AbortController();
  const stop = { signal: controller.signal, onStep: (step: string) => step === "write" && controller.abort() };
  const stopped = runExport(exportFormats.peft, request("stopped", stop as Partial<ExportRequest>));
  await expect(stopped).rejects.toMatchObject({ code: "E_INTERRUPTED" });
  expect((await readdir(folder)).filter((name) => name.includes("stopped"))).toEqual([]);
});

const adapterFormats = ["peft", "gguf"] as const;

async function writeQuantizedModel(name: string, quantization: Quantization): Promise<Model> {
  await quantizeDirectory(base.directory, join(folder, name), quantization);
  return openModel(join(folder, name));
}

test.each(Object.entries(quantizations))(
  "adapters of a model in %s are the very files of the model it was made from, verified beside its codes",
  async (name, quantization) => {
    const quantized = await writeQuantizedModel(`base-${name}`, quantization);
    for (const format of adapterFormats)
      for (const type of ["f32", "f16"] as const) {
        const dense = await runExport(exportFormats[format], request(`${format}-${type}-${name}-dense`, { type }));
        const changes = { type, base: quantized };
        const found = await runExport(exportFormats[format], request(`${format}-${type}-${name}`, changes));
        expect(found.files).toEqual(dense.files);
        for (const file of found.files)
          expect(readFileSync(join(found.out, file.name)).equals(readFileSync(join(dense.out, file.name)))).toBe(true);
        expect(found.largestDifference).toBe(0);
        expect(found.largestLogit).not.toBe(dense.largestLogit); // the codes' logits are compared
        expect(found.rounding > 0).toBe(type === "f16");
      }
  },
);

test("the check beside codes is of the writing: an adapter with one value next to where it should be is found", async () => {
  const quantized = await writeQuantizedModel("base-checked", quantizations.int8);
  const wrong: ExportFormat = {
    ...exportFormats.peft,
    write(context) {
      const [[name, change]] = [...context.adapter] as [[string, LowRank]];
      const b = change.b.slice();
      b.set([b[1]!, b[0]!]);
      return exportFormats.peft.write({ ...context, adapter: new Map(context.adapter).set(name, { ...change, b }) });
    },
  };
  await expect(runExport(wrong, request("swapped-beside", { base: quantized }))).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: expect.stringContaining("other logits than the quantised model with the adapter beside it") as unknown,
  });
});

test("an adapter that changes nothing is refused on codes too: at strength 0, empty, and where f16 rounds it away", async () => {
  const quantized = await writeQuantizedModel("base-unchanged", quantizations.int4);
  for (const changes of [
    { scale: 0 },
    { adapter: new Map() },
    { adapter: randomAdapter(base.config, { strength: 1e-9 }), type: "f16" as const },
  ])
    await expect(
      runExport(exportFormats.peft, request("nothing-beside", { ...changes, base: quantized })),
    ).rejects.toMatchObject({
      code: "E_MISMATCH",
      message: expect.stringContaining("changes no weight") as unknown,
    });
  expect((await readdir(folder)).filter((name) => name.includes("nothing-beside"))).toEqual([]);
});

test("formats that hold weights refuse quantised ones, naming what works instead; a GGUF adapter its base", async () => {
  const stored = await writeQuantizedModel("base-held", quantizations.int8);
  const opened = await openModel(base.directory, { quantize: quantizations.int8 });
  for (const quantized of [stored, opened]) {
    const refuse = (format: ExportFormat, changes: Partial<ExportRequest> = {}) =>
      expect(runExport(format, request("held", { ...changes, base: quantized }))).rejects.toMatchObject({
        code: "E_CONFIG",
        message: expect.stringMatching(
          /quantised to 8 bits.*format peft, or gguf without its base.*loragen merge --requantize.*the model that it was made from/,
        ) as unknown,
      });
    for (const name of ["merged", "gguf-merged", "onnx"] as const) await refuse(exportFormats[name]);
    await refuse(exportFormats.gguf, { withBase: true });
  }
  const inMemory = await runExport(exportFormats.peft, request("opened-in-8-bits", { base: opened }));
  expect(inMemory.largestDifference).toBe(0);
});

test("a type the format does not have is refused", async () => {
  const adapter: Adapter = randomAdapter(base.config);
  await expect(runExport(exportFormats.peft, request("type", { adapter, type: "q8_0" }))).rejects.toMatchObject({
    code: "E_USAGE",
    message: expect.stringContaining("f32, f16, found q8_0") as unknown,
  });
});
