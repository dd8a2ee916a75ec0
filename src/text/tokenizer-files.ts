/** @file The files of a tokenizer as untrusted input: size, depth and structure are checked before use. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";

/** Bounds for untrusted tokenizer files. */
export const tokenizerLimits = { maxBytes: 64 * 2 ** 20, maxDepth: 32 } as const;
const MAX_TOKENS = 2 ** 20;

const token = z.string().max(4096);
const tokenId = z.int().min(0).max(MAX_TOKENS);
const component = z.looseObject({ type: z.string() }).nullish();

const TokenizerJson = z.looseObject({
  added_tokens: z
    .array(z.looseObject({ id: tokenId, content: token.min(1), special: z.boolean().optional() }))
    .max(MAX_TOKENS)
    .default([]),
  normalizer: component,
  pre_tokenizer: component,
  post_processor: component,
  decoder: component,
  model: z.looseObject({
    type: z.string().optional(),
    vocab: z.union([z.record(z.string(), tokenId), z.array(z.tuple([token, z.number()]))]),
    merges: z
      .array(z.union([z.string(), z.tuple([token, token])]))
      .max(4 * MAX_TOKENS)
      .optional(),
  }),
});
export type TokenizerJson = z.infer<typeof TokenizerJson>;

const namedToken = z.union([token, z.looseObject({ content: token })]).nullish();
const TokenizerConfigJson = z.looseObject({
  bos_token: namedToken,
  eos_token: namedToken,
  pad_token: namedToken,
  add_bos_token: z.boolean().nullish(),
  additional_special_tokens: z.array(token).nullish(),
});

/** What the two files say beyond the vocabulary. */
export type TokenizerSettings = {
  readonly bosToken: string | undefined;
  readonly eosToken: string | undefined;
  readonly padToken: string | undefined;
  /** Whether the configuration demands a begin token, whatever the post-processor does. */
  readonly addBos: boolean;
  readonly raw: Readonly<Record<string, unknown>>;
};

/** Checks the structure of a `tokenizer.json` and fills in what may be left out. Throws E_FORMAT. */
export function checkTokenizerJson(json: unknown, what: string): TokenizerJson {
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
  const missing = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
  return { ...missing, ...file, model: model.type === "BPE" ? { ...model, merges: model.merges ?? [] } : model };
}

/** Checks a `tokenizer_config.json`. Throws E_FORMAT. */
export function checkTokenizerConfig(json: unknown, what: string): TokenizerSettings {
  const config = checkSchema(json, TokenizerConfigJson, { what });
  const text = (value: z.infer<typeof namedToken>) => (typeof value === "string" ? value : value?.content);
  return {
    bosToken: text(config.bos_token),
    eosToken: text(config.eos_token),
    padToken: text(config.pad_token),
    addBos: config.add_bos_token === true,
    raw: { ...config, additional_special_tokens: config.additional_special_tokens ?? [] },
  };
}
