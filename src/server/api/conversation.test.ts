import { describe, expect, test } from "vitest";
import { readMessages } from "./conversation.ts";
import type { ChatRequest } from "./schemas.ts";

type Messages = ChatRequest["messages"];
type Message = Messages[number];

const user = (content: string): Message => ({ role: "user", content });
const says = (content: string): Message => ({ role: "assistant", content });
const result = (id: string, content: string): Message => ({ role: "tool", tool_call_id: id, content });
const call = (id: string, name: string, given: string) => ({
  id,
  type: "function" as const,
  function: { name, arguments: given },
});
const calls = (...tool_calls: ReturnType<typeof call>[]): Message => ({ role: "assistant", content: null, tool_calls });
const pay = call("1", "pay", '{"amount":3,"to":["Ann"]}');
const ask = call("2", "ask", "");

describe("messages with calls of tools", () => {
  test("become turns: a call as models here write it, its result as an input", () => {
    const { history, input, prompt, tools } = readMessages([
      { role: "system", content: "Be short." },
      user("pay Ann"),
      calls(pay),
      result("1", "paid"),
      says("Done."),
      user("thanks"),
    ]);
    expect({ prompt, history, input }).toEqual({
      prompt: "Be short.",
      history: [
        { input: "pay Ann", output: '{"name": "pay", "arguments": {"amount": 3, "to": ["Ann"]}}' },
        { input: "Result of pay: paid", output: "Done." },
      ],
      input: "thanks",
    });
    expect(tools!.sent.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant", "user"]);
    expect(tools!.withResults.map(({ role, content }) => [role, content])).toEqual([
      ["user", "pay Ann"],
      ["assistant", history[0]!.output],
      ["tool", "paid"],
      ["assistant", "Done."],
      ["user", "thanks"],
    ]);
  });

  test("several calls at once have their results in any order; words beside calls and behind results stay", () => {
    const { history, input, tools } = readMessages([
      user("pay"),
      { role: "assistant", content: [{ type: "text", text: "I will." }], tool_calls: [pay, ask] },
      { role: "tool", tool_call_id: "2", content: [{ type: "text", text: "who?" }] },
      result("1", "paid"),
      user("well?"),
    ]);
    expect(history[0]!.output.split("\n")).toEqual([
      "I will.",
      '{"name": "pay", "arguments": {"amount": 3, "to": ["Ann"]}}',
      '{"name": "ask", "arguments": {}}',
    ]);
    expect(input).toBe("Result of pay: paid\nResult of ask: who?\n\nwell?");
    expect(tools!.withResults.slice(2).map(({ role, content }) => [role, content])).toEqual([
      ["tool", "paid"],
      ["tool", "who?"],
      ["user", "well?"],
    ]);
  });

  test("one call after the other, with the same id again", () => {
    const { history, input } = readMessages([
      user("a"),
      calls(pay),
      result("1", "x"),
      calls(ask, pay),
      result("1", "y"),
      result("2", "z"),
    ]);
    expect(history).toHaveLength(2);
    expect(input).toBe("Result of ask: z\nResult of pay: y");
  });

  test("without calls there are turns alone", () => {
    expect(readMessages([user("a"), { ...says("b"), tool_calls: [] } as Message, user("c")])).toEqual({
      prompt: undefined,
      history: [{ input: "a", output: "b" }],
      input: "c",
    });
  });

  test.each<[string, Messages, string]>([
    [
      "a result without a call",
      [user("a"), result("1", "x")],
      "messages.1: expected a message of the assistant: after system messages the two take turns, found tool",
    ],
    [
      "a result first",
      [result("1", "x")],
      'messages.0: expected the result of a call that the assistant made just before, found one of "1"',
    ],
    [
      "a result behind text",
      [user("a"), says("b"), result("1", "x")],
      "messages.2: expected the result of a call that",
    ],
    [
      "a result that comes late",
      [user("a"), calls(pay), result("1", "x"), says("b"), result("1", "x")],
      "messages.4: expected the result of a call that",
    ],
    [
      "a call without its result",
      [user("a"), calls(pay)],
      'messages.2: expected the result of the call "1" of pay, found none',
    ],
    [
      "a call that is talked over",
      [user("a"), calls(pay), user("b")],
      'messages.2: expected the result of the call "1" of pay, found user',
    ],
    [
      "one result of two",
      [user("a"), calls(pay, ask), result("1", "x")],
      'messages.3: expected the result of the call "2" of ask, found none',
    ],
    [
      "another id",
      [user("a"), calls(pay), result("7", "x")],
      'messages.2: expected the result of one of the calls "1", found one of "7"',
    ],
    [
      "a result twice",
      [user("a"), calls(pay), result("1", "x"), result("1", "x")],
      'messages.3: expected one result of each call, found a second one of "1"',
    ],
    ["an id twice", [user("a"), calls(pay, pay)], 'messages.1: expected calls with different ids, found "1" twice'],
    [
      "an assistant without a word",
      [user("a"), { role: "assistant", content: null }, user("b")],
      "messages.1: expected content or tool_calls",
    ],
    [
      "arguments that are no JSON",
      [user("a"), calls(call("1", "pay", "{a"))],
      "messages.1.tool_calls.0.function.arguments: not valid JSON",
    ],
    ["the assistant last", [user("a"), says("b")], "messages.2: expected a message of the user at the end, found none"],
    [
      "two users in a row",
      [user("a"), user("b")],
      "messages.1: expected a message of the assistant: after system messages",
    ],
  ])("%s: refused with the reason", (_, messages, why) => {
    expect(() => readMessages(messages)).toThrow(why);
  });
});
