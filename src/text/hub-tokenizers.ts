/** @file What is used of Hugging Face's tokenizers package; the modules that its own declarations name are not found by TypeScript. */
import * as hub from "@huggingface/tokenizers";

type Class<Config, Instance> = new (config: Config) => Instance;
type Normalizer = { normalize(text: string): string };

export const { BPE, BertNormalizer, PrecompiledNormalizer, SplitPreTokenizer } = hub as unknown as {
  readonly BPE: Class<object, { encode(pieces: readonly string[]): string[] }>;
  readonly BertNormalizer: Class<object, Normalizer>;
  readonly PrecompiledNormalizer: Class<object, Normalizer>;
  /** Its pattern is Oniguruma's, rewritten for JavaScript with the flags `gu`. */
  readonly SplitPreTokenizer: Class<object, { readonly pattern: RegExp }>;
};
