/** @file Constraints as llama.cpp keeps them: it reads the grammars that we write, and answers as our runtime does under them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Llama } from "node-llama-cpp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/base/rng.ts";
import { compileConstraint } from "../../src/constraint/compile.ts";
import { gbnf } from "../../src/constraint/gbnf.ts";
import { callsSpec, labelsSpec, schemaSpec } from "../../src/constraint/spec.ts";
import { createDecoder } from "../../src/decode/decoder.ts";
import { ggufTokenizer } from "../../src/export/gguf-tokenizer.ts";
import { saveGgufModel } from "../../src/models/gguf/save.ts";
import type { Pair } from "../../src/pair/pair-file.ts";
import { encodeInput } from "../../src/text/prompt.ts";
import { missingLlamaCpp, openLlamaCpp, startLlamaCpp } from "../support/llama-cpp.ts";
import { randomSchema } from "../support/random-schema.ts";
import { openTinyPair, testTokenizer } from "../support/tiny-pair.ts";

const missing = missingLlamaCpp();

describe.skipIf(missing !== undefined)(missing === undefined ? "llama.cpp" : `llama.cpp (skipped: ${missing})`, () => {
  let folder: string;
  let llama: Llama;
  let pair: Pair;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "llama-cpp-"));
    llama = await startLlamaCpp();
    pair = await openTinyPair();
  });
  afterAll(async () => {
    await llama.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  test("it reads the grammars of labels and calls with any characters and of 100 random schemas", async () => {
    const labels = labelsSpec(["a", 'say "hi"', "back\\slash", "日本", "שלום", "👩‍👧", "[x]^-", "</s>"]);
    const schemas = Array.from({ length: 100 }, (_, i) => schemaSpec(randomSchema(createRng(`schema ${i}`))));
    const calls = callsSpec([
      { name: "water", parameters: ["bed", "a.b", "état"] },
      { name: "$lamp-off", parameters: [] },
    ]);
    for (const spec of [labels, calls, ...schemas]) await llama.createGrammar({ grammar: gbnf(spec) });
  });

  test("under the grammars of a JSON schema and of calls it answers as our runtime does", async () => {
    const { tokenizer, layout, edge } = pair;
    const path = join(folder, "edge.gguf");
    const about = await ggufTokenizer(testTokenizer, edge.config);
    await saveGgufModel(path, edge, { type: "F32", about });
    const schema = schemaSpec({
      type: "object",
      properties: {
        intent: { enum: ["bill_due", "balance", "transfer"] },
        amount: { type: "integer", minimum: 0, maximum: 5000 },
        note: { type: "string", maxLength: 12 },
        urgent: { type: "boolean" },
      },
      required: ["intent", "amount", "urgent"],
    });
    const calls = callsSpec([
      { name: "transfer", parameters: ["amount", "to"] },
      { name: "balance", parameters: [] },
    ]);
    await using decoder = await createDecoder(edge, { threads: 1 });
    await using theirs = await openLlamaCpp(llama, path);
    const inputs = [
      "move 250 dollars to checking",
      "what do i owe",
      "is my bill due",
      "hello there",
      "pay it now",
      "日本",
    ];
    for (const [spec, input] of [schema, calls].flatMap((spec) => inputs.map((input) => [spec, input] as const))) {
      const { next, stopIds } = compileConstraint(tokenizer, layout, spec);
      const prompt = encodeInput(tokenizer, layout, input);
      const { ids, finish } = await decoder.generate(prompt, { constraint: next, stopIds, maxTokens: 80 });
      if (spec === schema) expect(finish).toBe("stop"); // a string of a call has no bound
      const answer = await theirs.greedy(prompt, {
        maxTokens: finish === "stop" ? ids.length + 1 : ids.length,
        ends: stopIds,
        grammar: gbnf(spec),
      });
      expect(tokenizer.decode(answer), input).toBe(tokenizer.decode(ids));
    }
  });
});
