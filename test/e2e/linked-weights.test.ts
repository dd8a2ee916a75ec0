/** @file Weights behind symbolic links, as a Hugging Face cache holds them: every command that opens a model follows them. */
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256File } from "../../src/base/hash-file.ts";
import { hubResolver, hubSettings } from "../../src/cli/hub.ts";
import { runCli } from "../../src/cli/program.ts";
import { writePeft } from "../../src/lora/peft-format.ts";
import { saveGgufModel } from "../../src/models/gguf/save.ts";
import { saveModel } from "../../src/models/model-file.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { recordingContext } from "../support/cli-context.ts";
import { randomAdapter } from "../support/random-adapter.ts";
import { randomLlama } from "../support/random-llama.ts";

const root = mkdtempSync(join(tmpdir(), "linked-"));
const at = (name: string) => join(root, name);
const commit = "0123456789abcdef0123456789abcdef01234567";
const { config, weights } = randomLlama();
afterAll(() => rmSync(root, { recursive: true }));

/** The cache of Hugging Face's own tools, made by hand: blobs under their hashes, a snapshot of links, a reference. */
beforeAll(async () => {
  const values = (name: string) => (weights[name] as { data: Float32Array }).data;
  await saveModel(
    at("plain"),
    config,
    new Map([...parameterShapes(config).keys()].map((name) => [name, values(name)])),
  );
  const model = at("hub/models--org--one");
  const snapshot = join(model, "snapshots", commit);
  for (const folder of [join(model, "blobs"), join(model, "refs"), snapshot]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(model, "refs", "main"), commit);
  for (const name of await readdir(at("plain"))) {
    const blob = await sha256File(join(at("plain"), name));
    renameSync(join(at("plain"), name), join(model, "blobs", blob));
    symlinkSync(join("..", "..", "blobs", blob), join(snapshot, name));
  }
  mkdirSync(at("store"));
  await saveGgufModel(at("store/model.gguf"), { config, weights }, { type: "F32" });
  mkdirSync(at("links"));
  symlinkSync("../store/model.gguf", at("links/linked.gguf"));
  await writePeft(at("adapter"), randomAdapter(config), { baseName: "org/one" });
});

const resolveModel = () =>
  hubResolver(hubSettings({ HF_HUB_CACHE: at("hub"), HF_HUB_OFFLINE: "1" }, root), recordingContext().context);

test.each([
  ["a model of the cache, by its id", () => "org/one"],
  ["its snapshot, by its path", () => at(`hub/models--org--one/snapshots/${commit}`)],
  ["a GGUF file", () => at("links/linked.gguf")],
])("merge opens weights behind links: %s", async (_, base) => {
  const { context, written } = recordingContext();
  const out = join(mkdtempSync(at("out-")), "merged");
  const args = ["merge", "--adapter", at("adapter"), "--base", base(), "--out", out];
  expect(await runCli(args, { ...context, resolveModel: resolveModel() }), written.stderr).toBe(0);
  expect(await readdir(out)).toContain("model.safetensors");
});

test("unmerge gives back files, not links, and waits for no pipe beside them", async () => {
  const run = async (...args: string[]) => {
    const { context, written } = recordingContext();
    expect(await runCli(args, { ...context, resolveModel: resolveModel() }), written.stderr).toBe(0);
  };
  const snapshot = at(`hub/models--org--one/snapshots/${commit}`);
  execFileSync("mkfifo", [join(snapshot, "pipe")]);
  symlinkSync("nowhere", join(snapshot, "dangling"));
  await run("merge", "--adapter", at("adapter"), "--base", "org/one", "--out", at("again"));
  await run("unmerge", "--model", at("again"), "--base", "org/one", "--out", at("restored"));
  expect((await readdir(at("restored"))).sort()).toEqual(["config.json", "model.safetensors"]);
  const restored = join(at("restored"), "model.safetensors");
  expect(lstatSync(restored).isFile()).toBe(true);
  expect(readFileSync(restored)).toEqual(readFileSync(join(snapshot, "model.safetensors")));
});
