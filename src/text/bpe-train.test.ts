import { describe, expect, test } from "vitest";
import { byteCharacters, trainBpe } from "./bpe-train.ts";
import { createTokenizer } from "./tokenizer-file.ts";

const TEXTS = ["low lower lowest", "new newer newest", "the lowest of the newest 2024, the 2025", "wider wide, widest"];
const options = { vocabSize: 290, specialTokens: ["<pad>", "<s>"], bosToken: "<s>" };

describe("byte-level BPE training", () => {
  test("the first merge is the most frequent pair", () => {
    const { model } = trainBpe(TEXTS, options) as { model: { merges: [string, string][] } };
    // " t" 4, "th" 4 in " the" ×3 … count by brute force
    const counts = new Map<string, number>();
    for (const word of TEXTS.join("\n").match(/ ?\p{L}+/gu) ?? []) {
      for (let i = 0; i + 1 < word.length; i++) {
        const pair = word.slice(i, i + 2);
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const best = Math.max(...counts.values());
    expect(counts.get(model.merges[0]!.join("").replace("Ġ", " "))).toBe(best);
  });

  test("the incremental counts lead to the same merges as counting anew each time", () => {
    const { model } = trainBpe(TEXTS, options) as { model: { merges: [string, string][] } };
    const names = byteCharacters();
    let words = TEXTS.flatMap((text) => text.match(/ ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+/gu) ?? []).map((word) =>
      [...new TextEncoder().encode(word)].map((byte) => names[byte]!),
    );
    for (const [left, right] of model.merges) {
      const counts = new Map<string, number>();
      for (const word of words)
        for (let i = 0; i + 1 < word.length; i++) {
          const key = `${word[i]} ${word[i + 1]}`;
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
      expect(counts.get(`${left} ${right}`)).toBe(Math.max(...counts.values()));
      words = words.map((word) => {
        const merged: string[] = [];
        for (let i = 0; i < word.length; i++) {
          const isPair = word[i] === left && word[i + 1] === right;
          merged.push(isPair ? left + right : word[i]!);
          if (isPair) i++;
        }
        return merged;
      });
    }
  });

  test("the result is a tokenizer that gives back any text, seen or not", () => {
    const tokenizer = createTokenizer(trainBpe(TEXTS, options), { bos_token: "<s>", pad_token: "<pad>" });
    for (const text of [...TEXTS, "völlig Neues: 日本 😀\n\n7"]) {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
    expect(tokenizer.encode("low", { addSpecial: true })[0]).toBe(1);
    expect(tokenizer.vocabSize).toBeLessThanOrEqual(290);
  });

  test("no token is longer than asked", () => {
    const { model } = trainBpe(["abcdefgh ".repeat(9)], { ...options, maxTokenBytes: 3 }) as {
      model: { merges: [string, string][] };
    };
    expect(model.merges.length).toBeGreaterThan(0);
    expect(Math.max(...model.merges.map(([left, right]) => left.length + right.length))).toBeLessThanOrEqual(3);
  });
});
