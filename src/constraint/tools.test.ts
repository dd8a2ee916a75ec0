import { describe, expect, test } from "vitest";
import { accepts } from "../../test/support/accepts.ts";
import type { JsonValue } from "../base/json.ts";
import { automatonOf } from "./automaton.ts";
import { labelsSpec, schemaSpec } from "./spec.ts";
import { beginsLikeCall, requireAnswerSpec, type ToolsSpec, toolsGrammar, toolsSpec } from "./tools.ts";

const amount = { type: "object", properties: { amount: { type: "integer" } }, required: ["amount"] };
const pay = { name: "pay", parameters: amount };
const ask = { name: "ask", parameters: {} };
const call = '{"name": "pay", "arguments": {"amount": 3}}';
const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as unknown });

const answersOf = (instead?: ToolsSpec["instead"]) => {
  const automaton = automatonOf(toolsGrammar(toolsSpec([pay, ask], instead)));
  return (text: string) => accepts(automaton, text);
};

describe("an answer that may call tools", () => {
  test("is a call of one of them where it must be", () => {
    const isAnswer = answersOf();
    expect([call, '{"name": "ask", "arguments": {}}'].map(isAnswer)).toEqual([true, true]);
    for (const wrong of [
      "",
      "hello",
      ` ${call}`,
      '{"name": "pay", "arguments": {}}',
      '{"name": "sell", "arguments": {}}',
    ])
      expect(isAnswer(wrong)).toBe(false);
  });

  test("is a call or any text that does not begin as one, also behind white space", () => {
    const isAnswer = answersOf("text");
    for (const right of [
      ...[
        call,
        ` \n${call}`,
        "",
        " ",
        "hello",
        "{",
        '{"nam',
        '{"nam"',
        '{"names": 1}',
        "{} {",
        '[{"name": 1}]',
        "é 日本 👩‍👧\n\t\0",
      ],
      ...["hello\n", 'a {"name": 3}', "\u00a0x"],
    ])
      expect([right, isAnswer(right)]).toEqual([right, true]);
    for (const wrong of [
      '{"name"',
      '{"name":',
      '{"name": "sell"',
      ' {"name": 3}',
      '\n\t{"name"',
      `${call}.`,
      call.slice(0, -1),
    ])
      expect([wrong, isAnswer(wrong)]).toEqual([wrong, false]);
  });

  test("is a call or of the form that is demanded beside it", () => {
    const labels = answersOf(labelsSpec(["refund", "delivery"]));
    expect([call, "refund", "hello", ""].map(labels)).toEqual([true, true, false, false]);
    const person = schemaSpec({ type: "object", properties: { name: { type: "string" } }, required: ["name"] });
    const schema = answersOf(person);
    expect([call, '{"name": "Ann"}', '{"name": 3}'].map(schema)).toEqual([true, true, false]);
  });

  test("is told from another form where that cannot begin as a call does", () => {
    const free = { type: "string" };
    const callLike = { type: "object", properties: { name: free, arguments: { type: "object" } }, required: ["name"] };
    expect(beginsLikeCall(schemaSpec(callLike), ["pay"])).toBe(true);
    const other = { ...callLike, properties: { name: { enum: ["sell"] }, arguments: { type: "object" } } };
    expect(beginsLikeCall(schemaSpec(other), ["pay"])).toBe(false);
    expect(beginsLikeCall(labelsSpec([call, "b"]), ["ask", "pay"])).toBe(true);
    expect(beginsLikeCall(labelsSpec(["pay", "b"]), ["ask", "pay"])).toBe(false);
  });
});

describe("parameters", () => {
  const isCallOf = (parameters: JsonValue) => {
    const automaton = automatonOf(toolsGrammar(toolsSpec([{ name: "f", parameters }])));
    return (given: string) => accepts(automaton, `{"name": "f", "arguments": ${given}}`);
  };

  test.each([
    ["nothing", {}],
    ["an object", { type: "object" }],
    ["an object without properties", { type: "object", properties: {}, additionalProperties: false }],
    ["no more than a title", { title: "f" }],
  ])("of %s: none are given", (_, parameters) => {
    const isCall = isCallOf(parameters);
    expect([isCall("{}"), isCall('{"a": 1}'), isCall("")]).toEqual([true, false, false]);
  });

  test("may leave the type away, and have definitions of their own, the same names in two tools", () => {
    const of = (unit: string) => ({
      properties: { to: { $ref: "#/$defs/unit" } },
      required: ["to"],
      $defs: { unit: { enum: [unit] } },
    });
    const spec = toolsSpec([
      { name: "length", parameters: of("m") },
      { name: "mass", parameters: of("kg") },
    ]);
    const automaton = automatonOf(toolsGrammar(spec));
    const isCall = (name: string, to: string) =>
      accepts(automaton, `{"name": "${name}", "arguments": {"to": "${to}"}}`);
    expect([isCall("length", "m"), isCall("mass", "kg"), isCall("mass", "m")]).toEqual([true, true, false]);
    const named = isCallOf({ $ref: "#/definitions/f", definitions: { f: amount }, $schema: "http://json-schema.org" });
    expect([named('{"amount": 1}'), named("{}")]).toEqual([true, false]);
  });

  const bomb = (width: number, levels: number, leaf: JsonValue = { type: "string" }): JsonValue => ({
    $ref: `#/$defs/d${levels}`,
    $defs: Object.fromEntries(
      Array.from({ length: levels + 1 }, (_, level) => [
        `d${level}`,
        level === 0 ? leaf : { anyOf: Array.from({ length: width }, () => ({ $ref: `#/$defs/d${level - 1}` })) },
      ]),
    ),
  });
  test.each([
    ["a string", { type: "string" }, "E_CONFIG", /tools: f: .*type "object", found "string"/],
    ["a list", [], "E_CONFIG", /tools: f: .*a schema/],
    [
      "a keyword that cannot be kept",
      { properties: { a: { type: "string", pattern: "a" } } },
      "E_CONFIG",
      /tools: f: parameters.properties.a: .*pattern/,
    ],
    ["a tree", { properties: { next: { $ref: "#" } } }, "E_CONFIG", /tools: f: .*reference to itself/],
    ["definitions that double often", bomb(2, 14), "E_LIMIT", /parts|nested/],
    ["definitions that grow a hundredfold, three times", bomb(100, 3), "E_LIMIT", /parts/],
    ["definitions in a long chain", bomb(1, 40), "E_LIMIT", /nested/],
    ["a text of 300 kB", { description: "a".repeat(300_000) }, "E_LIMIT", /bytes/],
  ])("of %s: refused", (_, parameters, code, message) => {
    expect(() => toolsSpec([{ name: "f", parameters }])).toThrow(refusal(code, message));
  });

  test("of many tools share the limits of one schema", () => {
    const tools = Array.from({ length: 30 }, (_, i) => ({ name: `f${i}`, parameters: bomb(30, 2, { const: 1 }) }));
    expect(toolsSpec(tools.slice(0, 10)).tools).toHaveLength(10);
    expect(() => toolsSpec(tools)).toThrow(refusal("E_LIMIT", /parts/));
  });
});

test("what another host says is checked as what a user gives is", () => {
  const section = { kind: "tools" as const, tools: [pay], instead: { kind: "labels" as const, labels: ["a", "b"] } };
  expect(requireAnswerSpec(section, "body")).toEqual(section);
  expect(requireAnswerSpec({ ...section, instead: "text" }, "body")).toMatchObject({ instead: "text" });
  const twice = { ...section, instead: { kind: "labels" as const, labels: ["a", "a"] } };
  expect(() => requireAnswerSpec(twice, "body")).toThrow(refusal("E_FORMAT", /body: .*twice/));
  const wrong = { ...section, tools: [{ name: "f", parameters: { type: "string" } }] };
  expect(() => requireAnswerSpec(wrong, "body")).toThrow(refusal("E_FORMAT", /body: .*tools: f/));
});
