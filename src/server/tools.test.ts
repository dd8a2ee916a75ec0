/** @file Loops of agents, as the `openai` package and the AI SDK run them: a call, its result, and an answer in words. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import type OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { openTinyService, type TinyService } from "../../test/support/tiny-service.ts";

const labels = ["refund", "delivery"];
const parameters = {
  type: "object" as const,
  properties: { amount: { type: "integer" as const, minimum: 1, maximum: 9 } },
  required: ["amount"],
  additionalProperties: false as const,
};
const pay = { type: "function" as const, function: { name: "pay", parameters } };
const user = (content: string) => ({ role: "user" as const, content });
/** To this question the random weights answer by a call, and then by a label; to the other one by a label at once. */
const question = "yes please";
const other = "pay my bill";

let service: TinyService;
let openai: OpenAI;
beforeAll(async () => {
  service = await openTinyService(await openTinyPair());
  openai = service.openai();
  const prompt = "Say what the customer wants.";
  await service.ask("/v1/specializations", { name: "triage", prompt });
  await service.ask("/v1/specializations", { name: "labels", prompt, options: { labels } });
});
afterAll(() => service.close());

type Body = Partial<OpenAI.ChatCompletionCreateParamsNonStreaming>;
const chat = async (body: Body = {}) => {
  const asked = { model: "labels", messages: [user(question)], tools: [pay], max_tokens: 60, ...body };
  const { choices } = await openai.chat.completions.create(asked);
  return choices[0]!;
};

describe("the openai package", () => {
  const paid: number[] = [];
  const runnable = {
    type: "function" as const,
    function: {
      ...pay.function,
      description: "Pays.",
      parse: (given: string) => JSON.parse(given) as { amount: number },
      function: ({ amount }: { amount: number }) => {
        paid.push(amount);
        return "paid 0";
      },
    },
  };

  const asked = { model: "labels", messages: [user(question)], tools: [runnable], max_tokens: 60 };

  test("runs tools up to an answer in words", async () => {
    paid.length = 0;
    const runner = openai.chat.completions.runTools(asked);
    expect(labels).toContain(await runner.finalContent());
    expect(paid).toHaveLength(1);
    expect(runner.messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant"]);
  });

  test("runs tools over streams, with the same messages", async () => {
    paid.length = 0;
    const runner = openai.chat.completions.runTools({ ...asked, stream: true });
    expect(labels).toContain(await runner.finalContent());
    expect(paid).toHaveLength(1);
    const whole = await chat();
    expect(await runner.finalFunctionToolCall()).toEqual(
      (whole.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall).function,
    );
  });

  test("gets the pieces of a call as OpenAI sends them", async () => {
    const stream = await openai.chat.completions.create({
      model: "labels",
      messages: [user(question)],
      tools: [pay],
      max_tokens: 60,
      stream: true,
    });
    const choices = [];
    for await (const chunk of stream) choices.push(...chunk.choices);
    expect(choices[0]!.delta).toEqual({ role: "assistant", content: null });
    const [head, ...rest] = choices.slice(1, -1).map(({ delta }) => delta.tool_calls![0]!);
    expect(head).toEqual({
      index: 0,
      id: expect.stringMatching(/^call_/) as string,
      type: "function",
      function: { name: "pay", arguments: "" },
    });
    expect(rest.every((piece) => piece.index === 0 && piece.id === undefined)).toBe(true);
    expect(rest.length).toBeGreaterThan(1);
    const given = rest.map((piece) => piece.function!.arguments).join("");
    expect(JSON.parse(given)).toEqual({ amount: expect.any(Number) as number });
    const { finish_reason, message } = await chat();
    expect(choices.at(-1)).toMatchObject({ delta: {}, finish_reason: "tool_calls" });
    expect(finish_reason).toBe("tool_calls");
    expect(message).toMatchObject({ content: null, tool_calls: [{ function: { name: "pay", arguments: given } }] });
  });

  test("gets words in pieces where the model says words, and with log-probabilities for each token", async () => {
    const asked = { tools: [pay], messages: [user(other)], logprobs: true, max_tokens: 12, model: "triage" };
    for (const model of ["labels", "triage"]) {
      const stream = await openai.chat.completions.create({ ...asked, model, stream: true });
      let text = "";
      let tokens = 0;
      let finish: string | null = null;
      for await (const { choices } of stream) {
        text += choices[0]!.delta.content ?? "";
        tokens += choices[0]!.logprobs?.content?.length ?? 0;
        finish = choices[0]!.finish_reason;
      }
      const whole = await chat({ ...asked, model });
      expect([text, finish]).toEqual([whole.message.content, whole.finish_reason]);
      expect(tokens).toBe(whole.logprobs!.content!.length);
      expect(whole.message.tool_calls).toBeUndefined();
    }
  });

  test("gets the free text that it gets without tools where the model calls none", async () => {
    const free = await chat({ model: "triage", messages: [user(other)], tool_choice: "none", max_tokens: 5 });
    const auto = await chat({ model: "triage", messages: [user(other)], tool_choice: "auto", max_tokens: 5 });
    expect(auto.message.content).toBe(free.message.content);
  });

  test("gets a call or JSON of the schema that it asks for; with response_format text no label", async () => {
    const schema = {
      type: "object",
      properties: { a: { enum: [1, 2] } },
      required: ["a"],
      additionalProperties: false,
    };
    const response_format = { type: "json_schema" as const, json_schema: { name: "a", schema } };
    for (const content of [question, other, "hello"]) {
      const { message } = await chat({ response_format, messages: [user(content)] });
      expect(message.tool_calls === undefined ? message.content : "a call").toMatch(/^(\{"a": [12]\}|a call)$/);
    }
    const must = await chat({ response_format, tool_choice: "required" });
    expect(must.message.tool_calls).toHaveLength(1);
    const text = await chat({ response_format: { type: "text" }, messages: [user(other)] });
    expect(labels).not.toContain(text.message.content);
  });

  test("is told where a schema's JSON could be taken for a call", async () => {
    const name = { type: "string" };
    const schema = { type: "object", properties: { name, arguments: { type: "object" } }, required: ["name"] };
    const response_format = { type: "json_schema" as const, json_schema: { name: "a", schema } };
    await expect(chat({ response_format })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining("does not begin as a call does"),
    });
  });

  test.each<[string, OpenAI.FunctionDefinition]>([
    ["no parameters", { name: "stop" }],
    ["null for them", { name: "stop", parameters: null as never, strict: null }],
    ["empty ones", { name: "stop", parameters: {}, strict: true, description: "Stops." }],
    ["an object of none", { name: "stop", parameters: { type: "object", properties: {} } }],
  ])("may offer a tool with %s", async (_, described) => {
    const tools = [{ type: "function" as const, function: described }];
    const { message } = await chat({ tools, tool_choice: "required", parallel_tool_calls: false });
    expect(message.tool_calls).toMatchObject([{ function: { name: "stop", arguments: "{}" } }]);
  });

  test("gets a call whose arguments are described by references, streamed or not", async () => {
    const $defs = { unit: { enum: ["m", "km"] }, length: { $ref: "#/$defs/unit" } };
    const properties = { from: { $ref: "#/$defs/unit" }, to: { $ref: "#/$defs/length" } };
    const described = { type: "object", properties, required: ["from", "to"], $defs };
    const tools = [{ type: "function" as const, function: { name: "convert", parameters: described } }];
    const { message } = await chat({ tools, tool_choice: "required", parallel_tool_calls: true });
    const [call] = message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
    const unit: unknown = expect.stringMatching(/^k?m$/);
    expect(JSON.parse(call!.function.arguments)).toEqual({ from: unit, to: unit });
  });

  test("is told why references within themselves, a result without a call and a call without a result are refused", async () => {
    const tree = { type: "object", properties: { next: { $ref: "#" } } };
    const tools = [{ type: "function" as const, function: { name: "f", parameters: tree } }];
    await expect(chat({ tools })).rejects.toMatchObject({ status: 400, message: expect.stringContaining("itself") });
    const call = { id: "c1", type: "function" as const, function: { name: "pay", arguments: "{}" } };
    const called = { role: "assistant" as const, content: null, tool_calls: [call] };
    const result = (tool_call_id: string) => ({ role: "tool" as const, tool_call_id, content: "paid" });
    for (const [rest, why] of [
      [[called], 'the result of the call "c1" of pay, found none'],
      [[called, result("c2")], 'the result of one of the calls "c1", found one of "c2"'],
      [[{ role: "assistant" as const, content: "hi" }, result("c1")], "that the assistant made just before"],
    ] as const)
      await expect(chat({ messages: [user(question), ...rest] })).rejects.toMatchObject({
        status: 400,
        message: expect.stringContaining(why),
      });
  });

  test("gets a call that is cut off as text, and over a stream as far as it came, with the reason", async () => {
    const tools = [
      {
        type: "function" as const,
        function: {
          name: "search",
          parameters: {
            $ref: "#/$defs/q",
            $defs: { q: { type: "object", properties: { q: { type: "string", minLength: 40 } }, required: ["q"] } },
          },
        },
      },
    ];
    const asked = {
      model: "triage",
      messages: [user(question)],
      tools,
      tool_choice: "required" as const,
      max_tokens: 30,
    };
    const whole = await chat(asked);
    expect([whole.finish_reason, whole.message.tool_calls]).toEqual(["length", undefined]);
    expect(whole.message.content).toMatch(/^{"name": "search", "arguments": {"q": "/);
    const stream = await openai.chat.completions.create({ ...asked, stream: true });
    let given = "";
    let finish: string | null = null;
    for await (const { choices } of stream) {
      given += choices[0]!.delta.tool_calls?.[0]?.function?.arguments ?? "";
      finish = choices[0]!.finish_reason;
    }
    expect(finish).toBe("length");
    expect(`{"name": "search", "arguments": ${given}`).toBe(whole.message.content);
  });
});

describe("the AI SDK", () => {
  const model = (name: string) =>
    createOpenAICompatible({
      name: "loragen",
      baseURL: "http://service/v1",
      fetch: async (input, init) => service.fetch(new Request(input as string, init)),
    })(name);
  const inputSchema = jsonSchema<{ amount: number }>(parameters);
  const tools = { pay: tool({ description: "Pays.", inputSchema, execute: () => "paid 0" }) };
  const asked = { prompt: question, tools, maxOutputTokens: 60, stopWhen: stepCountIs(4) };

  test("loops over steps up to an answer in words", async () => {
    const { steps, text } = await generateText({ ...asked, model: model("labels") });
    expect(steps.map(({ finishReason }) => finishReason)).toEqual(["tool-calls", "stop"]);
    expect(steps[0]!.toolResults).toMatchObject([{ toolName: "pay", output: "paid 0" }]);
    expect(labels).toContain(text);
  });

  test("streams the same steps, the arguments in pieces", async () => {
    const { fullStream, steps, text } = streamText({ ...asked, model: model("labels") });
    const kinds: string[] = [];
    for await (const { type } of fullStream) kinds.push(type);
    expect((await steps).map(({ finishReason }) => finishReason)).toEqual(["tool-calls", "stop"]);
    expect(kinds.filter((kind) => kind === "tool-input-delta").length).toBeGreaterThan(1);
    expect(kinds).toContain("tool-result");
    expect(labels).toContain(await text);
  });

  test("ends in free text behind a call that was required", async () => {
    const { steps } = await generateText({
      ...asked,
      model: model("triage"),
      prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "auto" }),
    });
    expect(steps.map(({ toolCalls }) => toolCalls.length)).toEqual([1, 0]);
    expect(steps[1]!.text.length).toBeGreaterThan(0);
  });
});
