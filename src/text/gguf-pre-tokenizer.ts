/** @file How llama.cpp's kinds of byte-level BPE split a text into words, by the names of `tokenizer.ggml.pre`. */

/** One step of a `tokenizer.json`'s `pre_tokenizer`. */
export type SplitStep = Readonly<Record<string, unknown>> & { readonly type: string };

export type PreTokenizer = {
  readonly steps: readonly SplitStep[];
  /** Put in front of the steps: what the model's own tokenizer does first. llama.cpp has no normalisers. */
  readonly normalizer?: { readonly type: "NFC" };
  /** Whether a word that is a token is that token, whatever its merges say. */
  readonly ignoresMerges?: true;
  /** Whether a text gets a begin token where the file does not say so. */
  readonly addsBegin?: true;
  /** Other names of the same. */
  readonly aliases?: readonly string[];
};

const byteLevel = (use_regex: boolean): SplitStep => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex,
});
const split = (Regex: string): SplitStep => ({
  type: "Split",
  pattern: { Regex },
  behavior: "Isolated",
  invert: false,
});

const cased = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const rest = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** Several steps split what the ones before have left. Source: `llm_tokenizer_bpe` in llama.cpp's `llama-vocab.cpp`. */
export const preTokenizers = {
  "gpt-2": { steps: [byteLevel(true)], aliases: ["phi-2"] },
  smollm: { steps: [split("\\p{N}"), byteLevel(true)], aliases: ["starcoder", "refact", "command-r", "codeshell"] },
  "llama-bpe": {
    steps: [split(`${cased}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${rest}`), byteLevel(false)],
    ignoresMerges: true,
    addsBegin: true,
    aliases: ["llama3", "llama-v3"],
  },
  qwen2: {
    steps: [split(`${cased}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${rest}`), byteLevel(false)],
    normalizer: { type: "NFC" },
    aliases: ["deepseek-r1-qwen", "megrez"],
  },
  default: {
    steps: [
      split("[\\p{P}\\$\\+<=>\\^~\\|]+"),
      split("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"),
      split("\\p{N}+"),
      split("[0-9][0-9][0-9]"),
      byteLevel(false),
    ],
  },
} as const satisfies Readonly<Record<string, PreTokenizer>>;

export type PreName = keyof typeof preTokenizers;
export const preNames = Object.keys(preTokenizers) as readonly PreName[];

/** The kind that a name stands for; undefined for names that are not known here. */
export function findPreTokenizer(name: string): PreTokenizer | undefined {
  const kinds: Readonly<Record<string, PreTokenizer>> = preTokenizers;
  if (Object.hasOwn(kinds, name)) return kinds[name];
  return Object.values(kinds).find(({ aliases }) => aliases?.includes(name));
}
