import { expect, test } from "vitest";
import { findMetaToken } from "./meta-token.ts";
import { encodeMeta, PLAIN_LAYOUT } from "./prompt.ts";
import { createTokenizer } from "./tokenizer-file.ts";

const tokenizer = (special: readonly string[]) =>
  createTokenizer(
    {
      added_tokens: special.map((content, i) => ({ id: 3 + i, content, special: true })),
      model: { type: "BPE", vocab: { a: 0, b: 1, "<pad>": 2 }, merges: [] },
    },
    { pad_token: "<pad>" },
  );

test.each<[string, string[], number]>([
  [
    "Llama 3",
    [
      "<|begin_of_text|>",
      "<|reserved_special_token_0|>",
      "<|reserved_special_token_10|>",
      "<|reserved_special_token_9|>",
    ],
    5,
  ],
  ["Gemma", ["<bos>", "<unused0>", "<unused1>"], 5],
  ["Mistral Nemo", ["<SPECIAL_14>", "<SPECIAL_15>"], 4],
  ["Phi 3", ["<|placeholder1|>", "<|placeholder6|>"], 4],
])("the meta token of %s is the last of its reserved tokens", (_, special, id) => {
  expect(findMetaToken(tokenizer(special))).toEqual({ id, kind: "reserved" });
});

test("where none is reserved, the place of the added row is filled with a token that every model has", () => {
  const without = tokenizer(["<s>", "<|im_end|>"]);
  expect(findMetaToken(without)).toEqual({ id: 2, kind: "row" });
  expect(encodeMeta(without, PLAIN_LAYOUT, 3)).toEqual([2, 2, 2]);
  expect(without.vocabSize).toBeGreaterThan(2);
});

test("tokens that only look alike are not taken", () => {
  expect(findMetaToken(tokenizer(["<|reserved_special_token_x|>", "a<unused0>"])).kind).toBe("row");
});
