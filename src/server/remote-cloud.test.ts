/** @file Two services of one pair: one has the cloud model, the other asks it. */
import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService, testSecret } from "../../test/support/tiny-service.ts";
import { hmacSha256 } from "../base/hash.ts";
import { labelsSpec } from "../constraint/spec.ts";
import { toolsSpec } from "../constraint/tools.ts";
import type { Pair } from "../pair/pair-file.ts";
import { readMessages } from "./api/conversation.ts";
import { type RemoteOptions, remoteLimits } from "./remote.ts";
import { remoteAnswers } from "./remote-answers.ts";
import { remoteCloud } from "./remote-cloud.ts";
import { listenOn } from "./serve.ts";
import { type ServiceOptions, waitingLimits } from "./service.ts";
import type { LogLine } from "./services.ts";
import { type CloudQuestion, cloudSide } from "./sides.ts";
import type { Certificate } from "./trust/certificate.ts";

const prompt = "Say what the customer wants. The labels are: billing, delivery, refund.";

let pair: Pair;
let far: TinyService;
let near: TinyService;
const promptOf = (tenant: string, signal?: AbortSignal) => ({
  ...{ secret: undefined, constraint: undefined, truncate: undefined },
  ...{ tenant, signal },
});
/** A host that is asked and does not answer. */
const never: typeof fetch = (_, init) =>
  new Promise((_done, fail) => {
    const stop = () => fail(new Error("stopped"));
    if (init!.signal!.aborted) stop();
    init!.signal!.addEventListener("abort", stop);
  });
let isAway = false;
/** What the far host answers in the place of its own answer. */
let instead: string | undefined;
const sent: string[] = [];
const lines: LogLine[] = [];
const log = (line: LogLine) => lines.push(line);
beforeAll(async () => {
  pair = await openTinyPair();
  far = await openTinyService(pair, { secret: new Uint8Array(32).fill(9), cloudAnswers: true, log });
  const { cloud: _, ...edge } = pair;
  const elsewhere: Omit<RemoteOptions, "what"> = {
    url: "http://far/",
    key: "k",
    fetch: async (input, init) => {
      if (isAway) throw new TypeError("fetch failed");
      if (instead !== undefined) return new Response(instead);
      sent.push(`${new Headers(init!.headers).get("authorization")} ${String(init!.body ?? input)}`);
      return far.fetch(new Request(input as string, init));
    },
  };
  const cloudAnswers = remoteAnswers(edge, elsewhere);
  near = await openTinyService(edge, { cloud: remoteCloud(edge, elsewhere), cloudAnswers, log });
});
afterAll(async () => {
  await near.close();
  await far.close();
});

test("the gates are those of the host with the cloud model; secret and constraint are our own", async () => {
  expect((await near.ask("/v1/specializations", { name: "triage", prompt })).status).toBe(201);
  expect((await far.ask("/v1/specializations", { name: "triage", prompt })).status).toBe(201);
  const [ours, theirs] = await Promise.all(
    [near, far].map(async ({ store }) => store.read((await store.resolve("main", "triage")).object)),
  );
  expect(ours!.gates).toEqual(theirs!.gates);
  expect(ours!.constraint).toEqual(theirs!.constraint);
  expect(ours!.promptHmac).toBe(hmacSha256(testSecret, prompt));
  expect(sent).toEqual(["Bearer k http://far/v1/gates", `Bearer k ${JSON.stringify({ prompt })}`]);
});

test("an answer that cannot be read is told as that host's fault, not the caller's", async () => {
  instead = "{}";
  const refused = await near.ask("/v1/specializations", { name: "unread", prompt: "Say yes or no." });
  instead = undefined;
  expect([refused.status, await refused.json()]).toMatchObject([503, { error: { code: "E_IO" } }]);
});

test("gates alone are given to whoever may make specialisations, and nothing is kept", async () => {
  const before = (await far.store.verify()).objects;
  const response = await far.ask("/v1/gates", { prompt });
  expect(await response.json()).not.toHaveProperty("promptHmac");
  expect((await far.store.verify()).objects).toBe(before);
  const refused = await near.ask("/v1/specializations", { name: "empty", prompt: " " });
  expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("expected text")]);
});

test("a service whose cloud model is itself, or one that asks it, says so at once", async () => {
  const { cloud: _, ...edge } = pair;
  let asked = 0;
  const fetch: RemoteOptions["fetch"] = async (input, init) => {
    asked++;
    return circle.fetch(new Request(input as string, init));
  };
  await using circle = await openTinyService(edge, { cloud: remoteCloud(edge, { url: "http://circle", fetch }) });
  const passedOn = await circle.ask("/v1/gates", { prompt });
  expect([passedOn.status, await passedOn.json()]).toMatchObject([404, { error: { code: "E_NOT_FOUND" } }]);
  const refused = await circle.ask("/v1/specializations", { name: "circle", prompt });
  const error = { code: "E_IO", message: expect.stringContaining("the cloud model is on another host") };
  expect([refused.status, await refused.json(), asked]).toMatchObject([503, { error }, 1]);
});

test.each([
  ["an error", async () => new Response("", { status: 500 }), "E_IO", "found 500"],
  ["too much to do", async () => new Response("", { status: 429 }), "E_BUSY", "again later"],
  ["a deadline of its own", async () => new Response("", { status: 504 }), "E_DEADLINE", "in time"],
  ["something else", async () => new Response("{}"), "E_IO", "cloud"],
  ["too much", async () => new Response(new Uint8Array(remoteLimits.answerBytes + 1)), "E_IO", "found more"],
  ["nothing", async () => Promise.reject(new TypeError("fetch failed")), "E_IO", "cannot be reached"],
])("a host that answers with %s", async (_, fetch, code, message) => {
  const { specialize } = remoteCloud(pair, { url: "http://far", fetch });
  const asked = specialize(prompt, promptOf("main"));
  await expect(asked).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
});

test("prompts with the other host are bounded for each tenant, and waited for at the end", async () => {
  let end: () => void = () => undefined;
  const held = new Promise<void>((done) => {
    end = done;
  });
  const fetch = async () => held.then(() => new Response("{}"));
  const { specialize, close } = remoteCloud(pair, { url: "http://far", fetch });
  const of = (tenant: string) => specialize(prompt, promptOf(tenant));
  const asked = Promise.allSettled(Array.from({ length: remoteLimits.prompts.ofTenant }, () => of("main")));
  await expect(of("main")).rejects.toMatchObject({ code: "E_BUSY" });
  const theirs = Promise.allSettled([of("other")]);
  const closed = close();
  await expect(of("third")).rejects.toMatchObject({ code: "E_BUSY" });
  end();
  await closed;
  for (const each of [...(await asked), ...(await theirs)]) expect(each).toMatchObject({ reason: { code: "E_IO" } });
});

test("prompts of all tenants with the other host are no more than have places there", async () => {
  const { prompts } = remoteLimits;
  expect(prompts.all).toBeLessThanOrEqual(waitingLimits.ofTenant);
  expect(prompts.ofTenant * 2).toBeLessThan(prompts.all);
  const { specialize } = remoteCloud(pair, { url: "http://far", fetch: never });
  const leave = new AbortController();
  const asked = Array.from({ length: prompts.all }, (_, i) => specialize(prompt, promptOf(`${i}`, leave.signal)));
  await expect(specialize(prompt, promptOf("late"))).rejects.toMatchObject({ code: "E_BUSY" });
  leave.abort();
  const ended = await Promise.allSettled(asked);
  for (const each of ended) expect(each).toMatchObject({ reason: { code: "E_INTERRUPTED" } });
});

test("a client that leaves gives back its place with the other host, and the end does not wait for it", async () => {
  const { cloud: _, ...edge } = pair;
  let asked = 0;
  const fetchNever: typeof fetch = (input, init) => {
    asked++;
    return never(input, init);
  };
  const told: LogLine[] = [];
  const cloud = remoteCloud(edge, { url: "http://far", fetch: fetchNever });
  const waiting = await openTinyService(edge, { cloud, log: (line) => told.push(line) });
  const { url, close } = await listenOn(waiting.fetch, { host: "127.0.0.1", port: 0 });
  const body = JSON.stringify({ name: "slow", prompt });
  const { ofTenant } = remoteLimits.prompts;
  const patient = { timeout: 20_000 };
  for (let count = ofTenant; count <= 2 * ofTenant; count += ofTenant) {
    const leave = new AbortController();
    const ask = { method: "POST", body, signal: leave.signal };
    const answers = Array.from({ length: ofTenant }, () => fetch(`${url}/v1/specializations`, ask));
    const settled = Promise.allSettled(answers);
    await vi.waitFor(() => expect(asked).toBe(count), patient);
    leave.abort();
    await settled;
    await vi.waitFor(() => expect(told.filter(({ status }) => status === 499)).toHaveLength(count), patient);
  }
  await Promise.all([close(), waiting.close()]);
});

describe("without a listener a prompt with the other host", () => {
  const body = { name: "slow", prompt };
  const open = (options: ServiceOptions, fetch = never) => {
    const { cloud: _, ...edge } = pair;
    return openTinyService(edge, { cloud: remoteCloud(edge, { url: "http://far", fetch }), ...options });
  };

  test("has the time that the caller gives it, and the end waits no longer", async () => {
    const waiting = await open({ promptMs: 1 });
    const refused = await waiting.ask("/v1/specializations", body);
    const error = { code: "E_DEADLINE", message: expect.stringContaining("1 ms") };
    expect([refused.status, await refused.json()]).toMatchObject([504, { error }]);
    await waiting.close();
  });

  test("ends where the caller calls it off, and so does the wait for the end", async () => {
    let begin = (): void => undefined;
    const begun = new Promise<void>((done) => {
      begin = done;
    });
    const waiting = await open({}, (input, init) => {
      begin();
      return never(input, init);
    });
    const leave = new AbortController();
    const refused = waiting.ask("/v1/specializations", body, { signal: leave.signal });
    await begun;
    const closed = waiting.close();
    leave.abort();
    expect(await (await refused).json()).toMatchObject({ error: { code: "E_INTERRUPTED" } });
    await closed;
  });
});

test("a host with another pair is found out", async () => {
  const { specialize } = remoteCloud(await openTinyPair({ seed: 5 }), {
    url: "http://far",
    fetch: async (input, init) => far.fetch(new Request(input as string, init)),
  });
  const asked = specialize(prompt, promptOf("main"));
  await expect(asked).rejects.toMatchObject({ code: "E_IO", cause: { code: "E_MISMATCH" } });
});

describe("the ladder's highest rung", () => {
  const labels = [..."abcdefghijklmnopqrstuvwxyz0123456789"];
  const user = (content: string) => ({ role: "user", content });
  const inputs = ["pay my bill", "where is my parcel", "hello", "my money"].flatMap((text) =>
    Array.from({ length: 5 }, (_, i) => `${text}${"!".repeat(i)}`),
  );
  const certificatePath = "/v1/specializations/hard/certificate";

  /** What the host with the cloud model answers for itself. */
  async function farAnswer(input: string, more: object = {}) {
    const messages = [{ role: "system", content: prompt }, user(input)];
    const body = { model: "cloud", messages, constraint: { kind: "labels", labels }, max_tokens: 128, ...more };
    const response = await far.ask("/v1/cloud/chat/completions", body);
    return (await response.json()) as OpenAI.ChatCompletion;
  }
  async function certified(examples: readonly object[]): Promise<Certificate> {
    const body = { examples, prompt, threshold: 1, fallback: true };
    expect((await near.ask(certificatePath, body)).status).toBe(202);
    for (;;) {
      const found = (await (await near.ask(certificatePath)).json()) as { status: string; certificate: Certificate };
      if (found.status !== "running") return found.certificate;
      await new Promise((done) => setImmediate(done));
    }
  }

  test("is tried and answers on the host with the cloud model, whole and streamed, and no log has the prompt", async () => {
    await near.ask("/v1/specializations", { name: "hard", prompt, options: { labels } });
    const wanted = await Promise.all(inputs.map((input) => farAnswer(input, { logprobs: true, top_logprobs: 2 })));
    const textOf = ({ choices }: OpenAI.ChatCompletion) => choices[0]!.message.content!;
    const examples = inputs.map((input, i) => ({ input, output: textOf(wanted[i]!) }));
    isAway = true;
    const without = await certified(examples);
    expect(without).toMatchObject({ rung: null, notTried: { cloud: "cloud: cannot be reached" } });
    isAway = false;
    expect(await certified(examples)).toMatchObject({ rung: "cloud", answers: "cloud" });
    const openai = near.openai();
    const body = { model: "hard", messages: [{ role: "user" as const, content: inputs[0]! }], logprobs: true };
    const { data, response } = await openai.chat.completions.create({ ...body, top_logprobs: 2 }).withResponse();
    expect(response.headers.get("x-loragen-rung")).toBe("cloud");
    expect([data.model, data.choices, data.usage]).toEqual(["hard@1", wanted[0]!.choices, wanted[0]!.usage]);
    let [text, asked] = ["", 0];
    const options = { stream: true, stream_options: { include_usage: true } } as const;
    for await (const { choices, usage } of await openai.chat.completions.create({ ...body, ...options })) {
      text += choices[0]?.delta.content ?? "";
      asked = usage?.prompt_tokens ?? asked;
    }
    expect([text, asked]).toEqual([textOf(wanted[0]!), wanted[0]!.usage!.prompt_tokens]);
    expect(lines.filter(({ route }) => route.includes("/cloud/")).length).toBeGreaterThan(inputs.length);
    expect(JSON.stringify(lines)).not.toContain("customer wants");
    expect(sent.every((each) => each.startsWith("Bearer k "))).toBe(true);
  });

  test("is refused with a code while that host is away, and answers again after it", async () => {
    isAway = true;
    const refused = await near.ask("/v1/chat/completions", { model: "hard", messages: [user("hello")] });
    expect([refused.status, await refused.json()]).toMatchObject([503, { error: { code: "E_IO" } }]);
    isAway = false;
    const long = user("word ".repeat(600));
    const tooLong = await near.ask("/v1/chat/completions", { model: "hard", messages: [long], stream: true });
    expect([tooLong.status, await tooLong.json()]).toMatchObject([400, { error: { code: "E_LIMIT" } }]);
    expect((await near.ask("/v1/chat/completions", { model: "hard", messages: [user("hello")] })).status).toBe(200);
  });

  test("is not given where a host was not told to, nor passed on to a third host", async () => {
    const body = { model: "cloud", messages: [user("x")] };
    const before = sent.length;
    expect([(await near.ask("/v1/cloud/chat/completions", body)).status, sent.length]).toEqual([404, before]);
    await using closed = await openTinyService(pair);
    expect((await closed.ask("/v1/cloud/chat/completions", body)).status).toBe(404);
  });

  const question: CloudQuestion = {
    conversation: { prompt, history: [{ input: "hi", output: "ho" }], input: "hello" },
    constraint: undefined,
    ...{ sampled: {}, maxTokens: 4, logprobs: undefined, tenant: "main", deadline: undefined, signal: undefined },
  };
  test("is refused by a host whose cloud model is not this host's file, or without one here not the one trained over", async () => {
    const { cloud, ...edge } = pair;
    const over = (sha256: string) => {
      const generator = { ...edge.generator, trainedOver: { cloud: sha256, edge: edge.edge.sha256 } };
      const fetch: RemoteOptions["fetch"] = async (input, init) => far.fetch(new Request(input as string, init));
      return remoteAnswers({ ...edge, generator }, { url: "http://far", fetch, key: "k" }).answer(question);
    };
    expect((await over(cloud.sha256)).usage.completion_tokens).toBeGreaterThan(0);
    await expect(over("0".repeat(64))).rejects.toThrow("expected a host of the same pair");
    const whole = { ...pair, cloud: { ...cloud, sha256: "0".repeat(64) } };
    const fetch: RemoteOptions["fetch"] = async (input, init) => far.fetch(new Request(input as string, init));
    const { answer } = remoteAnswers(whole, { url: "http://far", fetch, key: "k" });
    await expect(answer(question)).rejects.toThrow("expected a host of the same pair");
  });

  test("reads calls with their results, and calls tools, as it does on the same machine", async () => {
    const fetch: RemoteOptions["fetch"] = async (input, init) => far.fetch(new Request(input as string, init));
    const there = remoteAnswers(pair, { url: "http://far", fetch, key: "k" });
    const here = cloudSide(pair, { threads: 1 });
    const called = { name: "pay", arguments: '{"amount": 3}' };
    const conversation = readMessages([
      { role: "system", content: prompt },
      { role: "user", content: "pay" },
      { role: "assistant", tool_calls: [{ id: "1", type: "function", function: called }] },
      { role: "tool", tool_call_id: "1", content: "paid" },
    ]);
    const tools = [{ name: "pay", parameters: { properties: { amount: { enum: [1, 2] } }, required: ["amount"] } }];
    for (const instead of [undefined, "text", labelsSpec(labels)] as const) {
      const asked = { ...question, conversation, constraint: toolsSpec(tools, instead), maxTokens: 30 };
      const wanted = await here.answer(asked);
      expect(wanted.text.startsWith('{"name": "pay"')).toBe(instead === undefined);
      for (const onPiece of [undefined, () => undefined]) {
        const { text, usage } = await there.answer(asked, onPiece);
        expect([text, usage]).toEqual([wanted.text, wanted.usage]);
      }
    }
    await here.close();
  });

  test("is asked so much at once and no more, and no more at the end, which waits for what is under way", async () => {
    const { answer, close } = remoteAnswers(pair, { url: "http://far", fetch: never });
    const leave = new AbortController();
    const asked = { ...question, signal: leave.signal };
    const running = Promise.allSettled(Array.from({ length: remoteLimits.questions.ofTenant }, () => answer(asked)));
    await expect(answer(question)).rejects.toMatchObject({ code: "E_BUSY" });
    const closed = close();
    await expect(answer({ ...question, tenant: "other" })).rejects.toMatchObject({ code: "E_BUSY" });
    leave.abort();
    await closed;
    expect((await running).every(({ status }) => status === "rejected")).toBe(true);
  });
  const half = `data: ${JSON.stringify({ system_fingerprint: "x", choices: [] })}\n\n`;
  test.each<[string, typeof fetch, Partial<CloudQuestion>, string]>([
    ["says nothing in time", never, { deadline: 5 }, "E_DEADLINE"],
    ["is asked by one who goes away", never, { signal: AbortSignal.abort() }, "E_INTERRUPTED"],
    ["has too much to do", async () => new Response("", { status: 429 }), {}, "E_BUSY"],
    ["has another pair", async () => new Response(half), {}, "E_IO"],
    ["does not end", async () => new Response("data: "), {}, "E_IO"],
    ["fails halfway", async () => new Response('data: {"error": {"code": "E_NAN"}}\n\n'), {}, "E_IO"],
    ["says something else", async () => new Response("data: {}\n\n"), {}, "E_IO"],
    ["does not know the address", async () => new Response("", { status: 404 }), {}, "E_IO"],
  ])("of a host that %s ends in a code, without the prompt", async (_, fetch, more, code) => {
    const { answer } = remoteAnswers(pair, { url: "http://far", fetch, now: () => 0 });
    const asked = answer({ ...question, ...more }, () => undefined);
    await expect(asked).rejects.toMatchObject({ code, message: expect.not.stringContaining("customer") });
  });
});
