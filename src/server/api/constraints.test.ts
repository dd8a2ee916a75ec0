/** @file Constraints that come again. */
import { beforeAll, expect, test } from "vitest";
import { testTokenizer } from "../../../test/support/tiny-pair.ts";
import { labelsSpec, schemaSpec } from "../../constraint/spec.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../../text/prompt.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import { loadTokenizer } from "../../text/tokenizer-file.ts";
import { constraintCacheLimits, createConstraintCache } from "./constraints.ts";

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(testTokenizer);
});
const cacheOf = (bytes?: number) => createConstraintCache({ tokenizer, layout: SPECIAL_TOKEN_LAYOUT }, bytes);
const schema = (name: string) =>
  schemaSpec({ type: "object", properties: { [name]: { type: "string" } }, required: [name] });

test("a constraint that comes again is not compiled again", () => {
  const { compile } = cacheOf();
  expect(compile(schema("a"))).toBe(compile(schema("a")));
  expect(compile(schema("b"))).not.toBe(compile(schema("a")));
});

test("they are kept up to so many bytes, those used last", () => {
  const limit = 10 * constraintCacheLimits.entryBytes;
  const { compile, bytes } = cacheOf(limit);
  const first = compile(labelsSpec(["yes", "no"]));
  for (let i = 0; i < 50; i++) {
    compile(schema(`key${i}`));
    expect(compile(labelsSpec(["yes", "no"]))).toBe(first); // used again and again
    expect(bytes()).toBeLessThanOrEqual(limit);
  }
});

test("what a constraint grows by while it is used counts, and one that is too large is not kept", () => {
  const { compile, bytes } = cacheOf(2 ** 19);
  const grown = compile(schema("text"));
  const before = bytes();
  const ids = tokenizer.encode('{"text": "a long answer, with many places in it, each of them new"}');
  for (let i = 0; i < ids.length; i++) expect(grown.next(ids.slice(0, i)).length).toBeGreaterThan(0);
  expect(bytes()).toBeGreaterThan(before + 2 ** 14);
  for (let at = 0; bytes() <= 2 ** 19; at++) {
    const other = compile(schema(`other${at}`));
    for (let i = 0; i < ids.length; i++) other.next(ids.slice(0, i));
    for (const end of ["1", "2", "3"]) other.next(tokenizer.encode(`{"other${at}": "${end}`));
  }
  compile(labelsSpec(["yes", "no"]));
  expect(bytes()).toBeLessThanOrEqual(2 ** 19);
  expect(compile(schema("text"))).not.toBe(grown);
});
