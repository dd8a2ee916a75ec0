/** @file 2,000 damaged answers of a hub, and as many damaged indexes of shards: refused, or nothing lands outside the cache. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateJsonBytes } from "../../test/support/mutate.ts";
import { silentLogger } from "../base/log.ts";
import type { Rng } from "../base/rng.ts";
import { indexFile, shardsOf } from "./choose.ts";
import { fetchModel } from "./hub.ts";
import { parseHubId } from "./id.ts";

const commit = "0123456789abcdef0123456789abcdef01234567";
const git = (content: Buffer) => createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] as const;
const index = Buffer.from(JSON.stringify({ metadata: { total_size: 9 }, weight_map: { a: shards[0], b: shards[1] } }));

const root = mkdtempSync(join(tmpdir(), "hub-fuzz-"));
afterAll(() => rmSync(root, { recursive: true }));

/** A hub without a network: the answer about the model, and the content of its files. */
function fetchFrom(answer: Uint8Array, files: Readonly<Record<string, Uint8Array>>): typeof fetch {
  return async (input) => {
    const url = String(input);
    if (url.includes("/api/")) return new Response(new Uint8Array(answer));
    const name = Object.keys(files).find((key) => url.endsWith(`/${key}`));
    return name === undefined ? new Response("", { status: 404 }) : new Response(new Uint8Array(files[name]!));
  };
}

function answerOf(files: Readonly<Record<string, Buffer>>): Buffer {
  const siblings = Object.entries(files).map(([rfilename, content]) => ({
    rfilename,
    size: content.length,
    blobId: git(content),
  }));
  return Buffer.from(JSON.stringify({ id: "org/one", sha: commit, siblings, lfs: null }));
}

async function fetchOnce(answer: Uint8Array, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  const cache = join(root, "cache");
  rmSync(cache, { recursive: true, force: true });
  try {
    const folder = await fetchModel(parseHubId("org/one")!, {
      url: "http://hub",
      cache,
      fetch: fetchFrom(answer, files),
      retries: 1,
      wait: async () => undefined,
      log: silentLogger,
      progress: () => ({ update: () => undefined, note: () => undefined, finish: () => undefined }),
    });
    expect(folder.startsWith(join(cache, "models--org--one", "snapshots"))).toBe(true);
  } finally {
    expect(readdirSync(root).filter((name) => name !== "cache")).toEqual([]);
  }
}

const strange: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  0.5,
  7,
  2 ** 53,
  "",
  "x",
  "..",
  "../../evil.gguf",
  "/evil.safetensors",
  "a/../b.gguf",
  "model.safetensors",
  commit,
  "f".repeat(64),
  [],
  {},
  [[]],
  { sha256: "f".repeat(64), size: 7 },
  { sha256: "x", size: -1 },
];

/** One or two values anywhere in a JSON text become strange ones, or go; sometimes the text itself is damaged. */
function mutateValues(bytes: Uint8Array, rng: Rng): Uint8Array {
  if (rng.int(4) === 0) return mutateJsonBytes(bytes, rng);
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
  for (let times = 1 + rng.int(2); times > 0; times--) {
    const places: [Record<string, unknown>, string][] = [];
    const visit = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        places.push([value as Record<string, unknown>, key]);
        visit(inner);
      }
    };
    visit(json);
    const [holder, key] = rng.pick(places);
    if (rng.int(4) === 0) delete holder[key];
    else holder[key] = rng.pick(strange);
    if (rng.int(4) === 0 && !Array.isArray(holder)) holder[rng.pick(["__proto__", "lfs", "more"])] = rng.pick(strange);
  }
  return new TextEncoder().encode(JSON.stringify(json));
}

const small = { "config.json": Buffer.from("{}"), "tokenizer.json": Buffer.from("{}") };

test("2,000 mutations of the answer about a model", async () => {
  const files = { ...small, "model.safetensors": Buffer.from("weights") };
  const original = answerOf(files);
  await fetchOnce(original, files);
  let answer: Uint8Array = original;
  const { outcomes, reasons } = await fuzz({
    seed: "hub answer",
    damage(rng) {
      answer = mutateValues(new Uint8Array(original), rng);
      return answer.length;
    },
    read: () => fetchOnce(answer, files),
  });
  expect(outcomes["read"]).toBeGreaterThan(20);
  expect(reasons).toBeGreaterThan(5);
});

test("2,000 mutations of an index of shards name plain files, or are refused", async () => {
  const folder = join(root, "cache");
  mkdirSync(folder, { recursive: true });
  const { outcomes, reasons } = await fuzz({
    seed: "shard index",
    damage: damageFile(join(folder, indexFile), new Uint8Array(index), mutateValues),
    async read() {
      for (const shard of await shardsOf(folder)) expect(shard).toMatch(/^[A-Za-z0-9][\w.-]*\.safetensors$/);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(20);
  expect(reasons).toBeGreaterThan(3);
});
