/** @file The service asked by the clients that people have: the `openai` package and the AI SDK. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, Output, streamText, tool } from "ai";
import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService } from "../../test/support/tiny-service.ts";
import { scaleConfidence } from "../decode/confidence.ts";
import { createAnswerer } from "../pair/answer.ts";
import type { Pair } from "../pair/pair-file.ts";
import { specializationLimits } from "../pair/specialization.ts";
import { maxBodyBytes } from "./body.ts";

const prompt = "Say what the customer wants.";
const user = (content: string) => ({ role: "user" as const, content });

let pair: Pair;
let service: TinyService;
let openai: OpenAI;
beforeAll(async () => {
  pair = await openTinyPair();
  service = await openTinyService(pair);
  openai = service.openai();
  await service.ask("/v1/specializations", { name: "triage", prompt });
  await service.ask("/v1/specializations", {
    name: "labels",
    prompt,
    options: { labels: ["refund", "billing question", "delivery"] },
  });
});
afterAll(() => service.close());

const chat = (body: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {}) =>
  openai.chat.completions.create({ model: "triage", messages: [user("pay my bill")], max_tokens: 8, ...body });

describe("the openai package", () => {
  test("lists the base model and every name", async () => {
    const { data } = await openai.models.list();
    expect(data.map(({ id }) => id)).toEqual(["tiny-0", "labels", "triage"]);
  });

  test("retrieves one of them: the base model, a name, a version, another name; and is told of one that is not there", async () => {
    await service.ask("/v1/specializations", { name: "shown", prompt: "Answer in capitals." });
    await service.ask("/v1/specializations", { name: "shown", prompt: "Count the words of the message." });
    await service.ask("/v1/aliases", { name: "shown-live", target: "shown@1" });
    const listed = (await openai.models.list()).data;
    for (const id of ["tiny-0", "shown", "shown-live"])
      expect(await openai.models.retrieve(id)).toEqual(listed.find((model) => model.id === id));
    const version = { id: "shown@1", object: "model", root: "shown@1", parent: "tiny-0" };
    expect(await openai.models.retrieve("shown@1")).toMatchObject(version);
    for (const id of ["nobody", "shown@7", "Not A Name", "team/shown"])
      await expect(openai.models.retrieve(id)).rejects.toMatchObject({ status: 404, code: "E_NOT_FOUND" });
    for (const name of ["shown-live", "shown"])
      await service.ask(`/v1/specializations/${name}`, undefined, { method: "DELETE" });
  });

  test("gets the answer that the answerer of the merged model gives, and what was saved", async () => {
    const { version: _, ...resolved } = await service.store.resolve("main", "triage");
    const specialization = await service.store.read(resolved.object);
    await using answerer = await createAnswerer(pair, { specialization, threads: 1 });
    const wanted = await answerer.answer("pay my bill", { maxTokens: 8 });
    const { choices, usage, model } = await chat();
    expect(choices[0]!.message).toMatchObject({ role: "assistant", content: wanted.text });
    expect(model).toBe("triage@1");
    expect(usage).toEqual({
      prompt_tokens: wanted.inputTokens,
      completion_tokens: wanted.outputTokens,
      total_tokens: wanted.inputTokens + wanted.outputTokens,
      tokens_saved: specialization.promptTokens,
    });
  });

  test("gets turns before, and a prompt in front of the base model", async () => {
    await using answerer = await createAnswerer(pair, { prompt: "Be short.", threads: 1 });
    const history = [{ input: "hello", output: "hi" }];
    const wanted = await answerer.answer("pay my bill", { maxTokens: 8, history });
    const messages = [
      { role: "system" as const, content: "Be short." },
      user("hello"),
      { role: "assistant" as const, content: "hi" },
      user("pay my bill"),
    ];
    const { choices, usage } = await chat({ model: "tiny-0", messages });
    expect([choices[0]!.message.content, usage!.prompt_tokens]).toEqual([wanted.text, wanted.inputTokens]);
  });

  test("streams the pieces of the same answer, its end and its usage", async () => {
    const whole = await chat();
    const stream = await openai.chat.completions.create({
      model: "triage",
      messages: [user("pay my bill")],
      max_tokens: 8,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(
      whole.choices[0]!.message.content,
    );
    expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe(whole.choices[0]!.finish_reason);
    expect(chunks.at(-1)!.usage).toEqual(whole.usage);
  });

  test("gets the same draw for the same seed, and another for another", async () => {
    const drawn = async (seed: number) =>
      (await chat({ temperature: 2, seed, max_tokens: 12 })).choices[0]!.message.content;
    expect(await drawn(1)).toBe(await drawn(1));
    expect(await drawn(2)).not.toBe(await drawn(1));
  });

  test("gets text up to a stop string, and no more tokens than it asks for", async () => {
    const { choices } = await chat({ max_tokens: 12 });
    const text = choices[0]!.message.content!;
    expect(choices[0]!.finish_reason).toBe("length");
    const stop = text.slice(5, 7);
    const stopped = (await chat({ max_tokens: 12, stop })).choices[0]!;
    expect([stopped.message.content, stopped.finish_reason]).toEqual([text.slice(0, text.indexOf(stop)), "stop"]);
    expect((await chat({ max_tokens: 3 })).usage!.completion_tokens).toBe(3);
  });

  test("gets log-probabilities: the chosen token is the likeliest, and they are probabilities", async () => {
    const { choices } = await chat({ logprobs: true, top_logprobs: 3, max_tokens: 4 });
    const content = choices[0]!.logprobs!.content!;
    expect(content).toHaveLength(4);
    for (const { token, logprob, top_logprobs: top } of content) {
      expect(top).toHaveLength(3);
      expect(top[0]).toMatchObject({ token, logprob });
      expect(top.map((each) => each.logprob)).toEqual(top.map((each) => each.logprob).sort((a, b) => b - a));
      expect(logprob).toBeLessThan(0);
    }
  });

  test("gets one of the labels that a specialisation brings along, with its probability, streamed or not", async () => {
    const { choices } = await chat({ model: "labels" });
    expect(["refund", "billing question", "delivery"]).toContain(choices[0]!.message.content);
    expect((choices[0] as unknown as { confidence: number }).confidence).toBeGreaterThan(0);
    const stream = await openai.chat.completions.create({
      model: "labels",
      messages: [user("pay my bill")],
      stream: true,
    });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    expect(text).toBe(choices[0]!.message.content);
  });

  test("gets the probability at the temperature that was fitted for the pair's specialised models, the base model's as it is", async () => {
    await using fitted = await openTinyService({ ...pair, confidenceTemperature: 2 }, {}, service.store);
    const messages = [user("pay my bill")];
    const confidences = async (asked: TinyService) => {
      const found = [];
      for (const body of [{ model: "labels" }, { model: "tiny-0", constraint_of: "labels" }])
        for (const stream of [false, true]) {
          const text = await (await asked.ask("/v1/chat/completions", { ...body, messages, stream })).text();
          found.push(Number(/"confidence":([\d.e-]+)/.exec(text)?.[1]));
        }
      return found;
    };
    const [plain, streamed, base] = await confidences(service);
    expect(streamed).toBeCloseTo(plain!, 5);
    const scaled = scaleConfidence(plain!, 2);
    expect(Math.abs(scaled - plain!)).toBeGreaterThan(0.001); // else this test could not fail
    const found = await confidences(fitted);
    for (const [i, wanted] of [scaled, scaled, base!, base!].entries()) expect(found[i]).toBeCloseTo(wanted, 5);
  });

  test("gets JSON of the schema it asks for", async () => {
    const schema = {
      type: "object",
      properties: { intent: { enum: ["pay", "ask"] }, urgent: { type: "boolean" } },
      required: ["intent", "urgent"],
      additionalProperties: false,
    };
    const { choices } = await chat({
      max_tokens: 60,
      response_format: { type: "json_schema", json_schema: { name: "intent", schema, strict: true } },
    });
    const found = JSON.parse(choices[0]!.message.content!) as { intent: string; urgent: boolean };
    expect(["pay", "ask"]).toContain(found.intent);
    expect(typeof found.urgent).toBe("boolean");
  });

  const tools = ["pay", "ask"].map((name) => ({
    type: "function" as const,
    function: {
      name,
      parameters: {
        type: "object",
        properties: { amount: { type: "integer", minimum: 1, maximum: 9 } },
        required: ["amount"],
        additionalProperties: false,
      },
    },
  }));

  test("gets a call of one of its tools, of the one it names, or none", async () => {
    const { choices } = await chat({ tools, tool_choice: "required", max_tokens: 60 });
    expect(choices[0]!.finish_reason).toBe("tool_calls");
    const call = choices[0]!.message.tool_calls![0]!;
    if (call.type !== "function") throw new Error("expected a call of a function");
    expect(["pay", "ask"]).toContain(call.function.name);
    expect((JSON.parse(call.function.arguments) as { amount: number }).amount).toBeGreaterThan(0);
    const named = await chat({ tools, tool_choice: { type: "function", function: { name: "ask" } }, max_tokens: 60 });
    expect(named.choices[0]!.message.tool_calls![0]).toMatchObject({ function: { name: "ask" } });
    const free = await chat({ tools, tool_choice: "none" });
    expect(free.choices[0]!.message.content).toBe((await chat()).choices[0]!.message.content);
  });

  test("gets what there is as text where a stop string cuts a call off", async () => {
    const parameters = { type: "object", properties: { q: { type: "string" } }, required: ["q"] };
    const tools = [{ type: "function" as const, function: { name: "search", parameters } }];
    const { choices } = await chat({ tools, tool_choice: "required", stop: ['"'], max_tokens: 200 });
    expect(choices[0]!.message.tool_calls).toBeUndefined();
    expect(choices[0]!.message.content).not.toContain('"');
  });

  test("gets raw completions, streamed or not, with log-probabilities", async () => {
    const body = { model: "triage", prompt: "the weather is", max_tokens: 5 };
    const { choices } = await openai.completions.create({ ...body, logprobs: 2 });
    expect(choices[0]!.logprobs!.tokens).toHaveLength(5);
    let text = "";
    const offsets: number[] = [];
    for await (const chunk of await openai.completions.create({ ...body, logprobs: 2, stream: true })) {
      text += chunk.choices[0]!.text;
      offsets.push(...(chunk.choices[0]!.logprobs?.text_offset ?? []));
    }
    expect([text, offsets]).toEqual([choices[0]!.text, choices[0]!.logprobs!.text_offset]);
  });

  test.each([
    ["a model that is not there", { model: "nobody" }, 404, "not found"],
    ["a model that has no such version", { model: "triage@7" }, 404, "no version 7"],
    ["no user's message", { messages: [{ role: "system" as const, content: prompt }] }, 400, "message of the user"],
    ["two answers", { n: 2 }, 400, "n: not supported"],
    ["JSON of any form", { response_format: { type: "json_object" as const } }, 400, "json_schema"],
    ["more than the context", { messages: [user("word ".repeat(600))] }, 400, "at most 256 tokens"],
    ["a penalty", { presence_penalty: 1 }, 400, "presence_penalty"],
    ["a bias of tokens", { logit_bias: { "1": 5 } }, 400, "logit_bias"],
    ["a key of vLLM's", { guided_choice: ["yes", "no"] } as object, 400, "guided_choice"],
  ])("is told why %s is refused", async (_, body, status, why) => {
    await expect(chat(body)).rejects.toMatchObject({ status, message: expect.stringContaining(why) });
  });

  test("may send values that change nothing", async () => {
    expect((await chat({ n: 1, logit_bias: {}, presence_penalty: 0 })).choices).toEqual((await chat()).choices);
  });

  test("is told that there are no embeddings", async () => {
    await expect(openai.embeddings.create({ model: "triage", input: "x" })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining("embeddings: not offered"),
    });
  });

  test("a system message must be the prompt that the model stands for", async () => {
    const asked = (content: string) => chat({ messages: [{ role: "system", content }, user("pay my bill")] });
    expect((await asked(prompt)).choices).toEqual((await chat()).choices);
    await expect(asked("Say something else.")).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining("is not the prompt that triage@1 stands for"),
    });
  });
});

describe("the AI SDK", () => {
  const provider = () =>
    createOpenAICompatible({
      name: "loragen",
      baseURL: "http://service/v1",
      fetch: async (input, init) => service.fetch(new Request(input as string, init)),
      supportsStructuredOutputs: true,
    });

  test("generates and streams text", async () => {
    const model = provider()("triage");
    const wanted = (await chat()).choices[0]!.message.content!;
    const { text, usage } = await generateText({ model, prompt: "pay my bill", maxOutputTokens: 8 });
    expect([text, usage.outputTokens]).toEqual([wanted, 8]);
    let streamed = "";
    for await (const piece of streamText({ model, prompt: "pay my bill", maxOutputTokens: 8 }).textStream)
      streamed += piece;
    expect(streamed).toBe(wanted);
  });

  test("generates objects of a schema and calls tools", async () => {
    const model = provider()("triage");
    const schema = jsonSchema<{ urgent: boolean }>({
      type: "object",
      properties: { urgent: { type: "boolean" } },
      required: ["urgent"],
      additionalProperties: false,
    });
    const { output } = await generateText({ model, prompt: "pay my bill", output: Output.object({ schema }) });
    expect(typeof output.urgent).toBe("boolean");
    const { toolCalls } = await generateText({
      model,
      prompt: "pay my bill",
      tools: { flag: tool({ description: "flags it", inputSchema: schema }) },
      toolChoice: "required",
    });
    expect(toolCalls.map(({ toolName, input }) => [toolName, typeof (input as { urgent: boolean }).urgent])).toEqual([
      ["flag", "boolean"],
    ]);
  });
});

describe("names", () => {
  const names = (path = "", body?: unknown, init?: RequestInit) =>
    service.ask(`/v1/specializations${path}`, body, init);

  test("the same prompt under another name is not computed again; another prompt makes a new version", async () => {
    const first = await names("", { name: "desk", prompt: "Name the desk." });
    expect([first.status, await first.json()]).toMatchObject([
      201,
      { name: "desk", version: 1, computed: true, warnings: [] },
    ]);
    const same = await names("", { name: "desk-too", prompt: "Name the desk." });
    expect(await same.json()).toMatchObject({ version: 1, computed: false });
    const again = await names("", { name: "desk", prompt: "Name the desk." });
    expect([again.status, await again.json()]).toMatchObject([200, { version: 1, isNew: false }]);
    expect(await (await names("", { name: "desk", prompt: "Name the room." })).json()).toMatchObject({ version: 2 });
  });

  test("an update serves the new content at once, old versions stay, a rollback and another name follow", async () => {
    const answerOf = async (model: string) => (await chat({ model })).choices[0]!.message.content;
    await names("", { name: "shift", prompt: "Answer in capitals." });
    const before = await answerOf("shift");
    await names("", { name: "shift", prompt: "Count the words of the message." });
    const after = await answerOf("shift");
    expect(after).not.toBe(before);
    expect([await answerOf("shift@1"), await answerOf("shift@2")]).toEqual([before, after]);
    await service.ask("/v1/aliases", { name: "shift-live", target: "shift@1" });
    expect(await answerOf("shift-live")).toBe(before);
    const diff = (await (await names("/shift@2/diff?against=shift@1")).json()) as { gates: unknown[] };
    expect(diff).toMatchObject({ samePrompt: false, samePair: true });
    expect(diff.gates.length).toBeGreaterThan(0);
    expect(await (await names("/shift/rollback", {})).json()).toMatchObject({ version: 1 });
    expect(await answerOf("shift")).toBe(before);
  });

  test("an answer under way ends on the version it began with", async () => {
    await names("", { name: "moving", prompt: "Answer in capitals." });
    const wanted = (await chat({ model: "moving", max_tokens: 40 })).choices[0]!.message.content;
    const stream = await openai.chat.completions.create({
      model: "moving",
      messages: [user("pay my bill")],
      max_tokens: 40,
      stream: true,
    });
    let text = "";
    let isUpdated = false;
    for await (const chunk of stream) {
      if (!isUpdated) await names("", { name: "moving", prompt: "Count the words of the message." });
      isUpdated = true;
      text += chunk.choices[0]?.delta.content ?? "";
    }
    expect(text).toBe(wanted);
  });

  test("a content is taken in and handed out; a removed name is not found", async () => {
    const { content } = (await (await names("/triage@1")).json()) as { content: { gates: number[][] } };
    expect(content.gates).toHaveLength(pair.shape.edge.layers);
    expect((await names("/nowhere")).status).toBe(404);
    expect((await names("/desk-too", undefined, { method: "DELETE" })).status).toBe(200);
    expect((await names("/desk-too")).status).toBe(404);
  });

  test.each([
    ["no prompt", { name: "x" }, "expected a prompt, examples or both"],
    ["a name with a slash", { name: "../x", prompt }, "small letters"],
    ["the base model's name", { name: "tiny-0", prompt }, "is the base model"],
    ["an unknown option", { name: "x", prompt, options: { speed: 1 } }, "options"],
    [
      "a schema that cannot be kept",
      { name: "x", prompt, options: { schema: { type: "string", pattern: "a" } } },
      "pattern",
    ],
  ])("%s is refused", async (_, body, why) => {
    const response = await names("", body);
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { error: { message: expect.stringContaining(why) } },
    ]);
  });
});

describe("bodies that make no sense", () => {
  const deep = "[".repeat(10_000);
  test.each([
    ["nothing", ""],
    ["no JSON", "{"],
    ["a number", "7"],
    ["nested too deep", deep],
    ["no model", '{"messages": []}'],
    ["no text", '{"model": "triage", "messages": [{"role": "user", "content": 7}]}'],
    ["a NUL in the name", '{"model": "tri\\u0000age", "messages": [{"role": "user", "content": "x"}]}'],
    ["bytes that are no text", Buffer.from([0x7b, 0xff, 0xfe]).toString("latin1")],
  ])("%s is refused with a reason, and the service goes on", async (_, body) => {
    const response = await service.ask("/v1/chat/completions", body);
    expect([400, 404]).toContain(response.status);
    expect(((await response.json()) as { error: { message: string } }).error.message.length).toBeGreaterThan(10);
    expect((await chat({ max_tokens: 1 })).choices).toHaveLength(1);
  });

  test.each([
    ["POST", "/v1/chat/completions", maxBodyBytes],
    ["PUT", "/v1/specializations/endless", specializationLimits.fileBytes],
  ])("what is larger than a body may be is not read to its end: %s %s", async (method, path, limit) => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(2 ** 18).fill(0x20));
      },
    });
    const init = { method, body: endless, duplex: "half" } as RequestInit;
    const response = await service.ask(path, undefined, init);
    expect(response.status).toBe(400);
    expect(pulled).toBeLessThan(limit / 2 ** 18 + 20);
  });

  test("a text that cannot fit the model is refused before it becomes tokens", async () => {
    let most = 0;
    const encode: typeof pair.tokenizer.encode = (text, options) => {
      most = Math.max(most, text.length);
      return pair.tokenizer.encode(text, options);
    };
    await using counted = await openTinyService(
      { ...pair, tokenizer: { ...pair.tokenizer, encode } },
      {},
      service.store,
    );
    const text = "a ".repeat(2 ** 19);
    for (const [path, body] of [
      ["/v1/chat/completions", { model: "triage", messages: [user(text)] }],
      ["/v1/completions", { model: "triage", prompt: text }],
    ] as const) {
      const refused = await counted.ask(path, body);
      expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("at most 256 tokens")]);
    }
    expect(most).toBeLessThan(2 ** 16);
  });

  test("an address that is not there, and a method that it has not", async () => {
    expect((await service.ask("/v1/nothing")).status).toBe(404);
    for (const [path, allowed] of [
      ["/v1/models", "GET"],
      ["/v1/specializations/triage", "GET, PUT, DELETE"],
    ] as const) {
      const refused = await service.ask(path, {});
      expect([refused.status, refused.headers.get("allow")]).toEqual([405, allowed]);
    }
  });
});

test("a client that goes away leaves no request behind", async () => {
  const controller = new AbortController();
  const stream = await openai.chat.completions.create(
    { model: "triage", messages: [user("pay my bill")], max_tokens: 200, stream: true },
    { signal: controller.signal },
  );
  for await (const _ of stream) break;
  controller.abort();
  await chat({ max_tokens: 200 });
  expect(service.engine.state()).toMatchObject({ running: 0, waiting: 0 });
});
