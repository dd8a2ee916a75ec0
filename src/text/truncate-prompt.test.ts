import { beforeAll, expect, test } from "vitest";
import { testTokenizer } from "../../test/support/tiny-pair.ts";
import { createRng } from "../base/rng.ts";
import { renderSystemPrompt, SPECIAL_TOKEN_LAYOUT } from "./prompt.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer-file.ts";
import { fitPrompt } from "./truncate-prompt.ts";

const layout = SPECIAL_TOKEN_LAYOUT;
let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(testTokenizer);
});

/** Examples of quite different lengths, behind a description or alone. */
function promptOf(count: number, { seed = 1, description }: { seed?: number; description?: string } = {}): string {
  const rng = createRng(seed);
  const words = (most: number) =>
    Array.from({ length: 1 + rng.int(most) }, () => rng.pick(["pay", "bills", "42", "Ω"]));
  const examples = Array.from({ length: count }, () => ({
    input: words(rng.pick([2, 30])).join(" "),
    target: words(3).join("_"),
  }));
  return renderSystemPrompt({ ...(description === undefined ? {} : { description }), examples });
}

/** Drops the middle example of what is left, one at a time, and encodes the whole each time. */
function oneByOne(prompt: string, room: number): { ids: number[]; dropped: number } {
  const parts = prompt.split(/\n\n(?=Input: )/);
  const first = parts[0]!.startsWith("Input: ") ? 0 : 1;
  let dropped = 0;
  let ids = tokenizer.encode(prompt);
  for (; ids.length > room && parts.length - first > 2; dropped++) {
    parts.splice(first + Math.floor((parts.length - first) / 2), 1);
    ids = tokenizer.encode(parts.join("\n\n"));
  }
  return { ids, dropped };
}

test("drops exactly the examples that dropping one at a time would", () => {
  for (const [seed, description] of [undefined, "Answer.", "Answer.\n\nBriefly."].entries()) {
    for (const count of [1, 2, 3, 4, 9, 16]) {
      const prompt = promptOf(count, { seed, ...(description === undefined ? {} : { description }) });
      const { length } = tokenizer.encode(prompt);
      for (let room = 4; room < length; room += 3 + Math.floor(length / 10)) {
        const { ids, dropped } = oneByOne(prompt, room);
        const fitted = fitPrompt(tokenizer, layout, prompt, { maxTokens: room + 2, truncate: true });
        const droppedTokens = Math.max(0, ids.length - room);
        expect(fitted, `${count} examples in ${room} tokens`).toMatchObject({
          tokens: length + 2,
          droppedExamples: dropped,
          droppedTokens,
        });
        if (droppedTokens === 0) expect(fitted.ids.slice(2)).toEqual(ids);
        else expect(fitted.ids).toHaveLength(room + 2);
      }
    }
  }
});

/** A tokenizer that says how often it was asked and for how many characters. */
function counting(encode: (text: string) => number[]) {
  const asked = { calls: 0, characters: 0 };
  const counted: Tokenizer = {
    ...tokenizer,
    encode(text) {
      asked.calls++;
      asked.characters += text.length;
      return encode(text);
    },
  };
  return { tokenizer: counted, asked };
}

test("reads a prompt of thousands of examples a few times, not once per example", () => {
  const prompt = promptOf(4000, { description: "Answer." });
  const encoders = {
    // Texts cost together what they cost alone …
    words: (text: string) => text.split(/(?<=\s)/).map((word) => word.length),
    // … or much less: three tokens stand before every text.
    "words behind a prefix": (text: string) => [1, 2, 3, ...text.split(/(?<=\s)/).map((word) => word.length)],
  };
  for (const [name, encode] of Object.entries(encoders)) {
    const { length } = encode(prompt);
    for (const room of [60, Math.floor(length / 3), length - 100, length - 1]) {
      const { tokenizer: counted, asked } = counting(encode);
      const fitted = fitPrompt(counted, layout, prompt, { maxTokens: room + 2, truncate: true });
      expect(fitted.ids.length, name).toBeLessThanOrEqual(room + 2);
      expect(fitted.droppedExamples).toBeGreaterThan(0);
      expect(asked.calls - 4000, `${name}, ${room} tokens`).toBeLessThan(24);
      expect(asked.characters, `${name}, ${room} tokens`).toBeLessThan(16 * prompt.length);
    }
  }
});
