import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { constraintLimits } from "../constraint/spec.ts";
import { readConstraint } from "./constraint-flags.ts";

const folder = mkdtempSync(join(tmpdir(), "constraint-flags-"));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test.each([
  ["a list", "billing, card lost ,other", ["billing", "card lost", "other"]],
  ["a JSON array", '["a, b", "c\\"d"]', ["a, b", 'c"d']],
  ["a file of lines", file("labels.txt", "billing\r\ncard, lost\r\n\r\n"), ["billing", "card, lost"]],
  ["a file with a JSON array", file("labels.json", '["a", "日本"]\n'), ["a", "日本"]],
])("labels of %s", async (_, labels, wanted) => {
  expect(await readConstraint({ labels })).toEqual({ kind: "labels", labels: wanted });
});

test("a schema is read, none of the flags demands nothing", async () => {
  const schema = file("schema.json", '{"type": "boolean"}');
  expect(await readConstraint({ schema })).toEqual({ kind: "schema", schema: { type: "boolean" } });
  expect(await readConstraint({})).toBeUndefined();
});

test.each([
  ["a list", "water(bed, minutes); lamp()"],
  ["a file of lines", file("calls.txt", "water(bed, minutes)\nlamp()\n")],
])("calls of %s", async (_, calls) => {
  const functions = [
    { name: "water", parameters: ["bed", "minutes"] },
    { name: "lamp", parameters: [] },
  ];
  expect(await readConstraint({ calls })).toEqual({ kind: "calls", functions });
});

test.each([
  ["an empty line", "a\r\n \r\nb\n", "line 2: expected a label in every line, found an empty one"],
  ["a file without labels", "\n", "line 1: expected a label in every line, found an empty one"],
  ["a label twice", "a\nb\na\n", 'labels: expected different, printable texts, found "a" twice'],
  [
    "an empty label in an array",
    '["a", ""]',
    "labels: expected different, printable texts, found an empty one (number 2)",
  ],
])("labels of a file with %s are refused, naming the file and the place", async (_, content, message) => {
  const labels = file("refused.txt", content);
  await expect(readConstraint({ labels })).rejects.toMatchObject({ code: "E_USAGE", message: `${labels}: ${message}` });
});

test.each([
  ["a name of no file", { labels: "labels.text" }, "E_USAGE"],
  ["an empty line", { labels: file("gap.txt", "a\n\nb") }, "E_USAGE"],
  ["an array of numbers", { labels: "[1, 2]" }, "E_FORMAT"],
  ["a call without brackets", { calls: "water" }, "E_USAGE"],
  ["no calls", { calls: ";" }, "E_USAGE"],
  ["calls beside --no-constraint", { calls: "water()", constraint: false }, "E_USAGE"],
  ["half an array", { labels: '["a"' }, "E_FORMAT"],
  ["bytes that are no text", { labels: file("bytes", "\u0000,\u0001") }, "E_USAGE"],
  ["a schema that is not there", { schema: join(folder, "none.json") }, "E_NOT_FOUND"],
  ["a folder as schema", { schema: folder }, "E_IO"],
  ["a schema with a key twice", { schema: file("twice.json", '{"type": "null", "type": "boolean"}') }, "E_FORMAT"],
  ["a schema that cannot be kept", { schema: file("pattern.json", '{"type": "string", "pattern": "a"}') }, "E_CONFIG"],
  [
    "a schema beyond the limit",
    { schema: file("large.json", " ".repeat(constraintLimits.schemaBytes + 1)) },
    "E_LIMIT",
  ],
])("%s: refused", async (_, flags, code) => {
  await expect(readConstraint(flags)).rejects.toMatchObject({ code });
});
