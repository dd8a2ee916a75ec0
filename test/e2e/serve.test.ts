/** @file `loragen serve` on a port, as a user starts and ends it. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loragen, start } from "../support/loragen.ts";
import { writeTinyPair } from "../support/tiny-pair.ts";

const folder = mkdtempSync(join(tmpdir(), "loragen-serve-"));
const pair = join(folder, "pair");

/** Starts it on a free port; resolves when it answers. */
async function serve(...more: string[]) {
  const store = join(folder, "store");
  const started = start(["serve", "--pair", pair, "--store", store, "--port", "0", "--threads", "1", ...more]);
  const url = await new Promise<string>((done, fail) => {
    let text = "";
    started.child.stdout.on("data", (piece: string) => {
      text += piece;
      const found = /^(http:\S+)\/v1 answers/.exec(text)?.[1];
      if (found !== undefined) done(found);
    });
    void started.finished.then(({ stderr }) => fail(new Error(`it ended: ${stderr}`)));
  });
  return { ...started, url };
}

let service: Awaited<ReturnType<typeof serve>>;
beforeAll(async () => {
  await writeTinyPair(pair);
  service = await serve();
});
afterAll(() => void service.child.kill("SIGKILL"));

const post = (path: string, body: unknown, init: RequestInit = {}) =>
  fetch(`${service.url}${path}`, { method: "POST", body: JSON.stringify(body), ...init });

test("a prompt becomes a model name, and the name answers", async () => {
  const made = await post("/v1/specializations", { name: "triage", prompt: "Answer billing, delivery or refund." });
  expect([made.status, await made.json()]).toMatchObject([201, { name: "triage", version: 1 }]);
  const openai = new OpenAI({ apiKey: "none", baseURL: `${service.url}/v1`, maxRetries: 0 });
  const messages = [{ role: "user" as const, content: "where is my parcel?" }];
  const { choices } = await openai.chat.completions.create({ model: "triage", messages, max_tokens: 6 });
  let streamed = "";
  const stream = await openai.chat.completions.create({ model: "triage", messages, max_tokens: 6, stream: true });
  for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? "";
  expect(streamed).toBe(choices[0]!.message.content);
});

test("a client that goes away is not answered any more, and others are", async () => {
  const controller = new AbortController();
  const body = { model: "tiny-0", messages: [{ role: "user", content: "hello" }], max_tokens: 250, stream: true };
  const response = await post("/v1/chat/completions", body, { signal: controller.signal });
  const reader = response.body!.getReader();
  await reader.read();
  controller.abort();
  const metrics = async () => (await fetch(`${service.url}/metrics`)).text();
  while (!/^loragen_engine_running 0$/m.test(await metrics())) await new Promise((done) => setImmediate(done));
  expect((await post("/v1/completions", { model: "tiny-0", prompt: "x", max_tokens: 1 })).status).toBe(200);
});

test("what is no HTTP is refused, and the service goes on", async () => {
  const { port } = new URL(service.url);
  const answer = await new Promise<string>((done, fail) => {
    const socket = connect(Number(port), "127.0.0.1", () => socket.write("\x16\x03\x01 no HTTP at all\r\n\r\n"));
    let text = "";
    socket.on("data", (piece) => {
      text += piece.toString("latin1");
    });
    socket.on("close", () => done(text)).on("error", fail);
  });
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
});

test("a key that is made while it runs is known to it, and one that is taken out of the file no more", async () => {
  const keys = join(folder, "keys.json");
  const make = async (name: string) => (await loragen(["key", "--keys", keys, "--name", name])).stdout.trim();
  const first = await make("first");
  const guarded = await serve("--keys", keys);
  const becomes = async (key: string, wanted: number) => {
    const headers = { authorization: `Bearer ${key}` };
    while ((await fetch(`${guarded.url}/v1/models`, { headers })).status !== wanted);
  };
  await becomes(first, 200);
  const second = await make("second");
  await becomes(second, 200);
  const file = JSON.parse(readFileSync(keys, "utf8")) as { keys: { name: string }[] };
  writeFileSync(keys, JSON.stringify({ ...file, keys: file.keys.filter(({ name }) => name === "second") }));
  await becomes(first, 401);
  await becomes(second, 200);
  guarded.child.kill("SIGKILL");
  await guarded.finished;
});

test("a second one on the same port says that there is one", async () => {
  const { port } = new URL(service.url);
  const { finished } = start(["serve", "--pair", pair, "--store", join(folder, "other"), "--port", port]);
  expect(await finished).toMatchObject({ status: 1, stderr: expect.stringContaining("another program listens there") });
});

test("asked to end, it gives the answers under way whole, and ends well", async () => {
  const body = { model: "tiny-0", messages: [{ role: "user", content: "hello" }], max_tokens: 200, stream: true };
  const whole = await (await post("/v1/chat/completions", body)).text();
  const response = await post("/v1/chat/completions", body);
  service.child.kill("SIGTERM");
  const text = await response.text();
  const content = (events: string) =>
    [...events.matchAll(/"content":"((?:[^"\\]|\\.)*)"/g)].map(([, piece]) => piece).join("");
  expect([content(text), text.trimEnd().endsWith("[DONE]")]).toEqual([content(whole), true]);
  expect((await service.finished).status).toBe(0);
});
