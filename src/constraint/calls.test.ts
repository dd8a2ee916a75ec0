import { expect, test } from "vitest";
import { accepts } from "../../test/support/accepts.ts";
import type { JsonValue } from "../base/json.ts";
import { automatonOf } from "./automaton.ts";
import { callsGrammar, parseSignature } from "./calls.ts";
import { findConstraint } from "./find.ts";
import { gbnf } from "./gbnf.ts";
import { answerSchema, callsSpec } from "./spec.ts";

const functions = [
  { name: "water", parameters: ["bed", "minutes"] },
  { name: "lamp.off", parameters: [] },
  { name: "get-weather", parameters: ["in-city"] },
];

const calls = [
  ['water(bed="2", minutes="10")', true],
  ['water(minutes="10", bed="2")', true],
  ["water()", true],
  ['water(bed="say \\"hi\\", b=1")', true],
  ['water(bed="\\u00e9\\ud7ff\\n\\/")', true],
  ["lamp.off()", true],
  ['get-weather(in-city="Oslo")', true],
  ['water(bed="2"', false],
  ["water(bed=2)", false],
  ['water(hours="2")', false],
  ['lamp.off(bed="2")', false],
  ["lampXoff()", false],
  ['water(bed="1", bed="2", bed="3")', false],
  ['water(bed="1") lamp.off()', false],
  ['water(bed="\\q")', false],
  ['water(bed="\\u12")', false],
  ['water(bed="\\ud800")', false],
  ['water(bed="\\uDFFF")', false],
] as const;

test.each(calls)("%s is a call: %s, for the grammar and for the schema's expression", (text, isCall) => {
  expect(accepts(automatonOf(callsGrammar(functions)), text)).toBe(isCall);
  const { pattern } = answerSchema(callsSpec(functions)) as { pattern: string } & JsonValue;
  expect(new RegExp(pattern, "u").test(text)).toBe(isCall);
});

test("llama.cpp gets the calls as a grammar", () => {
  expect(gbnf(callsSpec(functions))).toMatch(/^root ::= .*"water\(".*"lamp\.off\("/);
});

test.each([
  [[], /found none/],
  [[{ name: "a b", parameters: [] }], /"a b"/],
  [
    [
      { name: "a", parameters: [] },
      { name: "a", parameters: ["b"] },
    ],
    /a twice/,
  ],
  [[{ name: "a", parameters: ["b", "b"] }], /b twice/],
  [[{ name: "a", parameters: ["b c="] }], /"b c="/],
  [Array.from({ length: 201 }, (_, i) => ({ name: `f${i}`, parameters: [] })), /at most 200/],
])("functions that are none are refused: %#", (given, message) => expect(() => callsSpec(given)).toThrow(message));

test.each([
  ["water(bed, minutes)", { name: "water", parameters: ["bed", "minutes"] }],
  [" lamp() ", { name: "lamp", parameters: [] }],
  ["water", undefined],
  ["water(bed", undefined],
])("the signature %j", (text, wanted) => expect(parseSignature(text)).toEqual(wanted));

test.each([
  [
    'You run a pool. Turn the wish into a function call. The functions are: heat(degrees), light(color, area). Write only the call, for example heat(degrees="24").',
    [
      { name: "heat", parameters: ["degrees"] },
      { name: "light", parameters: ["color", "area"] },
    ],
  ],
  [
    'Answer every message with one call.\nFunctions:\n- BookRoom(day, guests): Book a room\n- Cancel(id)\nAnswer with one call like name(key="value").',
    [
      { name: "BookRoom", parameters: ["day", "guests"] },
      { name: "Cancel", parameters: ["id"] },
    ],
  ],
])("functions are found in: %s", (prompt, wanted) => {
  expect(findConstraint(prompt)?.spec).toEqual({ kind: "calls", functions: wanted });
});

test("functions whose calls are shown as JSON are a schema: names and arguments listed, arguments in alphabetical order", () => {
  const prompt =
    'Answer with one call as JSON.\nFunctions:\n- BookRoom(guests, day)\n- Cancel(id)\nThe form: {"name": "…", "arguments": {"…": "…"}}.';
  const call = (name: string, ...keys: string[]) => ({
    type: "object",
    properties: {
      name: { const: name },
      arguments: {
        type: "object",
        properties: Object.fromEntries(keys.map((key) => [key, { type: "string" }])),
        additionalProperties: false,
      },
    },
    required: ["name", "arguments"],
    additionalProperties: false,
  });
  const schema = { anyOf: [call("BookRoom", "day", "guests"), call("Cancel", "id")] };
  const { spec } = findConstraint(prompt)!;
  expect(JSON.stringify(spec)).toBe(JSON.stringify({ kind: "schema", schema }));
  const other = findConstraint(prompt.replace('"arguments"', '"args"'))!.spec;
  expect(JSON.stringify(other)).toBe(JSON.stringify(spec).replaceAll('"arguments"', '"args"'));
});

test.each([
  'Answer with one call as JSON: {"name": "…", "arguments": {"…": "…"}}. If nothing fits, say so.\nFunctions: heat(degrees), light(color)',
  'Answer with one call as JSON: {"name": "heat", "arguments": {"degrees": 24}}. The functions are: heat(degrees), light(color).',
  'Answer with one call, as heat(degrees="24") or {"name": "heat", "arguments": {"degrees": "24"}}. Functions: heat(degrees), light(color)',
  'Explain what the call {"name": "heat", "arguments": {"degrees": "24"}} does. The functions are: heat(degrees), light(color).',
  'Answer with one call as JSON: {"name": "…", "arguments": {"…": "…"}}.\nFunctions:\n- heat(degrees) warms it\n- light(color) lights it',
  'Answer with one call as JSON: {"name": "…", "arguments": {"…": "…"}, "reason": "…"}. The functions are: heat(degrees), light(color).',
])("no calls in JSON are found in: %s", (prompt) => expect(findConstraint(prompt)).toBeUndefined());

test.each([
  "The functions are: heat(degrees), light(color). Turn the wish into a function call.",
  'The functions are: heat(degrees), light(color). Call one, as in heat(degrees="24"); if none fits, say sorry.',
  'The functions are: heat(degrees), light(color). Explain what the call heat(degrees="24") does.',
  'Answer with one call. Functions: water(bed), light(on) or stop(). Example: water(bed="2")',
  'Answer with one call like f(a="b").\nFunctions:\n- water(bed): waters a bed.\n  Only at night.\n- light(on)',
  'Answer with one call like f(a="b").\nFunctions:\n- water(bed) waters a bed\n- light(on) lights it',
  'The functions are: heat(degrees), light(color). Turn every wish into one call like heat(degrees="2"). If the user greets you, greet back.',
  'The functions are: heat(degrees), light(color). Answer questions; when the user wants something done, reply with a call like heat(degrees="2").',
  'The functions are: heat(degrees), light(color). Write one or more calls, as in heat(degrees="24").',
])("no functions are found in: %s", (prompt) => expect(findConstraint(prompt)).toBeUndefined());
