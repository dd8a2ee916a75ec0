/** @file A published GGUF file alone: token ids of transformers and of llama.cpp, chats, logits and greedy text. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { readJsonFile } from "../../src/base/json-file.ts";
import { createCachedModel } from "../../src/decode/cached-model.ts";
import { createDecoder } from "../../src/decode/decoder.ts";
import { openModel } from "../../src/models/model-file.ts";
import { type ChatMessage, renderChat } from "../../src/text/chat-template.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";

const folder = resolve(import.meta.dirname, "../../../shared/weights/smollm2-135m-instruct");
const path = resolve(import.meta.dirname, "../../pairs/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
const missing = !existsSync(folder);

const Ids = z.array(z.int());
const Reference = z.looseObject({
  tokens: z.array(z.looseObject({ text: z.string(), ids: Ids, llamaCpp: Ids, llamaCppSpecial: Ids })).min(8),
  chats: z
    .array(
      z.looseObject({
        messages: z.custom<ChatMessage[]>(Array.isArray),
        rendered: z.string(),
        ids: Ids,
        idsLlamaCpp: Ids,
        lastLogitsTop20: z.looseObject({ ids: Ids.length(20), values: z.array(z.number()).length(20) }),
        /** Up to 24, or to the token that ends the answer. */
        greedy24: Ids,
        greedyText: z.string(),
      }),
    )
    .length(3),
});

describe.skipIf(missing)(missing ? `SmolLM2 (skipped: ${folder} is absent)` : "SmolLM2", () => {
  const reference = readJsonFile(join(folder, "reference.json"), Reference);

  test("its texts become the tokens of transformers and of llama.cpp, and come back", async () => {
    const tokenizer = await loadTokenizer(path);
    for (const { text, ids, llamaCpp, llamaCppSpecial } of (await reference).tokens) {
      expect(tokenizer.encode(text), text).toEqual(llamaCpp);
      expect(tokenizer.encode(text, { parseSpecial: true }), text).toEqual(ids);
      expect(ids, text).toEqual(llamaCppSpecial);
      expect(tokenizer.decode(ids), text).toBe(text);
    }
  });

  test("its chats are written by its own template", async () => {
    const tokenizer = await loadTokenizer(path);
    for (const { messages, rendered, ids, idsLlamaCpp } of (await reference).chats) {
      expect(renderChat(tokenizer, messages, { addGenerationPrompt: true })).toBe(rendered);
      expect(tokenizer.encode(rendered, { parseSpecial: true })).toEqual(ids);
      expect(idsLlamaCpp).toEqual(ids);
    }
  });

  test("its 20 largest logits and its greedy text are those of transformers on the same values", async () => {
    const model = await openModel(path);
    const tokenizer = await loadTokenizer(path);
    await using cached = await createCachedModel(model);
    await using decoder = await createDecoder(model);
    for (const { ids, lastLogitsTop20, greedy24, greedyText } of (await reference).chats) {
      cached.rewind([], { reuse: false });
      const logits = await cached.feed(ids);
      const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
      expect(order.slice(0, 20)).toEqual(lastLogitsTop20.ids);
      for (const [i, id] of lastLogitsTop20.ids.entries())
        expect(Math.abs(logits[id]! - lastLogitsTop20.values[i]!), `logit ${id}`).toBeLessThan(2e-3);
      const answer = await decoder.generate(ids, { maxTokens: greedy24.length, tokenizer, stopIds: [] });
      expect(answer.ids).toEqual(greedy24);
      expect(tokenizer.decode(answer.ids)).toBe(greedyText);
    }
  });
});
