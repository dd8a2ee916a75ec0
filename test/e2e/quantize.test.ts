/** @file Quantised models by the commands that a user has. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256File } from "../../src/base/hash-file.ts";
import { runCli } from "../../src/cli/program.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { recordingContext } from "../support/cli-context.ts";
import { writeGgufCopy } from "../support/gguf-copy.ts";
import { writeTinyPair } from "../support/tiny-pair.ts";
import { configureGenerator, writeRunInputs } from "../support/training-runs.ts";

let root: string;
let pair: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "quantize-"));
  pair = join(root, "pair");
  await writeTinyPair(pair);
});
afterAll(() => rmSync(root, { recursive: true }));

async function loragen(...args: string[]) {
  const { context, written } = recordingContext();
  return { status: await runCli(args, context), ...written };
}

test("quantize writes a directory that run and inspect open, and says what it saved", async () => {
  const out = join(root, "edge-int4");
  const args = ["quantize", "--model", join(pair, "edge"), "--bits", "4", "--asymmetric", "--out", out];
  const { status, stdout } = await loragen(...args, "--json");
  expect(status).toBe(0);
  const result = JSON.parse(stdout) as { bits: number; symmetric: boolean; bytes: number; bytesBefore: number };
  expect(result).toMatchObject({
    bits: 4,
    symmetric: false,
    blockSize: 32,
    tableBlockSize: expect.any(Number) as unknown,
  });
  expect(result.bytes).toBeLessThan(result.bytesBefore / 3);
  const inspected = await loragen("inspect", out);
  expect(inspected.stderr).toBe("");
  expect(inspected.status).toBe(0);
  const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8")) as {
    quantization_config: { base_sha256: string; weights_sha256: string };
  };
  const { base_sha256: sha256, weights_sha256: weightsSha256 } = config.quantization_config;
  expect(inspected.stdout).toMatch(new RegExp(`^sha256 +${sha256}\\nweights' sha256 +${weightsSha256}$`, "m"));
  expect(JSON.parse((await loragen("inspect", out, "--json")).stdout)).toMatchObject({ sha256, weightsSha256 });
  const again = await loragen(...args);
  expect(again).toMatchObject({ status: 1, stdout: "" });
  expect(again.stderr).toContain("E_USAGE");
  expect(readdirSync(root).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("a GGUF file is quantised as the directory it was made from, and its tokenizer comes along", async () => {
  const model = join(root, "edge.gguf");
  await writeGgufCopy(model, join(pair, "edge"), { tokenizer: join(pair, "tokenizer") });
  const quantize = (source: string, out: string) =>
    loragen("quantize", "--model", source, "--bits", "4", "--out", join(root, out), "--json");
  const [ofFile, ofFolder] = [await quantize(model, "of-file"), await quantize(join(pair, "edge"), "of-folder")];
  expect([ofFile.status, ofFolder.status], ofFile.stderr).toEqual([0, 0]);
  const weights = (out: string) => readFileSync(join(root, out, "model.safetensors"));
  expect(weights("of-file").equals(weights("of-folder"))).toBe(true);
  const { sha256 } = JSON.parse((await loragen("inspect", join(root, "of-file"), "--json")).stdout) as {
    sha256: string;
  };
  expect(sha256).toBe(await sha256File(model));
  const [before, after] = [await loadTokenizer(join(pair, "tokenizer")), await loadTokenizer(join(root, "of-file"))];
  expect(after.encode("12 naïve cats")).toEqual(before.encode("12 naïve cats"));
});

test("a prompt is read by a quantised cloud model, an input answered by a quantised edge model", async () => {
  const out = join(root, "specialization");
  const prompt = ["--pair", pair, "--prompt", "Answer in capital letters."];
  const dense = await loragen("specialize", ...prompt, "--out", join(root, "dense"), "--json");
  const quantized = await loragen("specialize", ...prompt, "--out", out, "--quantize", "int8", "--json");
  expect(quantized.stderr).toBe("");
  const cloudQuantization = { bits: 8, symmetric: true, blockSize: 32, tableBlockSize: 32 };
  expect(JSON.parse(quantized.stdout)).toMatchObject({ cloudQuantization });
  expect(JSON.parse((await loragen("inspect", out, "--json")).stdout)).toMatchObject({ cloudQuantization });
  expect((await loragen("inspect", out)).stdout).toMatch(/cloud quantised +layers to int8/);
  expect((await loragen("inspect", join(root, "dense"))).stdout).not.toContain("quantised");
  const gates = ({ stdout }: { stdout: string }) => (JSON.parse(stdout) as { gates: number[][] }).gates.flat();
  expect(gates(quantized)).not.toEqual(gates(dense));
  gates(quantized).forEach((gate, i) => {
    expect(Math.abs(gate - gates(dense)[i]!)).toBeLessThan(0.1);
  });
  const run = ["run", "--pair", pair, "--specialization", out, "--input", "the cat", "--max-tokens", "5", "--json"];
  for (const flags of [["int8"], ["int4"], ["int4-asymmetric", "--requantize"]]) {
    const { status, stdout, stderr } = await loragen(...run, "--quantize", ...flags);
    expect({ status, isAnswer: stdout.includes('"role":"specialized"') }, stderr).toEqual({
      status: 0,
      isAnswer: true,
    });
    if (flags.length === 2)
      expect(stderr).toMatch(
        /^merged and quantised again: logits move by \d.*; \d+\.\d % of the specialisation arrived$/m,
      );
  }
});

test("what cannot be is refused before anything is compiled", async () => {
  const bits = await loragen("run", "--pair", pair, "--input", "x", "--quantize", "int3");
  expect(bits.stderr).toContain("E_USAGE");
  const nothing = await loragen("run", "--pair", pair, "--input", "x", "--requantize");
  expect(nothing.stderr).toContain("E_USAGE: --requantize merges a specialisation into quantised weights");
});

test("quantize writes a generator in 8 bits, from its folder and from a run that goes on, and the pair answers with it", async () => {
  const out = join(root, "generator-int8");
  const { status, stdout, stderr } = await loragen(
    "quantize",
    "--generator",
    join(pair, "generator"),
    "--out",
    out,
    "--json",
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const result = JSON.parse(stdout) as { bytes: number; bytesBefore: number; parameters: number };
  expect(result.bytes).toBeLessThan(result.bytesBefore / 2); // a small generator is half header
  const inspected = JSON.parse((await loragen("inspect", out, "--json")).stdout) as { parameters: number };
  expect(inspected.parameters).toBe(result.parameters);
  const smaller = join(root, "smaller");
  cpSync(pair, smaller, { recursive: true });
  rmSync(join(smaller, "generator"), { recursive: true });
  cpSync(out, join(smaller, "generator"), { recursive: true });
  const specialized = await loragen("specialize", "--pair", smaller, "--prompt", "Say hi.", "--out", join(root, "hi"));
  expect(specialized).toMatchObject({ status: 0, stderr: "" });

  await writeRunInputs(root);
  const run = join(root, "run");
  const config = configureGenerator(root, run, { steps: 10 });
  expect((await loragen("train", "--config", config)).status).toBe(0);
  rmSync(join(run, "generator"), { recursive: true }); // as while it goes on
  const best = await loragen("quantize", "--generator", run, "--out", join(root, "best"), "--json");
  expect(best).toMatchObject({ status: 0, stderr: "" });
  expect(JSON.parse(best.stdout)).toMatchObject({ step: expect.any(Number) as unknown });
  const { trainedOver } = JSON.parse(readFileSync(join(root, "best/generator.json"), "utf8")) as {
    trainedOver: object;
  };
  expect(Object.keys(trainedOver)).toEqual(["cloud", "edge"]);

  const refused = await loragen("quantize", "--generator", run, "--bits", "4", "--out", join(root, "four"));
  expect(refused.stderr).toContain("E_USAGE");
  rmSync(join(run, "best"), { recursive: true });
  const none = await loragen("quantize", "--generator", run, "--out", join(root, "none"));
  expect(none.stderr).toContain("E_NOT_FOUND");
  expect(existsSync(join(root, "none"))).toBe(false);
});
