import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { recordingContext } from "../../test/support/cli-context.ts";
import { requireDevice } from "../runtime/require-device.ts";
import { runCli } from "./program.ts";

const root = mkdtempSync(join(tmpdir(), "early-refusals-"));
const at = (name: string) => join(root, name);
afterAll(() => rmSync(root, { recursive: true }));

mkdirSync(at("full"));
writeFileSync(at("full/specialization.json"), "{}");
writeFileSync(at("file.txt"), "");
mkdirSync(at("empty"));
writeFileSync(
  at("task.json"),
  JSON.stringify({ name: "t", systemPrompt: "Say yes.", samples: [{ input: "a", target: "yes" }] }),
);
mkdirSync(at("adapter"));
writeFileSync(at("adapter/adapter_config.json"), JSON.stringify({ peft_type: "LORA", r: 1, lora_alpha: 1 }));
const pair = ["--pair", at("no pair")];
const input = ["--input", "hello"];
const absent = at("absent");
const full = at("full");

/** What a command is refused by where its pair, or the model it names, is not there either. */
async function refusalOf(args: readonly string[]): Promise<{ code: string; message: string }> {
  const { context, written } = recordingContext();
  const resolveModel = () => Promise.reject(new Error("a model was opened"));
  expect(await runCli(args, { ...context, resolveModel, store: at("store") })).toBe(1);
  const [, code = "", message = ""] = /^error (E_\w+): (.*)$/m.exec(written.stderr) ?? [];
  return { code, message };
}

test.each<[string, ...string[]]>([
  ["run", ...pair, ...input, "--specialization", absent],
  ["export", ...pair, "--format", "peft", "--out", at("out"), "--specialization", absent],
  ["export", "--base", "model", "--format", "peft", "--out", at("out"), "--expert", absent],
  ["merge", ...pair, "--out", at("out"), "--specialization", absent],
  ["merge", "--base", "model", "--out", at("out"), "--adapter", absent],
  ["merge", ...pair, "--out", at("out"), "--adapter", at("adapter")],
  ["unmerge", "--base", "model", "--model", absent, "--out", at("out")],
  ["combine", ...pair, "--out", at("out"), absent],
  ["eval", ...pair, "--suite", absent],
  ["eval", ...pair, "--suite", at("task.json"), "--methods", `base,specialization:${absent}`],
  ["eval", ...pair, "--suite", at("task.json"), "--methods", `skills-cem-3shot:${absent}`],
  ["eval", "--model", "owner/model", "--suite", at("task.json"), "--methods", `skills-cem-3shot:${absent}`],
  ["adapt", ...pair, ...input, "--skills", absent],
  ["adapt", ...pair, ...input, "--skills", at("empty"), "--examples", absent],
  ["specialize", ...pair, "--prompt", "Say yes.", "--out", at("out"), "--examples", absent],
  ["demo", ...pair, "--prompts", absent],
])("%s tells of a file that is not there before it opens models (%#)", async (...args) => {
  const { code, message } = await refusalOf(args);
  expect([code, message]).toEqual(["E_NOT_FOUND", expect.stringMatching(/absent|adapter_model/) as string]);
});

test.each<[string, ...string[]]>([
  ["export", ...pair, "--format", "peft", "--specialization", absent],
  ["merge", ...pair, "--specialization", absent],
  ["unmerge", "--base", "model", "--model", at("empty")],
  ["quantize", "--model", "model"],
  ["quantize", "--generator", absent],
  ["combine", ...pair, absent],
  ["specialize", ...pair, "--prompt", "Say yes."],
  ["adapt", ...pair, "--skills", at("empty"), "--examples", absent],
])("%s tells of an output that cannot be before it opens models (%#)", async (...args) => {
  const { code, message } = await refusalOf([...args, "--out", full]);
  expect([code, message]).toEqual(["E_USAGE", expect.stringContaining(full) as string]);
});

test.each<[string, ...string[]]>([
  ["merge", ...pair, "--specialization", absent, "--out", at("file.txt/x")],
  ["quantize", "--model", "model", "--out", at("file.txt/x")],
  ["combine", ...pair, absent, "--out", at("file.txt")],
  ["specialize", ...pair, "--prompt", "Say yes.", "--out", at("file.txt/x")],
  ["eval", ...pair, "--suite", at("task.json"), "--log", at("file.txt/x")],
  ["svd", "--model", "model", "--svd-cache", at("file.txt/x")],
])("%s tells of an output below a file before it opens models (%#)", async (...args) => {
  const { code, message } = await refusalOf(args);
  expect([code, message]).toEqual(["E_IO", expect.stringMatching(/^cannot write .*file\.txt/) as string]);
});

test("export tells of a type that its format has not before it opens models", async () => {
  const asked = ["export", ...pair, "--specialization", absent, "--out", at("out")];
  for (const more of [
    ["--format", "peft", "--type", "q8_0"],
    ["--format", "onnx", "--with-base"],
  ])
    expect(await refusalOf([...asked, ...more])).toMatchObject({
      code: "E_USAGE",
      message: expect.stringContaining("format") as string,
    });
});

test("serve tells of flags that cannot be before it opens models", async () => {
  const serve = ["serve", ...pair, "--store", at("served")];
  const half = await refusalOf([...serve, "--reference-model", "m"]);
  expect(half).toMatchObject({ code: "E_USAGE", message: expect.stringContaining("--reference ") as string });
  const cloud = await refusalOf([...serve, "--cloud", "ftp://x"]);
  expect(cloud).toMatchObject({ code: "E_USAGE", message: expect.stringMatching(/^cloud: /) as string });
  const { code, message } = await refusalOf([...serve, "--pin", "nobody"]);
  expect([code, message]).toEqual(["E_NOT_FOUND", expect.stringContaining("nobody") as string]);
});

test("a device that this machine lacks is told before anything is opened", async ({ skip }) => {
  const isThere = await requireDevice("cuda").then(
    () => true,
    () => false,
  );
  skip(isThere, "cuda is there: its tests are those of the runtime");
  writeFileSync(at("run.json"), JSON.stringify({ kind: "generator", device: "cuda" }));
  for (const args of [
    ["run", ...pair, ...input, "--device", "cuda"],
    ["train", "--config", at("run.json")],
  ]) {
    const { code, message } = await refusalOf(args);
    expect([code, message]).toEqual(["E_DEVICE", expect.stringMatching(/^device cuda: /) as string]);
  }
});
