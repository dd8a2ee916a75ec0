/** @file Real models with known outputs: tokens, logits and the greedy continuation of `reference.json`. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { readJsonFile } from "../../src/base/json-file.ts";
import { createCachedModel } from "../../src/decode/cached-model.ts";
import { createDecoder } from "../../src/decode/decoder.ts";
import { openModel } from "../../src/models/model-file.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { fullLogits } from "../support/random-llama.ts";

const root = resolve(import.meta.dirname, "../../../shared/weights");
const tolerance = 1e-4;

const Reference = z.object({
  prompt: z.string(),
  tokens: z.array(z.int()),
  last_logits_first16: z.array(z.number()).length(16),
  last_logits_sum: z.number(),
  last_argmax: z.int(),
  greedy_tokens: z.array(z.int()),
  greedy_text: z.string(),
});

async function open(name: string) {
  const directory = join(root, name);
  return {
    model: await openModel(directory),
    tokenizer: await loadTokenizer(directory),
    reference: await readJsonFile(join(directory, "reference.json"), Reference),
  };
}

function expectReferenceLogits(logits: Float32Array, reference: z.infer<typeof Reference>): void {
  reference.last_logits_first16.forEach((value, i) => {
    expect(Math.abs(logits[i]! - value), `logit ${i}`).toBeLessThan(tolerance);
  });
  // Independent errors of n terms, each within the tolerance, add up to about √n of it.
  const sum = logits.reduce((a, b) => a + b, 0);
  expect(Math.abs(sum - reference.last_logits_sum)).toBeLessThan(tolerance * Math.sqrt(logits.length));
  expect(logits.indexOf(Math.max(...logits))).toBe(reference.last_argmax);
}

for (const name of ["stories260k", "tiny1m"]) {
  const missing = !existsSync(join(root, name));
  describe.skipIf(missing)(missing ? `${name} (skipped: ${join("../shared/weights", name)} is absent)` : name, () => {
    test("the prompt becomes the reference's tokens", async () => {
      const { tokenizer, reference } = await open(name);
      expect(tokenizer.encode(reference.prompt, { addSpecial: true })).toEqual(reference.tokens);
    });

    test("the full forward pass gives the reference's logits", async () => {
      const { model, reference } = await open(name);
      const weights = { ...model.weights };
      expectReferenceLogits((await fullLogits({ config: model.config, weights }, reference.tokens)).at(-1)!, reference);
    });

    test("the cached model gives the reference's logits, at once and token by token", async () => {
      const { model, reference } = await open(name);
      await using cached = await createCachedModel(model);
      expectReferenceLogits(await cached.feed(reference.tokens), reference);
      cached.rewind([], { reuse: false });
      for (const id of reference.tokens.slice(0, -1)) await cached.feed([id]);
      expectReferenceLogits(await cached.feed(reference.tokens.slice(-1)), reference);
    });

    test("the greedy continuation is the reference's, in tokens and in text", async () => {
      const { model, tokenizer, reference } = await open(name);
      await using decoder = await createDecoder(model);
      const wanted = reference.greedy_tokens.slice(reference.tokens.length);
      const { ids } = await decoder.generate(reference.tokens, { maxTokens: wanted.length });
      expect(ids).toEqual(wanted);
      const decoded = tokenizer.decode([...reference.tokens, ...ids], { skipSpecial: true });
      expect(decoded.trimStart()).toBe(reference.greedy_text);
    });

    test("the log-likelihood of the greedy continuation beats the same text with a token changed", async () => {
      const { model, reference } = await open(name);
      await using decoder = await createDecoder(model);
      const greedy = reference.greedy_tokens.slice(reference.tokens.length, reference.tokens.length + 8);
      const changed = greedy.map((id, i) => (i === 3 ? (id + 1) % model.config.vocab : id));
      const [best, worse] = await decoder.score(reference.tokens, [greedy, changed]);
      expect(best).toBeGreaterThan(worse!);
    });
  });
}
