/** @file The files of a tokenizer as untrusted input: size, depth and structure are checked before use. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";
import { ChatTemplateField } from "./chat-template.ts";
import { type Chains, parseChains } from "./tokenizer-steps.ts";

/** Bounds for untrusted tokenizer files. */
export const tokenizerLimits = { maxBytes: 64 * 2 ** 20, maxDepth: 32, maxValues: 2 ** 22 } as const;
const MAX_TOKENS = 2 ** 20;
const MAX_MERGES = 2 ** 21;
const MAX_TOKEN_LENGTH = 1024;
/** Added tokens are looked for everywhere in a text. */
const MAX_ADDED = { tokens: 2 ** 17, length: 512, characters: 2 ** 20 } as const;

const token = z.string().max(MAX_TOKEN_LENGTH);
const tokenId = z.int().min(0).max(MAX_TOKENS);
const flag = z.boolean().nullish();
const affix = z.string().max(64).nullish();

export type AddedToken = z.infer<typeof AddedToken>;
const AddedToken = z.looseObject({
  id: tokenId,
  content: z.string().min(1).max(MAX_ADDED.length),
  special: z.boolean().optional(),
  /** Whether it takes in the white space before it, and behind it. */
  lstrip: flag,
  rstrip: flag,
  /** Whether it is looked for in the normalised text; by default where it is not special. */
  normalized: flag,
});

const TokenizerJson = z.looseObject({
  added_tokens: z.array(AddedToken).default([]),
  normalizer: z.unknown().optional(),
  pre_tokenizer: z.unknown().optional(),
  post_processor: z.unknown().optional(),
  decoder: z.unknown().optional(),
  model: z.looseObject({
    type: z.enum(["BPE", "Unigram", "WordPiece", "WordLevel"]).optional(),
    vocab: z.custom<Vocabulary>(isVocabulary, "expected token ids by token, or a list of tokens with scores"),
    merges: z.custom<readonly Merge[]>(areMerges, "expected a list of pairs of tokens").optional(),
    unk_token: token.nullish(),
    unk_id: tokenId.nullish(),
    fuse_unk: flag,
    byte_fallback: flag,
    ignore_merges: flag,
    end_of_word_suffix: affix,
    continuing_subword_prefix: affix,
    continuing_subword_suffix: affix,
    max_input_chars_per_word: z.int().min(1).max(MAX_TOKEN_LENGTH).nullish(),
  }),
});

export type Vocabulary = Readonly<Record<string, number>> | readonly (readonly [token: string, score: number])[];
type Merge = string | readonly [string, string];

const isToken = (value: unknown) => typeof value === "string" && value.length <= MAX_TOKEN_LENGTH;
const isTokenId = (value: unknown) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TOKENS;

/** The two long lists are checked by hand: a schema takes seconds for half a million entries. */
function isVocabulary(value: unknown): boolean {
  if (Array.isArray(value))
    return value.every(
      (entry) => Array.isArray(entry) && entry.length === 2 && isToken(entry[0]) && Number.isFinite(entry[1]),
    );
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).every(([token, id]) => isToken(token) && isTokenId(id));
}

function areMerges(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > MAX_MERGES) return false;
  return value.every(
    (merge) =>
      typeof merge === "string" ||
      (Array.isArray(merge) && merge.length === 2 && isToken(merge[0]) && isToken(merge[1])),
  );
}
export type TokenizerJson = z.infer<typeof TokenizerJson> & { readonly chains: Chains };

const namedToken = z.union([token, z.looseObject({ content: token })]).nullish();
const TokenizerConfigJson = z.looseObject({
  bos_token: namedToken,
  eos_token: namedToken,
  pad_token: namedToken,
  unk_token: namedToken,
  chat_template: ChatTemplateField,
  add_bos_token: z.boolean().nullish(),
  additional_special_tokens: z.array(z.unknown()).nullish(),
});

/** What the two files say beyond the vocabulary. */
export type TokenizerSettings = {
  readonly bosToken: string | undefined;
  readonly eosToken: string | undefined;
  readonly padToken: string | undefined;
  readonly unkToken: string | undefined;
  readonly chatTemplate: z.infer<typeof ChatTemplateField>;
  /** Whether the configuration demands a begin token, whatever the post-processor does. */
  readonly addBos: boolean;
  /** Tokens that are special whatever `tokenizer.json` says. */
  readonly specialTokens: readonly string[];
  readonly raw: Readonly<Record<string, unknown>>;
};

/** Checks the structure of a `tokenizer.json` and fills in what may be left out. Throws E_FORMAT, and E_LIMIT beyond the bounds. */
export function checkTokenizerJson(json: unknown, what: string): TokenizerJson {
  const listed = (json as { added_tokens?: unknown } | null)?.added_tokens;
  if (Array.isArray(listed) && listed.length > MAX_ADDED.tokens)
    throw new AppError("E_LIMIT", `${what}: ${listed.length} added tokens, the limit is ${MAX_ADDED.tokens}`);
  const file = checkSchema(json, TokenizerJson, { what });
  const { model } = file;
  const ids = Array.isArray(model.vocab) ? model.vocab.map((_, id) => id) : Object.values(model.vocab);
  const unique = new Set(ids);
  if (unique.size === 0) throw new AppError("E_FORMAT", `${what}: expected a vocabulary, found no tokens`);
  if (unique.size < ids.length)
    throw new AppError("E_FORMAT", `${what}: expected one token per id, found a repeated id`);
  for (const { id } of file.added_tokens) unique.add(id);
  let last = 0;
  for (const id of unique) last = Math.max(last, id);
  if (last >= 2 * unique.size + 1024)
    throw new AppError(
      "E_FORMAT",
      `${what}: expected ids without large gaps, found id ${last} among ${unique.size} tokens`,
    );
  const added = file.added_tokens.reduce((sum, { content }) => sum + content.length, 0);
  if (added > MAX_ADDED.characters)
    throw new AppError("E_LIMIT", `${what}: ${added} characters of added tokens, the limit is ${MAX_ADDED.characters}`);
  return { ...file, chains: parseChains(file, what) };
}

/** Checks a `tokenizer_config.json`. Throws E_FORMAT. */
export function checkTokenizerConfig(json: unknown, what: string): TokenizerSettings {
  const config = checkSchema(json, TokenizerConfigJson, { what });
  const text = (value: z.infer<typeof namedToken>) => (typeof value === "string" ? value : value?.content);
  return {
    bosToken: text(config.bos_token),
    eosToken: text(config.eos_token),
    padToken: text(config.pad_token),
    unkToken: text(config.unk_token),
    chatTemplate: config.chat_template,
    addBos: config.add_bos_token === true,
    specialTokens: (config.additional_special_tokens ?? []).filter((special) => typeof special === "string"),
    raw: config,
  };
}
