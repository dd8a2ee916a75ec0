/** @file What `loragen inspect` says of folders and files that look alike: runs and models, adapters, GGUF, any JSON. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { byteLevelFields } from "../../../test/support/gguf-metadata.ts";
import { randomLlama } from "../../../test/support/random-llama.ts";
import { configureLanguageModel, writeRunInputs } from "../../../test/support/training-runs.ts";
import { writeGguf } from "../../files/gguf/write.ts";
import { writeGgufAdapter } from "../../lora/gguf-format.ts";
import { saveGgufModel } from "../../models/gguf/save.ts";
import { runCli } from "../program.ts";

const fixtures = resolve(import.meta.dirname, "../../../test/fixtures");
const root = mkdtempSync(join(tmpdir(), "inspect-"));
beforeAll(() => writeRunInputs(root));
afterAll(() => rmSync(root, { recursive: true }));

/** What is printed for a program and for a person. */
async function inspected(path: string) {
  const [json, text] = [recordingContext(), recordingContext()];
  expect(await runCli(["inspect", path, "--json"], json.context), json.written.stderr).toBe(0);
  expect(await runCli(["inspect", path], text.context)).toBe(0);
  return { json: JSON.parse(json.written.stdout) as Record<string, unknown>, text: text.written.stdout };
}

test("the output of a training run is a run, though it holds a config.json; what it trained is a model", async () => {
  const output = join(root, "run");
  const config = configureLanguageModel(root, output, { steps: 2, optimizer: {}, validateEvery: 2 });
  const { context, written } = recordingContext();
  expect(await runCli(["train", "--config", config], context), written.stderr).toBe(0);
  const run = await inspected(output);
  expect(run.json).toMatchObject({ kind: "run", directory: output, last: { step: 2 }, best: { step: 2 } });
  expect(run.text).toContain(`${output}: a training run at step 2\n`);
  expect((await inspected(join(output, "model"))).json).toMatchObject({ kind: "model", layers: 1, hidden: 16 });
});

test("a run that ended before it logged a step is a run, not a model", async () => {
  const output = join(root, "begun");
  mkdirSync(output);
  writeFileSync(join(output, "config.json"), '{"kind":"generator"}');
  const { json, text } = await inspected(output);
  expect(json).toEqual({ kind: "run", directory: output, last: null, best: null });
  expect(text).toContain(`${output}: a training run that has logged no step yet\n`);
});

test("a PEFT adapter is explained: base, rank, targets, tensors", async () => {
  const directory = join(fixtures, "peft/adapter");
  const { json, text } = await inspected(directory);
  expect(json).toMatchObject({ kind: "peft", directory, rank: 4, alpha: 6, targets: expect.any(Array) as unknown });
  const tensors = json["tensors"] as { name: string; shape: number[] }[];
  expect(tensors.length).toBeGreaterThan(0);
  expect(json["parameters"]).toBe(tensors.reduce((sum, { shape: [a, b] }) => sum + a! * b!, 0));
  expect(text).toContain(`${directory}: a PEFT adapter of rank 4, ${tensors.length} tensors\n`);
  expect(text).toMatch(/lora_A\.weight +F32 +4 × \d+/);
});

test("a NUL in the names of a GGUF file is shown as no terminal obeys it", async () => {
  const path = join(root, "nul.gguf");
  const tensor = { name: "blk.0\0.weight", type: "F32", shape: [2], data: () => new Float32Array(2) } as const;
  await writeGguf(path, new Map([["general.na\0me", { type: "string", value: "a\0b" }]]), [tensor]);
  const { json, text } = await inspected(path);
  expect(json).toMatchObject({ metadata: { "general.na\0me": "a\0b" }, tensors: [{ name: "blk.0\0.weight" }] });
  expect(text).toContain("1 tensor\n");
  expect(text).not.toContain("\0");
});

test("a GGUF file is explained: what it is, its architecture, its tensors and their types", async () => {
  const path = join(root, "adapter.gguf");
  const change = { rank: 1, inputs: 2, outputs: 3, a: Float32Array.of(1, 2), b: Float32Array.of(1, 2, 3) };
  const places = new Map([["up", { name: "blk.0.ffn_up.weight", pairedHeads: undefined }]]);
  await writeGgufAdapter(path, new Map([["up", change]]), { architecture: "llama", places });
  const { json, text } = await inspected(path);
  expect(json).toMatchObject({
    kind: "gguf",
    path,
    version: 3,
    type: "adapter",
    architecture: "llama",
    parameters: 5,
    dtypes: { F32: 5 },
    tensors: [
      { name: "blk.0.ffn_up.weight.lora_a", dtype: "F32", shape: [1, 2], bytes: 8 },
      { name: "blk.0.ffn_up.weight.lora_b", dtype: "F32", shape: [3, 1], bytes: 12 },
    ],
  });
  expect(text).toContain(`${path}: adapter in GGUF 3, 2 tensors\n`);
  const many = (await inspected(join(fixtures, "gguf/types.gguf"))).json;
  expect(many).toMatchObject({ kind: "gguf", type: "model" });
  expect(Object.keys(many["dtypes"] as object)).toEqual(expect.arrayContaining(["F32", "Q8_0", "Q4_K"]));
});

test("a GGUF file with types that cannot be read is explained all the same: metadata, tokenizer, every tensor", async () => {
  const path = join(root, "unreadable.gguf");
  const tensor = { type: "Q4_1", shape: [2, 32], data: () => new Float32Array(64) } as const;
  const metadata = byteLevelFields("of tomorrow").set("general.large", { type: "u64", value: 2n ** 60n });
  await writeGguf(path, metadata, [
    { ...tensor, name: "first" },
    { ...tensor, name: "second" },
  ]);
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(10, bytes.indexOf("second") + "second".length + 20);
  writeFileSync(path, bytes);
  const { json, text } = await inspected(path);
  expect(json).toMatchObject({
    unreadable: ["Q2_K"],
    runTime: { inBlocks: 1, inF32: 0 },
    metadata: {
      "tokenizer.ggml.pre": "of tomorrow",
      "tokenizer.ggml.tokens": { of: "string", length: 265 },
      "general.large": String(2n ** 60n),
    },
    tensors: [
      { name: "first", dtype: "Q4_1", shape: [2, 32], bytes: 40 },
      { name: "second", dtype: "Q2_K", shape: [2, 32], bytes: null },
    ],
  });
  expect(text).toMatch(/^at run time +cannot be read: Q2_K$/m);
  expect(text).toMatch(/^tokenizer +gpt2, 265 tokens, words split as of tomorrow$/m);
  expect(text).toMatch(/^second +Q2_K +2 × 32 +\?$/m);
});

test("a merged GGUF model says what was merged into it; a record that is none is refused", async () => {
  const path = join(root, "merged.gguf");
  const record = { base_sha256: "a".repeat(64), kind: "peft", adapter_sha256: "b".repeat(64), scale: 0.5 };
  const write = (value: string) =>
    saveGgufModel(path, randomLlama(), {
      type: "Q4_1",
      about: new Map([["lora_gen.merge", { type: "string", value }]]),
    });
  await write(JSON.stringify(record));
  const { json, text } = await inspected(path);
  expect(json).toMatchObject({ kind: "gguf", merge: record });
  expect(text).toMatch(/^merged +a PEFT adapter at strength 0.5, sha256 b{64}\ninto model +a{64}$/m);
  await write(JSON.stringify({ ...record, base_sha256: "\u001b[2J" }));
  const { context, written } = recordingContext();
  expect(await runCli(["inspect", path], context)).toBe(1);
  expect(written.stderr).toBe(`error E_FORMAT: ${path}: lora_gen.merge is not a record of a merge\n`);
});

test.each([
  ["a model's configuration", "config.json", '{"model_type":"llama"}'],
  ["a list", "list.json", "[1]"],
  ["a format of another program", "other.json", '{"format":"pt"}'],
])("%s is no specialisation, and one line says where to look", async (_, name, text) => {
  const path = join(root, name);
  writeFileSync(path, text);
  const { context, written } = recordingContext();
  expect(await runCli(["inspect", path], context)).toBe(1);
  expect(written.stderr).toBe(
    `error E_FORMAT: ${path}: is no specialisation (its "format" does not say so); for any other file inspect the folder it lies in: ${root}\n`,
  );
});
