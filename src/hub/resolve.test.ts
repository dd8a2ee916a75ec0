import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HubServer, startHub } from "../../test/support/hub-server.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { silentLogger } from "../base/log.ts";
import { openModel } from "../models/model-file.ts";
import { loadTokenizer } from "../text/tokenizer-file.ts";
import { createModelResolver, type ResolveModel } from "./resolve.ts";

let hub: HubServer;
let root: string;
let resolve: ResolveModel;
beforeAll(async () => {
  hub = await startHub();
  root = await mkdtemp(join(tmpdir(), "resolve-"));
  await writeTinyPair(join(root, "pair"));
  const read = async (folder: string) => {
    const names = await readdir(join(root, "pair", folder));
    return Promise.all(names.map(async (name) => [name, await readFile(join(root, "pair", folder, name))] as const));
  };
  const files = Object.fromEntries([...(await read("tokenizer")), ...(await read("edge"))]);
  hub.models.set("org/tiny", { commit: "c".repeat(40), files, lfs: ["model.safetensors"] });
  resolve = createModelResolver({
    url: hub.url,
    cache: join(root, "cache"),
    log: silentLogger,
    progress: () => ({ update: () => undefined, note: () => undefined, finish: () => undefined }),
  });
});
afterAll(async () => {
  await hub.close();
  await rm(root, { recursive: true });
});

test("a model named by its id opens as the one that was put there", async () => {
  const folder = await resolve("org/tiny");
  const [model, original] = [await openModel(folder), await openModel(join(root, "pair", "edge"))];
  expect(model.sha256).toBe(original.sha256);
  expect(model.config).toEqual(original.config);
  expect((await loadTokenizer(await resolve("org/tiny", "tokenizer"))).encode("hello").length).toBeGreaterThan(0);
});

test("a folder that is there is never looked up", async () => {
  await mkdir(join(root, "org", "tiny"), { recursive: true });
  hub.requests.length = 0;
  expect(await resolve(join(root, "org", "tiny"))).toBe(join(root, "org", "tiny"));
  expect(hub.requests).toEqual([]);
});

test("a model of an architecture we do not have is refused, with those we have, before its weights are downloaded", async () => {
  const files = {
    "config.json": Buffer.from(JSON.stringify({ model_type: "bert" })),
    "model.safetensors": Buffer.alloc(1000),
  };
  hub.models.set("org/bert", { commit: "d".repeat(40), files, lfs: ["model.safetensors"] });
  hub.requests.length = 0;
  await expect(resolve("org/bert")).rejects.toMatchObject({
    code: "E_ARCHITECTURE",
    message: expect.stringMatching(/org\/bert here; .*model_type "bert" is not supported; expected one of: llama, /),
  });
  expect(hub.requests.filter(({ url }) => url.includes("config.json"))).toHaveLength(1);
  expect(hub.requests.filter(({ url }) => url.includes("model.safetensors"))).toEqual([]);
});

test.each([
  ["no/such-model", "no folder no/such-model here; as a model of the hub: no/such-model:"],
  ["./no/such-folder", "no such folder, and no id of the hub"],
])("%s is neither, and the error says both", async (name, message) => {
  const error = expect.objectContaining({ code: "E_NOT_FOUND", message: expect.stringContaining(message) });
  await expect(resolve(name)).rejects.toEqual(error);
});
