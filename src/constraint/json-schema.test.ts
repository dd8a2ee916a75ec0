import { expect, test } from "vitest";
import { accepts } from "../../test/support/accepts.ts";
import type { JsonValue } from "../base/json.ts";
import { automatonOf } from "./automaton.ts";
import { schemaGrammar } from "./json-schema.ts";

const person = {
  type: "object",
  properties: {
    name: { type: "string" },
    age: { type: "integer" },
    tags: { type: "array", items: { enum: ["a", "b"] } },
  },
  required: ["name"],
};

test.each<[string, JsonValue, readonly string[], readonly string[]]>([
  [
    "object",
    person,
    ['{"name": ""}', '{"name": "Zoë 👩‍👧", "age": -3}', '{"name": "\\n\\u00e9", "tags": ["a", "b"]}'],
    ["{}", '{"age": 1}', '{"name": "a", "age": 1.5}', '{"name": "a"', '{"age": 1, "name": "a"}', '{"name":"a"}'],
  ],
  [
    "no property required",
    { ...person, required: [] },
    ["{}", '{"age": 1}', '{"tags": []}'],
    ["{, }", '{"tags": [], "age": 1}'],
  ],
  [
    "string of two to three",
    { type: "string", minLength: 2, maxLength: 3 },
    ['"ab"', '"a\\"b"', '"日本"'],
    ['"a"', '"abcd"', "ab"],
  ],
  [
    "no half of a character",
    { type: "string" },
    ['"\\ud7ff"', '"\\u0041"'],
    ['"\\ud800"', '"\\uDFFF"', '"\n"', '"\\x"'],
  ],
  ["integer", { type: "integer" }, ["0", "-0", "12", "-7"], ["", "01", "1.0", "1e3", "+1", "-"]],
  ["number", { type: "number" }, ["0", "-1.5", "2e10", "3.0E-5"], [".5", "1.", "1e", "NaN", "00"]],
  [
    "-12 to 345",
    { type: "integer", minimum: -12, maximum: 345 },
    ["-12", "-1", "0", "9", "99", "345"],
    ["-13", "346", "400", "1000", "-99"],
  ],
  ["beyond bounds", { type: "integer", exclusiveMinimum: 9, exclusiveMaximum: 12 }, ["10", "11"], ["9", "12", "1"]],
  [
    "safe integers",
    { type: "integer", minimum: -9007199254740991, maximum: 9007199254740991 },
    ["9007199254740991", "-5"],
    ["9007199254740992"],
  ],
  [
    "bounds beyond safe integers that say nothing",
    { type: "integer", minimum: -1e300, exclusiveMaximum: 1e16 },
    ["9007199254740991", "-9007199254740991"],
    ["9007199254740992"],
  ],
  ["between fractions", { type: "integer", minimum: 1.5, maximum: 3.5 }, ["2", "3"], ["1", "4"]],
  ["enum", { enum: ["a", 1, null, { x: [] }] }, ['"a"', "1", "null", '{"x": []}'], ["a", "2", ""]],
  ["enum of a type", { type: "string", enum: ["a", 1] }, ['"a"'], ["1"]],
  ["const", { const: "x\ty" }, ['"x\\ty"'], ['"x\ty"']],
  ["types", { type: ["boolean", "null"] }, ["true", "false", "null"], ["True", ""]],
  [
    "two to three items",
    { type: "array", items: { const: 1 }, minItems: 2, maxItems: 3 },
    ["[1, 1]", "[1, 1, 1]"],
    ["[]", "[1]", "[1, 1, 1, 1]"],
  ],
  ["at most one item", { type: "array", items: { const: 1 }, maxItems: 1 }, ["[]", "[1]"], ["[1, 1]"]],
  ["no items", { type: "array", maxItems: 0 }, ["[]"], ["[1]"]],
  ["any of", { anyOf: [{ type: "integer" }, person] }, ["4", '{"name": "x"}'], ['"x"']],
  [
    "one of functions",
    {
      oneOf: ["f", "g"].map((name) => ({ type: "object", properties: { name: { const: name } }, required: ["name"] })),
    },
    ['{"name": "f"}', '{"name": "g"}'],
    ['{"name": "h"}'],
  ],
  [
    "a reference",
    { $ref: "#/$defs/x", $defs: { x: { type: "array", items: { $ref: "#/$defs/y" } }, y: { const: 1 } } },
    ["[1, 1]", "[]"],
    ["1"],
  ],
  [
    "references to properties, escaped as JSON pointers are",
    {
      type: "object",
      properties: { "a/b~%": { enum: [1, 2] }, same: { $ref: "#/properties/a~1b~0%25" } },
      required: ["a/b~%", "same"],
    },
    ['{"a/b~%": 1, "same": 2}'],
    ['{"a/b~%": 1, "same": 3}', '{"a/b~%": 1}'],
  ],
  [
    "a date",
    { type: "string", format: "date" },
    ['"2026-02-28"', '"1999-12-31"'],
    ['"2026-13-01"', '"2026-00-10"', '"26-01-01"', '"2026-01-32"'],
  ],
  [
    "a moment",
    { type: "string", format: "date-time" },
    ['"2026-02-28T23:59:59Z"', '"2026-02-28T00:00:00+02:00"'],
    ['"2026-02-28 10:00:00Z"', '"2026-02-28T24:00:00Z"'],
  ],
  [
    "a UUID",
    { type: "string", format: "uuid" },
    ['"123e4567-e89b-12d3-a456-426614174000"'],
    ['"123e4567"', '"123e4567-e89b-02d3-a456-426614174000"'],
  ],
])("%s: keeps to the schema exactly", (_, schema, right, wrong) => {
  const automaton = automatonOf(schemaGrammar(schema));
  for (const value of right) expect(accepts(automaton, value), value).toBe(true);
  for (const value of wrong) expect(accepts(automaton, value), value).toBe(false);
});

test("a date is a day of the calendar, leap years included", () => {
  const automaton = automatonOf(schemaGrammar({ type: "string", format: "date" }));
  const day = new Date("1890-01-01T00:00:00Z");
  const known = new Set<string>();
  for (; day.getUTCFullYear() < 2110; day.setUTCDate(day.getUTCDate() + 1)) known.add(day.toISOString().slice(0, 10));
  const two = (value: number) => `${value}`.padStart(2, "0");
  for (let year = 1890; year < 2110; year++)
    for (let month = 0; month < 14; month++)
      for (let date = 0; date < 33; date++) {
        const written = `${year}-${two(month)}-${two(date)}`;
        if (accepts(automaton, `"${written}"`) !== known.has(written)) expect.fail(written);
      }
});

test("an integer range is that range, digit by digit", () => {
  for (const [minimum, maximum] of [
    [0, 0],
    [0, 1000],
    [7, 123],
    [-250, -13],
    [-9, 110],
    [100, 199],
    [95, 105],
  ] as const) {
    const automaton = automatonOf(schemaGrammar({ type: "integer", minimum, maximum }));
    for (let value = -1100; value <= 1100; value++)
      if (accepts(automaton, `${value}`) !== (value >= minimum && value <= maximum))
        expect.fail(`${value} of ${minimum}…${maximum}`);
  }
});

const deep = (levels: number): JsonValue => {
  let schema: JsonValue = { type: "string" };
  for (let i = 0; i < levels; i++) schema = { type: "array", items: schema };
  return schema;
};

test.each<[string, JsonValue, string, RegExp]>([
  ["no schema", 5, "E_CONFIG", /schema: expected a schema that is an object, found 5/],
  ["anything at all", {}, "E_CONFIG", /schema: expected a type/],
  ["true", { type: "array", items: true }, "E_CONFIG", /schema\.items/],
  ["an unknown type", { type: "text" }, "E_CONFIG", /schema\.type: expected one of/],
  ["a pattern", { type: "string", pattern: "(a+)+$" }, "E_CONFIG", /found pattern/],
  ["not", { not: { type: "string" } }, "E_CONFIG", /schema/],
  ["a keyword beside anyOf", { anyOf: [{ type: "null" }], minimum: 1 }, "E_CONFIG", /without minimum beside it/],
  ["unique items", { type: "array", items: { type: "integer" }, uniqueItems: true }, "E_CONFIG", /uniqueItems/],
  ["bounds of a number", { type: "number", minimum: 0 }, "E_CONFIG", /minimum/],
  [
    "a schema for other properties",
    { type: "object", additionalProperties: { type: "string" } },
    "E_CONFIG",
    /additionalProperties/,
  ],
  ["a required property that is none", { type: "object", properties: {}, required: ["x"] }, "E_CONFIG", /required/],
  ["an empty enum", { enum: [] }, "E_CONFIG", /schema\.enum/],
  ["an enum of another type", { type: "integer", enum: ["a"] }, "E_CONFIG", /fits type, enum and const/],
  ["a constant beyond the enum", { const: 1, enum: [2] }, "E_CONFIG", /fits type/],
  ["a number that JSON cannot write", { const: Number.POSITIVE_INFINITY }, "E_CONFIG", /numbers/],
  [
    "lengths the wrong way round",
    { type: "string", minLength: 3, maxLength: 2 },
    "E_CONFIG",
    /minLength up to maxLength/,
  ],
  ["an empty range", { type: "integer", minimum: 3, maximum: 2 }, "E_CONFIG", /from 3 to 2/],
  ["a range between integers", { type: "integer", minimum: 1.2, maximum: 1.8 }, "E_CONFIG", /from 2 to 1/],
  ["a minimum of 1e300", { type: "integer", minimum: 1e300 }, "E_CONFIG", /schema\.minimum: .*9007199254740991/],
  ["a minimum of 1e16", { type: "integer", minimum: 1e16, maximum: 1e17 }, "E_CONFIG", /schema\.minimum/],
  [
    "a minimum above the last safe integer",
    { type: "integer", exclusiveMinimum: 9007199254740991 },
    "E_CONFIG",
    /schema\.exclusiveMinimum/,
  ],
  ["a maximum of -1e16", { type: "integer", maximum: -1e16 }, "E_CONFIG", /schema\.maximum/],
  [
    "a maximum below the first safe integer",
    { type: "integer", exclusiveMaximum: -9007199254740991 },
    "E_CONFIG",
    /schema\.exclusiveMaximum/,
  ],
  ["half a length", { type: "string", maxLength: 1.5 }, "E_CONFIG", /maxLength/],
  ["a reference elsewhere", { $ref: "https://example.com/x" }, "E_CONFIG", /\$ref/],
  ["a reference to nothing", { $ref: "#/$defs/constructor", $defs: {} }, "E_CONFIG", /\$ref/],
  ["one of two that overlap", { oneOf: [{ type: "integer" }, { type: "number" }] }, "E_CONFIG", /use anyOf/],
  ["two schemas at once", { allOf: [{ type: "string" }, { maxLength: 3 }] }, "E_CONFIG", /allOf/],
  [
    "a reference to itself",
    { $ref: "#/$defs/x", $defs: { x: { type: "array", items: { $ref: "#/$defs/x" } } } },
    "E_CONFIG",
    /reference to itself/,
  ],
  [
    "two that refer to each other",
    {
      anyOf: [{ $ref: "#/$defs/a" }],
      $defs: { a: { type: "array", items: { $ref: "#/$defs/b" } }, b: { anyOf: [{ $ref: "#/$defs/a" }] } },
    },
    "E_CONFIG",
    /reference to itself, found "#\/\$defs\/a"/,
  ],
  ["the whole within itself", { type: "array", items: { $ref: "#" } }, "E_CONFIG", /reference to itself, found "#"/],
  [
    "a property within itself",
    { type: "object", properties: { a: { type: "array", items: { $ref: "#/properties/a" } } } },
    "E_CONFIG",
    /reference to itself/,
  ],
  [
    "a reference that names itself",
    { $ref: "#/$defs/x", $defs: { x: { $ref: "#/$defs/x" } } },
    "E_CONFIG",
    /reference to itself/,
  ],
  ["a reference that is not encoded right", { $ref: "#/$defs/%", $defs: { "%": {} } }, "E_CONFIG", /\$ref/],
  ["a reference to a part that is no schema", { $ref: "#/$defs", $defs: { a: { const: 1 } } }, "E_CONFIG", /type/],
  ["long constants that are referred to often", repeated(1000, { enum: ["a".repeat(9000)] }), "E_LIMIT", /parts/],
  [
    "long names that are referred to often",
    repeated(1000, { type: "object", properties: { ["a".repeat(9000)]: { const: 1 } } }),
    "E_LIMIT",
    /parts/,
  ],
  [
    "a type named ten thousand times",
    { type: Array.from({ length: 10_000 }, () => "null") },
    "E_CONFIG",
    /each type once/,
  ],
  [
    "a property that is required twice",
    { type: "object", properties: { a: { const: 1 } }, required: ["a", "a"] },
    "E_CONFIG",
    /each name once/,
  ],
  [
    "values that do not fit the type, referred to often",
    repeated(1000, { type: "string", enum: ["a", ...Array.from({ length: 5000 }, () => 0)] }),
    "E_LIMIT",
    /parts/,
  ],
  [
    "thousands of schemas of which one must hold",
    { oneOf: Array.from({ length: 10_000 }, (_, i) => ({ const: i })) },
    "E_LIMIT",
    /parts/,
  ],
  ["a thousand levels", deep(1000), "E_LIMIT", /nested deeper/],
  ["a length of a billion", { type: "string", maxLength: 1e9 }, "E_LIMIT", /maxLength/],
  ["a reference that doubles at each level", doubling(30), "E_LIMIT", /parts|nested/],
])("%s: refused", (_, schema, code, message) => {
  const refusal = { code, message: expect.stringMatching(message) as unknown };
  expect(() => automatonOf(schemaGrammar(schema))).toThrow(expect.objectContaining(refusal));
});

function repeated(times: number, schema: JsonValue): JsonValue {
  const properties = Object.fromEntries(Array.from({ length: times }, (_, i) => [`p${i}`, { $ref: "#/$defs/x" }]));
  return { type: "object", properties, required: Object.keys(properties), $defs: { x: schema } };
}

function doubling(levels: number): JsonValue {
  const $defs = Object.fromEntries(
    Array.from({ length: levels }, (_, i) => {
      const below = i === 0 ? { type: "null" } : { $ref: `#/$defs/d${i - 1}` };
      return [`d${i}`, { anyOf: [below, below] }];
    }),
  );
  return { $ref: `#/$defs/d${levels - 1}`, $defs };
}
