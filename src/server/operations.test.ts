/** @file What whoever runs a service sees of it: health, log, counters, keys, and how it ends. */
import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService } from "../../test/support/tiny-service.ts";
import { watchSessions } from "../../test/support/watch-sessions.ts";
import { AppError } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import type { Pair } from "../pair/pair-file.ts";
import { encodeSpecialization, type Specialization } from "../pair/specialization.ts";
import { MadeAnswer, NameAnswer, NamesAnswer, ReadyAnswer, StoredAnswer, VersionAnswer } from "./api/answer-schemas.ts";
import { routes } from "./app.ts";
import { about } from "./open-api.ts";
import type { LogLine } from "./services.ts";

const prompt = "Say what the customer wants.";
const user = (content: string) => ({ role: "user" as const, content });

let pair: Pair;
let service: TinyService;
let openai: OpenAI;
const lines: LogLine[] = [];
type Operation = {
  readonly parameters?: readonly { name: string }[];
  readonly requestBody?: object;
  readonly responses: object;
};
beforeAll(async () => {
  pair = await openTinyPair();
  service = await openTinyService(pair, { log: (line) => lines.push(line) });
  openai = service.openai();
  await service.ask("/v1/specializations", { name: "triage", prompt });
  await chat();
});
afterAll(() => service.close());

const chat = (body: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {}) =>
  openai.chat.completions.create({ model: "triage", messages: [user("pay my bill")], max_tokens: 8, ...body });

describe("what a service has to say of itself", () => {
  test("it is healthy and ready, and counts what it did", async () => {
    expect((await service.ask("/healthz")).status).toBe(200);
    const ready = await service.ask("/readyz");
    expect([ready.status, ReadyAnswer.parse(await ready.json())]).toMatchObject([200, { status: "ready" }]);
    const text = await (await service.ask("/metrics")).text();
    expect(text).toMatch(/^loragen_requests_total\{route="\/v1\/chat\/completions",status="200"\} [1-9]/m);
    expect(text).toMatch(/^loragen_tokens_total\{kind="saved"\} [1-9]/m);
    for (const line of text.trim().split("\n"))
      expect(line).toMatch(/^(# (HELP|TYPE) |loragen_\w+(\{[^}]*\})? [\d.e-]+$)/);
  });

  test("its document says what every route is for, and the schema of every body", async () => {
    const document = (await (await service.ask("/openapi.json")).json()) as {
      paths: Record<string, Record<string, Operation>>;
      components: { schemas: Record<string, { properties?: object }> };
    };
    const { paths, components } = document;
    expect(Object.keys(paths)).toContain("/v1/specializations/{name}/rollback");
    expect(Object.keys(components.schemas["ChatRequest"]!.properties!)).toContain("messages");
    expect(Object.keys(about).sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort());
    const bodiless = Object.entries(paths).filter(([, { post, put }]) =>
      [post, put].some((each) => each !== undefined && each.requestBody === undefined),
    );
    expect(bodiless.map(([path]) => path)).toEqual(["/v1/embeddings"]);
    expect(Object.keys(bodiless[0]![1]["post"]!.responses)).toEqual(["default"]);
    expect(Object.keys(paths["/readyz"]!["get"]!.responses)).toContain("503");
    const asked = paths["/v1/specializations/{name}/diff"]!["get"]!.parameters!;
    expect(asked.map(({ name }) => name)).toEqual(["name", "against"]);
    const found = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(([, to]) => to!);
    const known = Object.keys(components.schemas).map((name) => `#/components/schemas/${name}`);
    expect(found.filter((to) => !known.includes(to))).toEqual([]);
  });

  test("names are answered as its document says", async () => {
    const json = async (path: string, body?: object) => (await service.ask(path, body)).json();
    const labels = ["a", "b"];
    MadeAnswer.parse(await json("/v1/specializations", { name: "shown", prompt, options: { labels } }));
    MadeAnswer.parse(await json("/v1/specializations", { name: "shown", prompt }));
    VersionAnswer.parse(await json("/v1/specializations/shown/rollback", {}));
    NameAnswer.parse(await json("/v1/aliases", { name: "other", target: "shown@1" }));
    expect(NamesAnswer.parse(await json("/v1/specializations")).data.map(({ name }) => name)).toContain("other");
    const { content } = (await json("/v1/specializations/shown@1")) as { content: Specialization };
    const put = { method: "PUT", body: encodeSpecialization(content) };
    StoredAnswer.parse(await (await service.ask("/v1/specializations/pushed", undefined, put)).json());
    for (const name of ["other", "shown", "pushed"])
      await service.ask(`/v1/specializations/${name}`, undefined, { method: "DELETE" });
  });

  test("its log has a line for every request, and nothing that was asked or answered", async () => {
    const from = lines.length;
    const secretWord = "xylophone";
    const answer = (await chat({ messages: [user(`the word is ${secretWord}`)] })).choices[0]!.message.content!;
    await chat({ model: "tiny-0", messages: [{ role: "system", content: secretWord }, user(secretWord)] });
    expect(lines.length).toBe(from + 2);
    const text = JSON.stringify(lines.slice(from));
    expect(text).not.toContain(secretWord);
    expect(text).not.toContain(answer);
    expect(lines[from]).toMatchObject({ route: "/v1/chat/completions", status: 200, model: "triage@1" });
  });
});

test("an answer in pieces is logged and counted at its end: how long it took, its tokens, and what went wrong on the way", async () => {
  let time = 0;
  const told: LogLine[] = [];
  const log = (line: LogLine) => told.push(line);
  await using clocked = await openTinyService(pair, { now: () => time, requestMs: 1000, log });
  const body = { model: "tiny-0", messages: [user("pay my bill")], max_tokens: 40, stream: true };
  for (const late of [500, 1500]) {
    const reader = (await clocked.ask("/v1/chat/completions", body)).body!.getReader();
    await reader.read();
    time += late;
    while (!(await reader.read()).done);
  }
  const left = (await clocked.ask("/v1/chat/completions", body)).body!;
  await left.cancel();
  while (told.length < 3) await new Promise((done) => setImmediate(done));
  expect(told[2]).toMatchObject({ level: "info", code: "E_INTERRUPTED" }); // a client that goes away is no fault
  expect(told[0]).toMatchObject({ status: 200, level: "info", ms: 500, completionTokens: 40 });
  expect(told[1]).toMatchObject({ status: 200, level: "error", ms: 1500, code: "E_DEADLINE" });
  expect(await (await clocked.ask("/metrics")).text()).toContain("loragen_request_seconds_sum 2\n");
});

test("a prompt that is too long is refused in the words of the API, not of the command line", async () => {
  const long = "Say what the customer wants. ".repeat(400);
  for (const [path, body] of [
    ["/v1/gates", { prompt: long }],
    ["/v1/specializations", { name: "long", prompt: long }],
  ] as const) {
    const { error } = (await (await service.ask(path, body)).json()) as { error: object };
    expect(error).toMatchObject({
      code: "E_PROMPT",
      message: expect.stringMatching(/; truncate shortens it$/) as string,
    });
  }
});

test("a stream that its client does not read ends, and its request gives its place back", async () => {
  const told: LogLine[] = [];
  await using strict = await openTinyService(pair, { streamBytes: 2000, log: (line) => told.push(line) });
  const body = { model: "tiny-0", messages: [user("pay my bill")], max_tokens: 200, stream: true };
  const unread = await strict.ask("/v1/chat/completions", body);
  while (told.length === 0) await new Promise((done) => setImmediate(done));
  expect(told).toMatchObject([{ status: 200, level: "info", code: "E_LIMIT" }]);
  expect(strict.engine.state()).toMatchObject({ running: 0, waiting: 0 });
  const late = await unread.text(); // what had come by then, and why there is no more
  expect(late).toMatch(/^data: .*"E_LIMIT".*\n\ndata: \[DONE\]\n\n$/m);
  expect(late.length).toBeLessThan(4000);
  const read = (await strict.ask("/v1/chat/completions", { ...body, max_tokens: 20 })).text();
  expect(await read).toMatch(/data: \[DONE\]\n\n$/); // another one, which is read
});

test("who is turned away is logged: without a known key, at an address that is none; without the key and the query", async () => {
  const told: LogLine[] = [];
  const keys = {
    format: "lora-gen keys 1",
    keys: [{ name: "a", sha256: sha256("lg-a"), tenant: "a", scopes: ["read"], requestsPerMinute: 1 }],
  };
  await using closed = await openTinyService(pair, { keys: keys as never, log: (line) => told.push(line) });
  const ask = async (path: string, headers: Record<string, string> = {}, method = "GET") => {
    const asked = new Request(`http://service${path}`, { headers, method });
    return (await closed.fetch(asked, { client: "10.1.2.3" })).status;
  };
  expect(await ask("/v1/models", { authorization: "Bearer lg-guessed" })).toBe(401);
  expect(await ask("/chat/completions?key=lg-guessed", {}, "POST")).toBe(404);
  expect(await ask("/v1/chat/completions/lg-guessed")).toBe(404);
  expect(await ask("/v1/models", {}, "DELETE")).toBe(405);
  const known = { authorization: "Bearer lg-a" };
  expect(await ask("/metrics", known)).toBe(403); // a key that is known, though not allowed this
  expect(await ask("/v1/models", known)).toBe(200);
  expect(await ask("/v1/models", known)).toBe(429);
  const turnedAway = { level: "warn", client: "10.1.2.3" };
  const unknown = { ...turnedAway, route: "unknown", code: "E_NOT_FOUND" };
  expect(told).toMatchObject([
    { ...turnedAway, route: "/v1/models", status: 401, code: "E_DENIED" },
    { ...unknown, method: "POST", path: "/chat/completions", status: 404 },
    { ...unknown, path: "/v1/chat/completions/lg-…", status: 404 },
    { ...unknown, method: "DELETE", path: "/v1/models", status: 405 },
    { level: "info", status: 403, code: "E_FORBIDDEN" },
    { level: "info", tenant: "a", status: 200 },
    { level: "info", status: 429, code: "E_BUSY" },
  ]);
  expect(JSON.stringify(told)).not.toContain("guessed");
  for (const line of told.slice(4)) expect(line).not.toHaveProperty("client");
});

test("a client that goes away before its answer begins is no fault: it is logged and counted as 499", async () => {
  const from = lines.length;
  const leave = { method: "POST", signal: AbortSignal.abort() };
  for (const stream of [false, true]) {
    const body = JSON.stringify({ model: "tiny-0", messages: [user("pay my bill")], stream });
    await service.ask("/v1/chat/completions", undefined, { ...leave, body });
  }
  const left = { status: 499, level: "info", code: "E_INTERRUPTED" };
  expect(lines.slice(from)).toMatchObject([left, left]);
  expect(await (await service.ask("/metrics")).text()).not.toContain('status="503"');
});

test("a damaged file of the store is the service's fault, not the caller's", async () => {
  const damaged = async () => {
    throw new AppError("E_FORMAT", "content x: expected content of this SHA-256, found another");
  };
  await using broken = await openTinyService(pair, {}, { ...service.store, read: damaged });
  const response = await broken.ask("/v1/chat/completions", { model: "triage", messages: [user("x")] });
  expect([response.status, await response.json()]).toMatchObject([500, { error: { code: "E_DATA" } }]);
});

describe("keys", () => {
  const hashOf = (key: string) => sha256(key);
  const file = {
    format: "lora-gen keys 1" as const,
    keys: [
      { name: "a", sha256: hashOf("key-a"), tenant: "a", scopes: ["ask" as const, "read" as const, "write" as const] },
      { name: "b", sha256: hashOf("key-b"), tenant: "b", scopes: ["ask" as const, "read" as const] },
      { name: "slow", sha256: hashOf("key-slow"), tenant: "a", scopes: ["read" as const], requestsPerMinute: 2 },
    ],
  };

  test("without one nothing is told, a scope is needed, and tenants do not see each other's models", async () => {
    let time = 0;
    await using guarded = await openTinyService(pair, { keys: file, now: () => time });
    const as = (key: string | undefined, path: string, body?: unknown) =>
      guarded.ask(path, body, key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } });
    const refused = await as(undefined, "/v1/models");
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    expect((await as("wrong", "/v1/models")).status).toBe(401);
    expect((await as(undefined, "/healthz")).status).toBe(200);
    const lower = { headers: { authorization: "bearer key-a" } }; // the scheme's case means nothing
    expect((await guarded.ask("/v1/models", undefined, lower)).status).toBe(200);
    expect((await as("key-a", "/metrics")).status).toBe(403);
    expect((await as("key-b", "/v1/specializations", { name: "mine", prompt })).status).toBe(403);
    expect((await as("key-a", "/v1/specializations", { name: "mine", prompt })).status).toBe(201);
    const listed = async (key: string) =>
      ((await (await as(key, "/v1/models")).json()) as { data: { id: string }[] }).data.map(({ id }) => id);
    expect([await listed("key-a"), await listed("key-b")]).toEqual([["tiny-0", "mine"], ["tiny-0"]]);
    const question = { model: "mine", messages: [user("x")], max_tokens: 1 };
    expect((await as("key-b", "/v1/chat/completions", question)).status).toBe(404);
    expect((await guarded.openai("key-a").chat.completions.create(question)).choices).toHaveLength(1);
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await as("key-slow", "/v1/models")).status);
    time = 30_000;
    statuses.push((await as("key-slow", "/v1/models")).status);
    expect(statuses).toEqual([200, 200, 429, 200]);
  });
});

test("keys that change count from the next second on; where they cannot be read that is logged, and those of before count", async () => {
  const fileOf = (...names: string[]) => ({
    format: "lora-gen keys 1" as const,
    keys: names.map((name) => ({ name, sha256: sha256(name), tenant: name, scopes: ["read" as const] })),
  });
  let time = 0;
  let changed: () => Promise<ReturnType<typeof fileOf> | undefined> = async () => undefined;
  const told: LogLine[] = [];
  const options = { keys: fileOf("a"), changedKeys: () => changed(), now: () => time };
  await using guarded = await openTinyService(pair, { ...options, log: (line) => told.push(line) });
  const status = async (key: string) => {
    time += 1000;
    const headers = { authorization: `Bearer ${key}` };
    return (await guarded.ask("/v1/models", undefined, { headers })).status;
  };
  expect([await status("a"), await status("b")]).toEqual([200, 401]);
  changed = async () => fileOf("b");
  expect([await status("a"), await status("b")]).toEqual([401, 200]);
  changed = async () => {
    throw new AppError("E_FORMAT", "keys.json: no JSON");
  };
  expect(await status("b")).toBe(200);
  const faults = told.filter(({ level }) => level === "error");
  expect(faults).toMatchObject([{ route: "keys", error: expect.stringContaining("keys.json: no JSON") }]);
});

test("where no key is asked for, pages of other sites and other names of this machine are turned away", async () => {
  await using local = await openTinyService(pair, { hosts: ["localhost"] });
  const status = async (headers: Record<string, string>) =>
    (await local.ask("/v1/models", undefined, { headers })).status;
  expect(await status({ host: "localhost:8080" })).toBe(200);
  expect(await status({ host: "localhost:8080", origin: "http://localhost:8080" })).toBe(200);
  expect(await status({ host: "localhost:8080", origin: "https://example.org" })).toBe(403);
  expect(await status({ host: "rebound.example.org:8080" })).toBe(403);
  const loaded = { host: "localhost:8080", "sec-fetch-mode": "no-cors" }; // as an image or a script: without an origin
  for (const site of ["cross-site", "same-site"]) expect(await status({ ...loaded, "sec-fetch-site": site })).toBe(403);
  expect(await status({ ...loaded, "sec-fetch-site": "same-origin" })).toBe(200);
  const followed = { ...loaded, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
  expect(await status(followed)).toBe(200);
});

test("a service that is refused leaves no model open", async () => {
  using sessions = watchSessions();
  const { cloud: _, ...edge } = pair;
  await expect(openTinyService(edge, { cloudAnswers: true })).rejects.toMatchObject({ code: "E_USAGE" });
  expect(sessions.made()).toBe(sessions.released());
});

test("a service that is ending says so, refuses what is new and answers what is old", async () => {
  const ending = await openTinyService(pair);
  const question = { model: "tiny-0", messages: [user("pay my bill")], max_tokens: 20 };
  const old = ending.ask("/v1/chat/completions", question);
  while (ending.engine.state().running === 0) await new Promise((done) => setImmediate(done));
  const closed = ending.close();
  expect((await ending.ask("/readyz")).status).toBe(503);
  expect((await ending.ask("/v1/chat/completions", question)).status).toBe(429);
  expect((await ending.ask("/v1/specializations", { name: "late", prompt })).status).toBe(429);
  expect((await old).status).toBe(200);
  await closed;
});
