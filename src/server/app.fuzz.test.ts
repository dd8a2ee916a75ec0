/** @file 2,000 requests that are nearly right: each is answered or refused with a reason, and the service goes on. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService } from "../../test/support/tiny-service.ts";
import { createRng, type Rng } from "../base/rng.ts";
import { type Route, routes } from "./app.ts";

let service: TinyService;
beforeAll(async () => {
  service = await openTinyService(await openTinyPair(), { cloudAnswers: true });
  await service.ask("/v1/specializations", { name: "triage", prompt: "Say what the customer wants." });
});
afterAll(() => service.close());

const user = { role: "user", content: "pay my bill" };
const schema = { type: "object", properties: { a: { type: "boolean" } }, required: ["a"], additionalProperties: false };
const seeds: readonly (readonly [method: string, path: string, body: object | undefined])[] = [
  ["POST", "/v1/chat/completions", { model: "triage", messages: [user], max_tokens: 1, stream: true, stop: ["x"] }],
  [
    "POST",
    "/v1/chat/completions",
    {
      model: "tiny-0",
      messages: [{ role: "system", content: "Be short." }, user],
      max_tokens: 2,
      temperature: 1,
      top_p: 0.5,
      seed: 3,
      logprobs: true,
      top_logprobs: 2,
    },
  ],
  [
    "POST",
    "/v1/chat/completions",
    {
      model: "triage@1",
      messages: [user],
      max_tokens: 3,
      response_format: { type: "json_schema", json_schema: { name: "a", schema } },
    },
  ],
  [
    "POST",
    "/v1/chat/completions",
    {
      model: "triage",
      messages: [user],
      max_tokens: 3,
      tools: [{ type: "function", function: { name: "f", parameters: schema } }],
      tool_choice: "auto",
    },
  ],
  [
    "POST",
    "/v1/chat/completions",
    {
      model: "tiny-0",
      messages: [
        user,
        {
          role: "assistant",
          content: null,
          tool_calls: ["1", "2"].map((id) => ({ id, type: "function", function: { name: "f", arguments: "{}" } })),
        },
        { role: "tool", tool_call_id: "2", content: "paid" },
        { role: "tool", tool_call_id: "1", content: [{ type: "text", text: "asked" }] },
      ],
      max_tokens: 3,
      stream: true,
      tools: [
        {
          type: "function",
          function: {
            name: "f",
            parameters: {
              type: "object",
              properties: { a: { $ref: "#/$defs/a" }, b: { $ref: "#/properties/a" } },
              $defs: { a: { anyOf: [{ $ref: "#/$defs/b" }] }, b: { type: "string" } },
            },
            strict: true,
          },
        },
      ],
      tool_choice: { type: "function", function: { name: "f" } },
      parallel_tool_calls: false,
    },
  ],
  ["POST", "/v1/completions", { model: "triage", prompt: "the weather", max_tokens: 2, logprobs: 1, echo: false }],
  [
    "POST",
    "/v1/specializations",
    { name: "triage", prompt: "Say what the customer wants.", options: { labels: ["a", "b"] } },
  ],
  ["POST", "/v1/specializations/triage/rollback", { version: 1 }],
  ["POST", "/v1/aliases", { name: "other", target: "triage" }],
  ["POST", "/v1/load_lora_adapter", { lora_name: "l", lora_path: "../../etc" }],
  ["PUT", "/v1/specializations/pushed", { format: "lora-gen specialization 2", layers: 2, gates: "AAAA" }],
  [
    "POST",
    "/v1/cloud/chat/completions",
    { model: "cloud", messages: [user], max_tokens: 2, constraint: { kind: "labels", labels: ["a", "b"] } },
  ],
  [
    "POST",
    "/v1/cloud/chat/completions",
    {
      model: "cloud",
      messages: [user],
      max_tokens: 2,
      constraint: { kind: "tools", tools: [{ name: "f", parameters: schema }], instead: "text" },
    },
  ],
  ["POST", "/v1/gates", { prompt: "Say what the customer wants.", truncate: "left" }],
  ["POST", "/v1/embeddings", { model: "triage", input: "the weather" }],
  ["POST", "/v1/unload_lora_adapter", { lora_name: "pushed" }],
  [
    "POST",
    "/v1/specializations/triage/certificate",
    { examples: [{ input: "pay", output: "a" }], prompt: "Say what the customer wants.", scorer: "exact", refine: 4 },
  ],
  ["POST", "/v1/specializations/triage@1/why", { prompt: "Say what the customer wants. Be brief." }],
  ...[
    "/healthz",
    "/readyz?store=required",
    "/metrics",
    "/openapi.json",
    "/v1/models",
    "/v1/models/triage@1",
    "/v1/gates",
    "/v1/specializations",
    "/v1/specializations/triage@1",
    "/v1/specializations/triage@1/diff?against=other",
    "/v1/specializations/triage/certificate",
    "/v1/specializations/triage/why",
    "/v1/specializations/triage/export?format=peft",
  ].map((path) => ["GET", path, undefined] as const),
  ["DELETE", "/v1/specializations/pushed", undefined],
  ["DELETE", "/v1/specializations/triage/certificate", undefined],
];

const oddities: readonly unknown[] = [
  null,
  -1,
  0,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER,
  "",
  "x",
  "\0",
  "\ud800",
  "__proto__",
  [],
  [[]],
  {},
  true,
  "a".repeat(5000),
  { type: "string", pattern: "(a+)+$" },
  { $ref: "#/$defs/x" },
  ["a", "a"],
];

/** A value with one of its parts replaced, left out or doubled. */
function mutated(value: unknown, rng: Rng): unknown {
  if (Array.isArray(value) && value.length > 0 && rng.next() < 0.8) {
    const at = rng.int(value.length);
    const copy = value.map((each, i) => (i === at ? mutated(each, rng) : (each as unknown)));
    return rng.next() < 0.2 ? [...copy, ...copy] : copy;
  }
  if (value !== null && typeof value === "object" && Object.keys(value).length > 0 && rng.next() < 0.9) {
    const key = rng.pick(Object.keys(value));
    const { [key]: chosen, ...rest } = value as Record<string, unknown>;
    const dice = rng.next();
    if (dice < 0.1) return rest;
    if (dice < 0.2) return { ...rest, [String(rng.pick(oddities)).slice(0, 20)]: chosen };
    return { ...rest, [key]: mutated(chosen, rng) };
  }
  return rng.pick(oddities);
}

/** The text itself damaged. */
function torn(text: string, rng: Rng): string {
  const at = rng.int(text.length + 1);
  const dice = rng.int(3);
  if (dice === 0) return text.slice(0, at);
  if (dice === 1) return text.slice(0, at) + rng.pick(['"', "{", "]", "\\", "\u0000", "9e999"]) + text.slice(at);
  return text.slice(0, at) + text.slice(at + 1 + rng.int(5));
}

/** A part of a path or of its query replaced, left out or damaged. */
function mutatedPath(path: string, rng: Rng): string {
  const parts = path.split(/(?<=[/?=@])/);
  const at = rng.int(parts.length);
  const odd = rng.pick([
    "..",
    "%00",
    "%ff",
    "%2e%2e%2f",
    "triage@0",
    "triage@999999999",
    "@",
    "?",
    "x".repeat(300),
    "",
  ]);
  return `/${parts.map((part, i) => (i === at ? odd : part)).join("")}`.replace(/^\/+/, "/");
}

test("requests to every route are among them", () => {
  const isAsked = ({ method, path }: Route): boolean =>
    seeds.some(([as, to]) => {
      const pattern = new RegExp(`^${path.replace(":name", "[^/]+")}(?:\\?.*)?$`);
      return as.toLowerCase() === method && pattern.test(to);
    });
  expect(routes.filter((route) => !isAsked(route))).toEqual([]);
});

test("every one has a status below 500, or an event that says what went wrong", async () => {
  const rng = createRng("requests");
  const found: string[] = [];
  const statuses = new Map<number, number>();
  let chats = 0;
  for (let i = 0; i < 2000; i++) {
    const [method, seed, body] = rng.pick(seeds);
    const path = rng.next() < (body === undefined ? 0.9 : 0.1) ? mutatedPath(seed, rng) : seed;
    const text = body && JSON.stringify(rng.next() < 0.1 ? body : mutated(body, rng));
    const sent = text !== undefined && rng.next() < 0.2 ? torn(text, rng) : text;
    const response = await service.ask(path, sent, { method, ...(sent === undefined ? {} : { body: sent }) });
    const answer = await response.text();
    statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    if (response.status === 200 && path.endsWith("/chat/completions")) chats++;
    if (response.status >= 500)
      found.push(`${response.status} ${method} ${path} ${sent?.slice(0, 300)} ${answer.slice(0, 300)}`);
    if (response.status >= 400 && !answer.includes('"message"'))
      found.push(`no reason: ${method} ${path} ${sent?.slice(0, 300)}`);
  }
  expect(found).toEqual([]);
  expect([...statuses.keys()].sort()).toEqual(expect.arrayContaining([200, 400, 404]));
  expect(chats).toBeGreaterThan(12);
  const isBusy = () => service.engine.state().running + service.engine.state().waiting > 0;
  const latest = Date.now() + 60_000;
  while (isBusy() && Date.now() < latest) await new Promise((done) => setImmediate(done)); // the last certificate ends
  expect(isBusy()).toBe(false);
  expect((await service.store.verify()).damaged).toEqual([]);
});
