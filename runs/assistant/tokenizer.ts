/** @file Trains the tokenizer of the pair: `tsx runs/assistant/tokenizer.ts [DATA] [OUT]`. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../src/base/atomic-file.ts";
import { createRng } from "../../src/base/rng.ts";
import { trainBpe } from "../../src/text/bpe-train.ts";
import { pretrainText } from "./pretrain-text.ts";
import { taskText } from "./tasks/tokenizer-text.ts";

const VOCAB_SIZE = 4096;
const PRETRAIN_CHARACTERS = 24e6;
const SPECIAL_TOKENS = ["<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<meta>"];

const [data = "../shared/data", out = "work/assistant/pair/tokenizer"] = process.argv.slice(2);

const texts: string[] = [];
let characters = 0;
for await (const text of pretrainText(data, createRng("tokenizer"))) {
  texts.push(text);
  characters += text.length;
  if (characters >= PRETRAIN_CHARACTERS) break;
}
for (const text of await taskText(data)) {
  texts.push(text);
  characters += text.length;
}
const started = performance.now();
const tokenizer = trainBpe(texts, { vocabSize: VOCAB_SIZE, specialTokens: SPECIAL_TOKENS, bosToken: "<s>" });
const seconds = (performance.now() - started) / 1000;

const config = {
  tokenizer_class: "PreTrainedTokenizerFast",
  bos_token: "<s>",
  eos_token: "</s>",
  pad_token: "<pad>",
  additional_special_tokens: SPECIAL_TOKENS.slice(3),
  add_bos_token: true,
  clean_up_tokenization_spaces: false,
};
await mkdir(out, { recursive: true });
await writeFileAtomic(join(out, "tokenizer.json"), `${JSON.stringify(tokenizer)}\n`);
await writeFileAtomic(join(out, "tokenizer_config.json"), `${JSON.stringify(config, null, 2)}\n`);
console.log(
  `${VOCAB_SIZE} tokens from ${(characters / 1e6).toFixed(1)} M characters in ${seconds.toFixed(1)} s → ${out}`,
);
