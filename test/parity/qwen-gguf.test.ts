/** @file A published GGUF file of mixed blocks (Q5_0, Q8_0, Q6_K, Q4_K): tokens, logits and greedy text of transformers on the same values. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { readJsonFile } from "../../src/base/json-file.ts";
import { createCachedModel } from "../../src/decode/cached-model.ts";
import { openModel } from "../../src/models/model-file.ts";
import { type ChatMessage, renderChat } from "../../src/text/chat-template.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";

const file = "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf";
const path = resolve(import.meta.dirname, "../../../weights/qwen", file);
const fixture = resolve(import.meta.dirname, "../fixtures/published/qwen2.5-coder-0.5b.json");
const missing = !existsSync(path);

const Ids = z.array(z.int());
const Reference = z.looseObject({
  sha256: z.string(),
  tokens: z.array(z.object({ text: z.string(), ids: Ids })).min(6),
  messages: z.custom<ChatMessage[]>(Array.isArray),
  rendered: z.string(),
  ids: Ids,
  top20: z.object({ ids: Ids.length(20), values: z.array(z.number()).length(20) }),
  greedy: Ids.min(1),
});

describe.skipIf(missing)(
  missing ? `Qwen2.5-Coder (skipped: ../weights/qwen/${file} is absent)` : "Qwen2.5-Coder",
  () => {
    test("its texts and its chat become the tokens of transformers", async () => {
      const { tokens, messages, rendered, ids } = await readJsonFile(fixture, Reference);
      const tokenizer = await loadTokenizer(path);
      for (const { text, ids: wanted } of tokens)
        expect(tokenizer.encode(text, { parseSpecial: true }), text).toEqual(wanted);
      expect(renderChat(tokenizer, messages, { addGenerationPrompt: true })).toBe(rendered);
      expect(tokenizer.encode(rendered, { parseSpecial: true })).toEqual(ids);
    });

    test("widened, its logits and its greedy text are those of transformers on the dequantised weights", async () => {
      const { sha256, ids, top20, greedy } = await readJsonFile(fixture, Reference);
      const model = await openModel(path);
      expect(model.sha256).toBe(sha256);
      await using cached = await createCachedModel(model, { capacity: 256 });
      let logits = await cached.feed(ids);
      const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
      expect(order.slice(0, 20)).toEqual(top20.ids);
      for (const [i, id] of top20.ids.entries())
        expect(Math.abs(logits[id]! - top20.values[i]!), `logit ${id}`).toBeLessThan(2e-3);
      for (const id of greedy) {
        expect(logits.reduce((best, value, i) => (value > logits[best]! ? i : best), 0)).toBe(id);
        logits = await cached.feed([id]);
      }
    });
  },
);
