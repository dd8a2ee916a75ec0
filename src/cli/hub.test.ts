import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { recordingContext } from "../../test/support/cli-context.ts";
import { startHub } from "../../test/support/hub-server.ts";
import { hubResolver, hubSettings } from "./hub.ts";

const config = Buffer.from(
  JSON.stringify({
    model_type: "llama",
    hidden_size: 8,
    intermediate_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 1,
    vocab_size: 16,
  }),
);
const settings = (env: Record<string, string>) => hubSettings(env, "/home/me");

test("models are kept where Hugging Face's tools keep them", () => {
  expect(settings({}).cache).toBe("/home/me/.cache/huggingface/hub");
  expect(settings({ XDG_CACHE_HOME: "/c" }).cache).toBe("/c/huggingface/hub");
  expect(settings({ XDG_CACHE_HOME: "/c", HF_HOME: "/hf" }).cache).toBe("/hf/hub");
  expect(settings({ HF_HOME: "/hf", HF_HUB_CACHE: "/hub" }).cache).toBe("/hub");
});

test("a download shows what, how much, how fast and how long on stderr, and nothing on stdout", async () => {
  await using hub = await startHub();
  const files = { "config.json": config, "model.safetensors": Buffer.alloc(3_500_000, 1) };
  hub.models.set("org/one", { commit: "a".repeat(40), files, lfs: ["model.safetensors"] });
  const { context, written } = recordingContext();
  let clock = 0;
  const env = { HF_ENDPOINT: hub.url, HF_HOME: mkdtempSync(join(tmpdir(), "hf-")), HF_TOKEN: "secret" };
  await hubResolver(hubSettings(env, "/nowhere"), { ...context, now: () => (clock += 10) })("org/one");
  expect(written.stderr).toMatch(/^MB of org\/one {2}\d+% {2}[0-4]\/4 {2}\S+\/s {2}\S+s( < \S+s)? {2}file \S+$/m);
  expect(written.stderr).toMatch(/100% {2}4\/4 .*file model\.safetensors$/m);
  expect(written.stdout).toBe("");
  expect(written.stderr).not.toContain("secret");
});

test("Ctrl-C stops a download as E_INTERRUPTED; the next run goes on from there", async () => {
  await using hub = await startHub();
  const files = { "config.json": config, "model.safetensors": Buffer.alloc(3_500_000, 1) };
  hub.models.set("org/one", { commit: "a".repeat(40), files, lfs: ["model.safetensors"] });
  const { context } = recordingContext();
  const env = { HF_ENDPOINT: hub.url, HF_HOME: mkdtempSync(join(tmpdir(), "hf-")) };
  const controller = new AbortController();
  let closed = 0;
  const interrupt = { signal: controller.signal, close: () => closed++ };
  let clock = 0;
  const stopping = {
    ...context,
    now: () => (clock += 10),
    stderr: { ...context.stderr, write: () => controller.abort() },
  };
  const stopped = hubResolver(hubSettings(env, "/nowhere"), stopping, () => interrupt)("org/one");
  await expect(stopped).rejects.toMatchObject({ code: "E_INTERRUPTED" });
  expect(closed).toBe(1);
  const folder = await hubResolver(hubSettings(env, "/nowhere"), context)("org/one");
  expect(readFileSync(join(folder, "model.safetensors")).equals(files["model.safetensors"])).toBe(true);
});

test("token, mirror and offline use come from the environment; what is empty is not given", () => {
  expect(settings({})).toMatchObject({ url: "https://huggingface.co", token: undefined, isOffline: false });
  const given = settings({ HF_TOKEN: "t\n", HF_ENDPOINT: "http://mirror", HF_HUB_OFFLINE: "1" });
  expect(given).toMatchObject({ url: "http://mirror", token: "t", isOffline: true });
  expect(settings({ HF_TOKEN: "", HF_HUB_OFFLINE: "0" })).toMatchObject({ token: undefined, isOffline: false });
});
