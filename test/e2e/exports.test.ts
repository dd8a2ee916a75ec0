/** @file `export`, `merge`, `unmerge` and `combine` as a user runs them: what is written, printed and refused. */
import { mkdtempSync, rmSync } from "node:fs";
import { cp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { exportFormats } from "../../src/export/formats.ts";
import { exportTolerance } from "../../src/export/probes.ts";
import { openGguf } from "../../src/files/gguf/read.ts";
import { saveGgufModel } from "../../src/models/gguf/save.ts";
import { openModel } from "../../src/models/model-file.ts";
import { readMergeRecord } from "../../src/models/save-merged.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { writeGgufCopy } from "../support/gguf-copy.ts";
import { loragenHere } from "../support/loragen.ts";
import { writeTinyPair } from "../support/tiny-pair.ts";

const folder = mkdtempSync(join(tmpdir(), "loragen-exports-"));
const at = (name: string) => join(folder, name);
const pair = at("pair");
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(async () => {
  await writeTinyPair(pair, { context: 256 });
  await json(["specialize", "--pair", pair, "--prompt", "Say what it is about.", "--out", at("about")]);
  await json([
    "specialize",
    "--pair",
    pair,
    "--prompt",
    "Answer yes or no: is it a question?",
    "--out",
    at("question"),
  ]);
});

async function json(args: readonly string[]): Promise<unknown> {
  const { status, stdout, stderr } = await loragenHere([...args, "--json"]);
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}
const failing = async (args: readonly string[]) => {
  const { status, stdout, stderr } = await loragenHere(args);
  expect([status, stdout]).toEqual([1, ""]);
  return stderr;
};

const Exported = z.looseObject({
  out: z.string(),
  files: z.array(z.strictObject({ name: z.string(), bytes: z.int().min(1) })).min(1),
  type: z.string(),
  rank: z.literal(8),
  scale: z.number(),
  largestDifference: z.number().min(0),
  largestLogit: z.number().positive(),
  positions: z.literal(66),
  tolerance: z.number().positive(),
  ms: z.number().positive(),
});

test.each(Object.keys(exportFormats))(
  "export --format %s writes and verifies; a second time it is refused",
  async (format) => {
    const out = at(`out-${format}`);
    const args = ["export", "--pair", pair, "--specialization", at("about"), "--format", format, "--out", out];
    const result = Exported.extend({ format: z.literal(format) }).parse(await json([...args, "--scale", "0.5"]));
    expect(result.scale).toBe(0.5);
    expect(result.largestDifference).toBeLessThanOrEqual(result.tolerance * result.largestLogit);
    for (const { name, bytes } of result.files) expect((await stat(join(out, name))).size, name).toBe(bytes);
    expect(await failing(args)).toMatch(/error E_USAGE: .*expected a new or empty folder/);
  },
);

test("adapters call their base model by a name, not by where it lies", async () => {
  const args = ["export", "--pair", pair, "--specialization", at("about")];
  await json([...args, "--format", "peft", "--out", at("named-peft")]);
  await json([...args, "--format", "gguf", "--out", at("named-gguf")]);
  const config = JSON.parse(await readFile(join(at("named-peft"), "adapter_config.json"), "utf8")) as object;
  const { metadata } = await openGguf(join(at("named-gguf"), "adapter.gguf"));
  const named = [config["base_model_name_or_path" as never], metadata.get("general.base_model.0.name")?.value];
  expect(named).toEqual(["edge", "edge"]);
});

test("a GGUF adapter comes with its base model where asked; other formats refuse", async () => {
  const args = ["export", "--pair", pair, "--specialization", at("about"), "--with-base"];
  const { files } = Exported.parse(await json([...args, "--format", "gguf", "--out", at("with-base")]));
  expect(files.map(({ name }) => name)).toEqual(["adapter.gguf", "base.gguf"]);
  const [base, original] = [await openModel(join(at("with-base"), "base.gguf")), await openModel(join(pair, "edge"))];
  expect(base.config).toEqual(original.config);
  expect(await failing([...args, "--format", "peft", "--out", at("none")])).toMatch(
    /E_USAGE: .*expected one that does: gguf/,
  );
});

test("export says in words what it wrote and how close it is", async () => {
  const out = at("words");
  const args = ["export", "--pair", pair, "--specialization", at("about"), "--format", "gguf", "--out", out];
  const { status, stdout } = await loragenHere(args);
  expect(status).toBe(0);
  expect(stdout).toMatch(/adapter\.gguf: .*kB\n/);
  expect(stdout).toMatch(/weights {2}f32, rank 8, strength 1\n/);
  expect(stdout).toMatch(/reloaded: logits differ by at most \S+ over 66 positions; allowed/);
});

test("the help of export names the tolerance that every export is held to", async () => {
  const { stdout } = await loragenHere(["export", "--help"]);
  expect(stdout).toContain(
    `differ by more than ${exportTolerance} of the largest logit, in any format, nothing is left`,
  );
});

test("merge, and unmerge back to the very files of the base model", async () => {
  const args = ["merge", "--pair", pair, "--specialization", at("about")];
  await json([...args, "--out", at("merged")]);
  const [base, merged] = [await openModel(join(pair, "edge")), await openModel(at("merged"))];
  expect(merged.sha256).not.toBe(base.sha256);
  expect(JSON.parse(await readFile(join(at("merged"), "config.json"), "utf8"))).toMatchObject({
    lora_gen_merge: { base_sha256: base.sha256, kind: "specialization", scale: 1 },
  });
  expect((await json(["inspect", at("merged")])) as object).toMatchObject({
    merge: { base_sha256: base.sha256, scale: 1 },
  });
  expect(await readdir(at("merged"))).toContain("tokenizer.json");
  await json(["unmerge", "--model", at("merged"), "--pair", pair, "--out", at("restored")]);
  for (const name of await readdir(join(pair, "edge")))
    expect((await readFile(join(at("restored"), name))).equals(await readFile(join(pair, "edge", name))), name).toBe(
      true,
    );
  const wrongBase = ["unmerge", "--model", at("merged"), "--base", join(pair, "cloud"), "--out", at("none")];
  expect(await failing(wrongBase)).toMatch(/error E_MISMATCH: .*merged into a base model of sha256/);
  expect(await failing([...args, "--scale", "0", "--out", at("none")])).toMatch(
    /error E_MISMATCH: .*changes no weight/,
  );
  expect(await readdir(folder)).not.toContain("none");
});

test("an exported PEFT adapter merges to the model that the specialisation merges to", async () => {
  await json(["export", "--pair", pair, "--specialization", at("about"), "--format", "peft", "--out", at("peft")]);
  await json(["merge", "--adapter", at("peft"), "--base", join(pair, "edge"), "--out", at("by-adapter")]);
  await json(["merge", "--pair", pair, "--specialization", at("about"), "--out", at("by-gates")]);
  expect((await openModel(at("by-adapter"))).sha256).toBe((await openModel(at("by-gates"))).sha256);
  const wrong = ["merge", "--adapter", at("peft"), "--base", at("by-gates"), "--out", at("none")];
  expect(await failing(wrong)).toMatch(/error E_MISMATCH: .*merged into this model already/);
});

test("a merge into a GGUF file has its tokenizer; one into a file without one has none, and says so", async () => {
  const tokenizer = join(pair, "tokenizer");
  await writeGgufCopy(at("base.gguf"), join(pair, "edge"));
  await writeGgufCopy(at("whole.gguf"), join(pair, "edge"), { tokenizer });
  await json(["export", "--pair", pair, "--specialization", at("about"), "--format", "peft", "--out", at("peft-only")]);
  const args = ["merge", "--adapter", at("peft-only"), "--base", at("base.gguf")];
  expect(await json([...args, "--out", at("of-gguf")])).toMatchObject({ hasTokenizer: false });
  expect(await readdir(at("of-gguf"))).not.toContain("tokenizer.json");
  const { stdout } = await loragenHere([...args, "--out", at("of-gguf-2")]);
  expect(stdout).toMatch(/^missing {2}tokenizer\.json: \S+base\.gguf has none; copy /m);
  const whole = ["merge", "--adapter", at("peft-only"), "--base", at("whole.gguf"), "--out", at("of-whole")];
  expect(await json(whole)).toMatchObject({ hasTokenizer: true });
  const [before, after] = [await loadTokenizer(tokenizer), await loadTokenizer(at("of-whole"))];
  const text = "<s> 24 naïve cats, 日本語\n\n😀";
  expect(after.encode(text, { addSpecial: true })).toEqual(before.encode(text, { addSpecial: true }));
  expect(after).toMatchObject({ bosId: before.bosId, eosId: before.eosId, vocabSize: before.vocabSize });
  const pairs = ["merge", "--pair", pair, "--specialization", at("about"), "--out", at("with-tokenizer")];
  expect(await json(pairs)).toMatchObject({ hasTokenizer: true });
});

test("a pair whose edge model is a GGUF file specialises, answers and exports", async () => {
  const gguf = at("gguf-pair");
  await writeTinyPair(gguf, { context: 256 });
  const edge = await openModel(join(gguf, "edge"));
  await saveGgufModel(join(gguf, "edge.gguf"), edge, { type: "F32" });
  const file = JSON.parse(await readFile(join(gguf, "pair.json"), "utf8"));
  await writeFile(join(gguf, "pair.json"), JSON.stringify({ ...file, edge: "edge.gguf" }));
  expect(await json(["inspect", gguf])).toMatchObject({
    edge: { sha256: (await openModel(join(gguf, "edge.gguf"))).sha256, dtypes: { F32: edge.parameterCount } },
  });
  await json(["specialize", "--pair", gguf, "--prompt", "Say what it is about.", "--out", at("gguf-about")]);
  const ask = (where: string, specialization: string) =>
    json(["run", "--pair", where, "--specialization", at(specialization), "--input", "hello", "--max-tokens", "6"]);
  expect(await ask(gguf, "gguf-about")).toMatchObject({ text: ((await ask(pair, "about")) as { text: string }).text });
  for (const format of ["peft", "gguf-merged", "merged"])
    await json([
      "export",
      "--pair",
      gguf,
      "--specialization",
      at("gguf-about"),
      "--format",
      format,
      "--out",
      at(`gguf-${format}`),
    ]);
});

/** The pair with its edge model replaced by another folder. */
async function pairWithEdge(name: string, edge: string): Promise<string> {
  await cp(pair, at(name), { recursive: true });
  await rm(join(at(name), "edge"), { recursive: true });
  await cp(edge, join(at(name), "edge"), { recursive: true });
  return at(name);
}

test("a pair whose edge model is quantised exports adapters; formats that hold weights say what works instead", async () => {
  await json(["quantize", "--model", join(pair, "edge"), "--bits", "8", "--out", at("edge-int8")]);
  const quantized = await pairWithEdge("int8-pair", at("edge-int8"));
  const args = ["export", "--pair", quantized, "--specialization", at("about")];
  for (const format of ["peft", "gguf"]) {
    const out = at(`int8-${format}`);
    const result = Exported.parse(await json([...args, "--format", format, "--out", out]));
    expect(result.largestDifference).toBeLessThanOrEqual(result.tolerance * result.largestLogit);
  }
  const { stdout } = await loragenHere([...args, "--format", "peft", "--base-name", "me/edge", "--out", at("named")]);
  expect(stdout).toMatch(
    /^base {5}me\/edge, quantised to 8 bits; the adapter fits the model it was made from, of sha256/m,
  );
  for (const rest of [["merged"], ["gguf-merged"], ["onnx"], ["gguf", "--with-base"]])
    expect(await failing([...args, "--out", at("held"), "--format", ...rest])).toMatch(
      /E_CONFIG: .*format peft, or gguf without its base.*loragen merge --requantize/,
    );
  const plainMerge = ["merge", "--pair", quantized, "--specialization", at("about"), "--out", at("held")];
  expect(await failing(plainMerge)).toMatch(/E_CONFIG: .*loragen merge --requantize/);
  expect(await readdir(folder)).not.toContain("held");
});

const Change = z.strictObject({
  tokens: z.literal(66),
  largest: z.number().positive(),
  mean: z.number().positive(),
  agreement: z.number().min(0).max(1),
});
const Requantized = Exported.omit({ type: true }).extend({
  quantization: z.strictObject({
    bits: z.literal(4),
    symmetric: z.literal(false),
    blockSize: z.literal(64),
    tableBlockSize: z.int(),
  }),
  arrived: z.number().min(0.5).max(1.5),
  effect: Change,
  change: Change,
  hasTokenizer: z.literal(true),
});

test("merge --requantize writes a quantised model that answers, is not merged into again, and gives its base back", async () => {
  const flags = ["--bits", "4", "--asymmetric", "--block", "64"];
  await json(["quantize", "--model", join(pair, "edge"), ...flags, "--out", at("edge-int4")]);
  const quantized = await pairWithEdge("int4-pair", at("edge-int4"));
  const args = ["merge", "--pair", quantized, "--specialization", at("about"), "--requantize"];
  Requantized.parse(await json([...args, "--out", at("requantized")]));
  const { stdout } = await loragenHere([...args, "--out", at("requantized-2")]);
  expect(stdout).toMatch(/^adapter {2}beside the base model: logits move by \d/m);
  expect(stdout).toMatch(/^change {3}merged and quantised again: logits move by \d/m);
  expect(stdout).toMatch(/^ {9}\d+\.\d % of the adapter arrived$/m);
  expect(stdout).toMatch(/^weights {2}layers to int4 in blocks of 64, .*, with zero points; rank 8, strength 1$/m);
  expect(await failing([...args, "--out", at("requantized")])).toMatch(/E_USAGE: .*expected a new or empty folder/);

  const { base_sha256: model, base_weights_sha256: codes } = (await readMergeRecord(at("requantized")))!;
  expect((await loragenHere(["inspect", at("requantized")])).stdout).toMatch(
    new RegExp(
      `^merged +a specialisation at strength 1, sha256 [0-9a-f]{64}\\ninto model +${model}\\ninto codes +${codes}$`,
      "m",
    ),
  );

  const asEdge = await pairWithEdge("requantized-pair", at("requantized"));
  const run = ["run", "--input", "hello", "--max-tokens", "6", "--pair"];
  const specialized = [...run, quantized, "--specialization", at("about"), "--requantize"];
  expect(await json([...run, asEdge])).toMatchObject({ text: ((await json(specialized)) as { text: string }).text });
  expect(await failing([...run, asEdge, "--specialization", at("about")])).toMatch(/E_MISMATCH/);
  await json(["export", "--pair", quantized, "--specialization", at("about"), "--format", "peft", "--out", at("p4")]);
  const again = ["merge", "--adapter", at("p4"), "--base", at("requantized"), "--requantize", "--out", at("twice")];
  expect(await failing(again)).toMatch(/E_MISMATCH: .*merged into this model already/);

  await json(["unmerge", "--model", at("requantized"), "--base", at("edge-int4"), "--out", at("int4-again")]);
  expect((await openModel(at("int4-again"))).weightsSha256).toBe((await openModel(at("edge-int4"))).weightsSha256);
  const toDense = ["unmerge", "--model", at("requantized"), "--pair", pair, "--out", at("twice")];
  expect(await failing(toDense)).toMatch(
    /E_MISMATCH: .*merged into weights that are quantised, of sha256 .* unquantised/,
  );
  expect(await readdir(folder)).not.toContain("twice");
});

test("a PEFT adapter merges into a quantised folder to the weights that its specialisation merges to", async () => {
  await json(["quantize", "--model", join(pair, "edge"), "--bits", "8", "--out", at("edge-8")]);
  const quantized = await pairWithEdge("peft-8-pair", at("edge-8"));
  await json([
    "export",
    "--pair",
    quantized,
    "--specialization",
    at("about"),
    "--format",
    "peft",
    "--out",
    at("peft-8"),
  ]);
  const byAdapter = ["merge", "--adapter", at("peft-8"), "--base", at("edge-8"), "--requantize"];
  expect(await json([...byAdapter, "--out", at("by-adapter-8")])).toMatchObject({ hasTokenizer: false });
  await json([
    "merge",
    "--pair",
    quantized,
    "--specialization",
    at("about"),
    "--requantize",
    "--out",
    at("by-gates-8"),
  ]);
  expect((await openModel(at("by-adapter-8"))).sha256).toBe((await openModel(at("by-gates-8"))).sha256);
});

test("--requantize into a model that is not quantised is refused, and with --type", async () => {
  const args = ["merge", "--pair", pair, "--specialization", at("about"), "--requantize", "--out", at("dense")];
  expect(await failing(args)).toMatch(/E_USAGE: .*\(--requantize\) takes a directory written by `loragen quantize`/);
  expect(await failing([...args, "--type", "f16"])).toMatch(/E_USAGE: .*'--requantize' cannot be used with .*'--type/);
  expect(await readdir(folder)).not.toContain("dense");
});

test("combine writes a specialisation that runs, and reports interference", async () => {
  const out = at("combined");
  const args = ["combine", `${at("about")}:0.7`, `${at("question")}:0.3`, "--pair", pair, "--out", out];
  const Result = z.looseObject({
    parts: z.tuple([
      z.strictObject({ name: z.literal("about"), weight: z.literal(0.7) }),
      z.strictObject({ name: z.literal("question"), weight: z.literal(0.3) }),
    ]),
    gates: z.array(z.array(z.number()).length(4)).length(2),
    interference: z.tuple([
      z.strictObject({
        a: z.literal("about"),
        b: z.literal("question"),
        inCommon: z.array(z.int().min(0).max(2)).length(2),
        overlap: z.array(z.number().min(0).max(1)).length(2),
        meanOverlap: z.number().min(0).max(1),
      }),
    ]),
    effects: z
      .array(z.looseObject({ inputs: z.array(z.looseObject({ largestChange: z.number().min(0) })).length(2) }))
      .length(2),
  });
  const { gates } = Result.parse(await json([...args, "--input", "hello", "--input", "is it open"]));
  // Files keep gates in fp16, each off by 2^-11 of itself at most: so is their sum.
  for (const row of gates) expect(Math.abs(row.reduce((sum, gate) => sum + gate, 0) - 1)).toBeLessThan(2 ** -11);
  await json(["run", "--pair", pair, "--specialization", out, "--input", "hello", "--max-tokens", "4"]);
  const text = await loragenHere([...args, "--input", "hello"]);
  expect(text.stdout).toMatch(/about and question: .* experts in common, layer by layer; overlap of gates/);
  expect(text.stdout).toMatch(/alone → combined/);
});

test.each<[string, readonly string[], RegExp]>([
  ["export without a format", ["export", "--specialization", "x", "--out", "y"], /E_USAGE: export: expected --format/],
  [
    "an unknown format",
    ["export", "--format", "safetensor", "--out", "y"],
    /E_USAGE: .*Allowed choices are peft, gguf/,
  ],
  [
    "merge without anything",
    ["merge", "--out", "y"],
    /E_USAGE: merge: expected --specialization DIR, --adapter DIR or --expert FILE/,
  ],
  [
    "a base for a specialisation",
    ["merge", "--specialization", "x", "--base", "b", "--out", "y"],
    /E_USAGE: merge: --base goes with --adapter/,
  ],
  [
    "an adapter that is not there",
    ["merge", "--adapter", "nowhere", "--base", join(pair, "edge"), "--out", "y"],
    /E_NOT_FOUND/,
  ],
  ["combining one", ["combine", at("about"), "--pair", pair, "--out", "y"], /E_USAGE: combine: expected at least two/],
  ["a weight that is no number", ["combine", "a:b", "c:1", "--out", "y"], /E_USAGE: .*Expected PATH:WEIGHT/],
])("%s is refused", async (_, args, message) => {
  expect(await failing(args)).toMatch(message);
});

test("an adapter for another model is refused with every mismatch", async () => {
  await writeTinyPair(at("other"), { context: 256, generator: { targets: ["q", "down"] } });
  await writeTinyPair(at("larger"), { edge: { hidden: 256, ffn: 640, layers: 5, headDim: 64 } });
  await json(["specialize", "--pair", at("other"), "--prompt", "Say it.", "--out", at("other-spec")]);
  await json([
    "export",
    "--pair",
    at("other"),
    "--specialization",
    at("other-spec"),
    "--format",
    "peft",
    "--out",
    at("other-peft"),
  ]);
  const error = await failing([
    "merge",
    "--adapter",
    at("other-peft"),
    "--base",
    join(at("larger"), "edge"),
    "--out",
    at("none"),
  ]);
  expect(error).toMatch(/error E_MISMATCH: .*does not fit the base model, 14 mismatches:/);
  expect(error).toMatch(/layers\.4\.mlp\.down_proj: named as a target, but no tensor belongs to it/);
  expect(error).not.toMatch(/vocabulary/);
  expect(error).toMatch(/layers\.1\.mlp\.down_proj: lora_B should be \[256,8\], found \[32,8\]/);
});
