/** @file On random logits no answer breaks its constraint; 2,000 damaged schemas and label lists each are kept or refused. */
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { fuzz } from "../../test/support/fuzz.ts";
import { mutateJson } from "../../test/support/mutate.ts";
import { randomLogits } from "../../test/support/random-logits.ts";
import { randomSchema } from "../../test/support/random-schema.ts";
import { testTokenizer } from "../../test/support/tiny-pair.ts";
import { checkSchema, type JsonValue, parseJson } from "../base/json.ts";
import { createRng, type Rng } from "../base/rng.ts";
import { generate } from "../decode/generate.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer-file.ts";
import { type ConstraintCompiler, compileConstraint, constraintCompiler } from "./compile.ts";
import { gbnf } from "./gbnf.ts";
import { type ConstraintSpec, callsSpec, labelsSpec, schemaSpec } from "./spec.ts";

let tokenizer: Tokenizer;
let compile: ConstraintCompiler;
/** Tokens with which texts come to an end. */
let closing: number[];
beforeAll(async () => {
  tokenizer = await loadTokenizer(testTokenizer);
  compile = constraintCompiler(tokenizer, SPECIAL_TOKEN_LAYOUT);
  const ends = ['"', "}", "]", ",", '",', '"}'].map((text) => tokenizer.encode(text));
  closing = ends.filter(({ length }) => length === 1).flat();
});

/** One answer on random logits, every second one sampled. */
async function answer(spec: ConstraintSpec, seed: string, sampled: boolean) {
  // Most by one compiler, as a service has it; a tenth by one that has seen nothing.
  const { next, stopIds } = seed.endsWith("7")
    ? compileConstraint(tokenizer, SPECIAL_TOKEN_LAYOUT, spec)
    : compile(spec);
  const vocab = tokenizer.vocabSize;
  const defaults = { vocab, eosIds: [], reusePrefix: true, now: () => 0 };
  const sampling = sampled ? { temperature: 1.5, topK: 50, rng: createRng(seed) } : {};
  const model = randomLogits(vocab, seed, { likely: [...closing, ...stopIds] });
  const { ids, finish } = await generate(model, [1], defaults, {
    ...sampling,
    constraint: next,
    stopIds,
    maxTokens: 400,
  });
  const special = new Set(tokenizer.specialTokens.values());
  expect(ids.some((id) => special.has(id))).toBe(false);
  return { text: tokenizer.decode(ids), finish };
}

/** Values and keywords where they do not belong. */
const stray: readonly JsonValue[] = [
  -1,
  0,
  3,
  1e9,
  1.5,
  "",
  "string",
  "object",
  [],
  {},
  null,
  true,
  "\u0000",
  "\ud83d",
  "#/$defs/x",
];
const keywords =
  "type enum const minLength maxLength minimum maximum items minItems properties required anyOf oneOf allOf $ref pattern format not".split(
    " ",
  );

/** A copy in which one value is another one, a key is gone, or a keyword has come. */
function damaged(value: JsonValue, rng: Rng): JsonValue {
  if (value === null || typeof value !== "object" || rng.int(6) === 0) return rng.pick(stray);
  const entries: [string, JsonValue][] = Object.entries(value);
  const at = rng.int(Math.max(1, entries.length));
  const kind = rng.int(4);
  if (kind === 0) entries.splice(at, 1);
  else if (kind === 1 && entries.length > 0) entries.splice(at, 0, [rng.pick(keywords), entries[at]![1]]);
  else if (entries.length > 0) entries[at] = [entries[at]![0], damaged(entries[at]![1], rng)];
  return Array.isArray(value) ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
}

function expectValid(schema: JsonValue, text: string): void {
  const value = JSON.parse(text) as unknown;
  const { success, error } = z.fromJSONSchema(schema as never).safeParse(value);
  if (!success) expect.fail(`${text} does not fit ${JSON.stringify(schema)}: ${error.message}`);
}

test("answers of 400 random schemas fit them, as another validator sees it", async () => {
  let finished = 0;
  for (let i = 0; i < 400; i++) {
    const schema = randomSchema(createRng(`schema ${i}`));
    const { text, finish } = await answer(schemaSpec(schema), `answer ${i}`, i % 2 === 1);
    if (finish === "length") continue;
    finished++;
    expectValid(schema, text);
  }
  expect(finished).toBeGreaterThan(300);
});

test("answers under 100 random lists of functions call one of them, with its own parameters", async () => {
  let finished = 0;
  for (let i = 0; i < 100; i++) {
    const rng = createRng(`functions ${i}`);
    const names = rng.shuffle(["set", "set_all", "get", "a.b", "日", "x-y", "$f"]).slice(0, 1 + rng.int(7));
    const functions = names.map((name) => ({
      name,
      parameters: rng.shuffle(["a", "ab", "to", "état"]).slice(rng.int(5)),
    }));
    const { text, finish } = await answer(callsSpec(functions), `call ${i}`, i % 2 === 1);
    if (finish === "length") continue;
    finished++;
    const [, name, given] = /^(.+?)\((.*)\)$/su.exec(text)!;
    const { parameters } = functions.find((one) => one.name === name)!;
    let rest = given!;
    for (let count = 0; rest !== ""; count++) {
      const [whole, key, value] = /^(.+?)=("(?:[^"\\]|\\.)*")(?:, |$)/su.exec(rest)!;
      expect(parameters).toContain(key);
      expect(typeof JSON.parse(value!)).toBe("string");
      expect(count).toBeLessThan(parameters.length);
      rest = rest.slice(whole.length);
    }
  }
  expect(finished).toBeGreaterThan(60);
});

test("2,000 damaged schemas are kept by an answer, or refused", async () => {
  let schema = "";
  let count = 0;
  const { outcomes, reasons } = await fuzz({
    seed: "schemas",
    damage: (rng) => {
      const original = randomSchema(rng.split("schema"));
      schema = rng.int(4) === 0 ? mutateJson(JSON.stringify(original), rng) : JSON.stringify(damaged(original, rng));
      return 2 ** 24; // the automaton is larger than its schema
    },
    read: async () => {
      const parsed = parseJson(schema, { what: "schema" });
      const spec = schemaSpec(parsed);
      expect(gbnf(spec)).toMatch(/^root ::= /);
      const { text, finish } = await answer(spec, `damaged ${count}`, count++ % 2 === 1);
      if (finish === "stop") JSON.parse(text);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(300);
  expect(outcomes["E_CONFIG"]).toBeGreaterThan(300);
  expect(reasons).toBeGreaterThan(15);
});

test("2,000 damaged label lists are kept by an answer, or refused", async () => {
  const labels = ["a", "ab", "card lost", "</s>", 'say "hi"', "\\", "日本", "👩‍👧", "שלום", "<|user|> x"];
  let list = "";
  let count = 0;
  const { outcomes } = await fuzz({
    seed: "labels",
    damage: (rng) => {
      const original = rng.shuffle([...labels]).slice(0, 1 + rng.int(10));
      list = rng.int(4) === 0 ? mutateJson(JSON.stringify(original), rng) : JSON.stringify(damaged(original, rng));
      return 2 ** 20;
    },
    read: async () => {
      const given = checkSchema(parseJson(list, { what: "labels" }), z.array(z.string()), { what: "labels" });
      const spec = labelsSpec(given);
      expect(gbnf(spec)).toMatch(/^root ::= /);
      const { text, finish } = await answer(spec, `damaged ${count}`, count++ % 2 === 1);
      expect(finish).toBe("stop");
      expect(given.map((label) => label.trim())).toContain(text);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(300);
  expect((outcomes["E_USAGE"] ?? 0) + (outcomes["E_FORMAT"] ?? 0)).toBeGreaterThan(300);
});
