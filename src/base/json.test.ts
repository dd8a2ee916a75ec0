/** @file JSON at the border: bounds, duplicate keys, schema errors that name the key. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { checkSchema, parseJson } from "./json.ts";
import { readJsonFile, writeJsonFile } from "./json-file.ts";

const folder = () => mkdtempSync(join(tmpdir(), "json-"));

test("any JSON value survives writing and parsing, unique keys demanded or not", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 8 }), fc.boolean(), (value, uniqueKeys) => {
      const text = JSON.stringify(value);
      expect(parseJson(text, { what: "value", uniqueKeys })).toEqual(JSON.parse(text));
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("a depth bomb is refused before it is parsed", () => {
  for (const bomb of ["[".repeat(1_000_000), '{"a":'.repeat(200_000), `${"[".repeat(65)}${"]".repeat(65)}`]) {
    expect(() => parseJson(bomb, { what: "bomb" })).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
  }
  expect(parseJson('[[["[[[[{{{{"]]]', { what: "x", maxDepth: 3 })).toEqual([[["[[[[{{{{"]]]);
});

test("sibling brackets do not count as depth", () => {
  expect(parseJson(`[${"[],".repeat(1000)}[]]`, { what: "x", maxDepth: 2 })).toHaveLength(1001);
});

test("a text beyond the byte limit is refused, counted as UTF-8", () => {
  expect(parseJson('"ää"', { what: "x", maxBytes: 6 })).toBe("ää");
  expect(() => parseJson('"ää"', { what: "x", maxBytes: 5 })).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
});

test.each([
  ['{"a":1,"a":2}', "a"],
  ['{"a":1,"b":{"c":[{"d":1}],"x":0,"c":1}}', "c"],
  ['[{"k":1},{"k":1,"\\u006b":2}]', "k"],
  ['{"a\\"":1 , "a\\"" :2}', 'a\\"'],
  ['{"__proto__":1,"__proto__":2}', "__proto__"],
])("duplicate keys are refused where asked: %s", (text, key) => {
  expect(() => parseJson(text, { what: "header", uniqueKeys: true })).toThrow(`header: duplicate key "${key}"`);
  expect(() => parseJson(text, { what: "header" })).not.toThrow();
});

test("equal keys of different objects and equal strings in arrays are no duplicates", () => {
  const text = '{"a":{"a":["a","a",{"a":"a"}]},"b":{"a":1}}';
  expect(parseJson(text, { what: "x", uniqueKeys: true })).toEqual(JSON.parse(text));
});

test.each(["", "{", '{"a"', '"\\', "[1,]", "nul", '{"a":1}}', "]", '{"\\x":1}'])("malformed %j is E_FORMAT", (text) => {
  expect(() => parseJson(text, { what: "x", uniqueKeys: true })).toThrow(
    expect.objectContaining({ code: "E_FORMAT", message: expect.stringMatching(/^x: not valid JSON/) }),
  );
});

const Config = z.strictObject({ layers: z.array(z.strictObject({ rank: z.int().positive() })) });

test("a schema error names the path of the failing key and carries the code asked for", async () => {
  const path = join(folder(), "config.json");
  writeFileSync(path, '{"layers":[{"rank":4},{"rank":-1}]}');
  await expect(readJsonFile(path, Config, { code: "E_CONFIG" })).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringContaining(`${path}: layers.1.rank: `),
  });
  expect(() => checkSchema(3, Config, { what: "gates" })).toThrow(/^gates: top level: /);
  expect(() => checkSchema(Array(9).fill("x"), z.array(z.number()), { what: "gates" })).toThrow(/8|and 4 more/);
});

test("of several alternatives the one that comes closest says what is wrong", () => {
  const Source = z.object({ from: z.union([z.string(), z.strictObject({ path: z.string(), weight: z.number() })]) });
  const refusal = (from: unknown) => () => checkSchema({ from }, Source, { what: "run" });
  expect(refusal({ path: "a", weight: "b" })).toThrow(/^run: from\.weight: /);
  expect(refusal({ path: "a", weight: 1, note: "" })).toThrow(/^run: from: .*"note"/);
  expect(refusal(3)).toThrow(/^run: from: Invalid input$/);
});

test("a written file reads back, with nothing but itself in the folder", async () => {
  const path = join(folder(), "config.json");
  const value = { layers: [{ rank: 16 }] };
  await writeJsonFile(path, value);
  expect(await readJsonFile(path, Config)).toEqual(value);
  expect(readFileSync(path, "utf8").endsWith("}\n")).toBe(true);
});

test("missing, oversized and non-UTF-8 files are told apart", async () => {
  const dir = folder();
  writeFileSync(join(dir, "big"), "0".repeat(11));
  writeFileSync(join(dir, "latin1"), new Uint8Array([0x22, 0xe4, 0x22]));
  const read = (name: string) => readJsonFile(join(dir, name), z.unknown(), { maxBytes: 10 });
  await expect(read("none")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  await expect(read("big")).rejects.toMatchObject({ code: "E_LIMIT" });
  await expect(read("latin1")).rejects.toMatchObject({ code: "E_FORMAT", message: expect.stringContaining("UTF-8") });
});

test("JSON of millions of values is refused before it is held, and an error quotes no more than a person reads", () => {
  const many = `[${"0,".repeat(2 ** 20)}0]`;
  expect(() => parseJson(many, { what: "x" })).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
  expect(parseJson(many, { what: "x", maxValues: 2 ** 21 })).toHaveLength(2 ** 20 + 1);
  const keys = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`key ${i}`, i]));
  try {
    checkSchema(keys, z.strictObject({}), { what: "x" });
    expect.unreachable();
  } catch (error) {
    expect((error as Error).message.length).toBeLessThan(600);
  }
});
