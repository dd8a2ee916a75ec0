/** @file The files of a tokenizer as untrusted input: size, depth and structure are checked before use. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";
import { ChatTemplateField } from "./chat-template.ts";

/** Bounds for untrusted tokenizer files. */
export const tokenizerLimits = { maxBytes: 64 * 2 ** 20, maxDepth: 32 } as const;
const MAX_TOKENS = 2 ** 20;
/** How often a text may grow by all steps of a chain together, and how many steps there may be; known tokenizers stay below 16. */
const MAX_GROWTH = 256;
const MAX_STEPS = 64;

const MAX_TOKEN_LENGTH = 4096;

const token = z.string().max(MAX_TOKEN_LENGTH);
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
    vocab: z.custom<Vocabulary>(isVocabulary, "expected token ids by token, or a list of tokens with scores"),
    merges: z.custom<readonly Merge[]>(areMerges, "expected a list of pairs of tokens").optional(),
  }),
});

type Vocabulary = Readonly<Record<string, number>> | readonly (readonly [token: string, score: number])[];
type Merge = string | readonly [string, string];

const isToken = (value: unknown) => typeof value === "string" && value.length <= MAX_TOKEN_LENGTH;
const isTokenId = (value: unknown) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TOKENS;

/** The two long lists are checked by hand: a schema takes seconds for half a million entries. */
function isVocabulary(value: unknown): boolean {
  if (Array.isArray(value))
    return value.every(
      (entry) => Array.isArray(entry) && entry.length === 2 && isToken(entry[0]) && typeof entry[1] === "number",
    );
  return typeof value === "object" && value !== null && Object.values(value).every(isTokenId);
}

function areMerges(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > 4 * MAX_TOKENS) return false;
  return value.every(
    (merge) =>
      typeof merge === "string" ||
      (Array.isArray(merge) && merge.length === 2 && isToken(merge[0]) && isToken(merge[1])),
  );
}
export type TokenizerJson = z.infer<typeof TokenizerJson>;

const namedToken = z.union([token, z.looseObject({ content: token })]).nullish();
const TokenizerConfigJson = z.looseObject({
  bos_token: namedToken,
  eos_token: namedToken,
  pad_token: namedToken,
  unk_token: namedToken,
  chat_template: ChatTemplateField,
  add_bos_token: z.boolean().nullish(),
  additional_special_tokens: z.array(token).nullish(),
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
  checkGrowth(file, what);
  const missing = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };
  return { ...missing, ...file, model: model.type === "BPE" ? { ...model, merges: model.merges ?? [] } : model };
}

type Step = z.infer<typeof Step>;
const Step = z.looseObject({ type: z.string().optional() });
const Steps = z.array(Step);

/** The steps of a chain, those of nested sequences one after the other. */
function stepsOf(step: Step): Step[] {
  const nested = ["normalizers", "pretokenizers", "processors", "decoders"].flatMap((key) => {
    const parsed = Steps.safeParse(step[key]);
    return parsed.success ? parsed.data : [];
  });
  return [step, ...nested.flatMap(stepsOf)];
}

/** How many characters, or tokens, one may become. */
function growthOf(step: Step): number {
  const inserted = ["content", "replacement", "prepend", "prefix", "suffix"].map((key) => step[key]);
  const lengths = inserted.map((text) => (typeof text === "string" ? text.length : 0));
  const bytes = step.type === "ByteLevel" ? 3 : 1; // UTF-8 of one UTF-16 unit
  const template = Array.isArray(step["single"]) ? step["single"].length : 1;
  return Math.max(bytes, template, ...lengths);
}

/** A few lines can ask for texts of gigabytes: each step multiplies what the one before made. */
function checkGrowth(file: z.infer<typeof TokenizerJson>, what: string): void {
  for (const chain of ["normalizer", "pre_tokenizer", "post_processor", "decoder"] as const) {
    const steps = file[chain] == null ? [] : stepsOf(file[chain]);
    const growth = steps.reduce((product, step) => product * growthOf(step), 1);
    if (steps.length > MAX_STEPS)
      throw new AppError("E_LIMIT", `${what}: ${chain}: ${steps.length} steps, the limit is ${MAX_STEPS}`);
    if (growth > MAX_GROWTH)
      throw new AppError(
        "E_LIMIT",
        `${what}: ${chain}: may make a text ${growth} times as long, the limit is ${MAX_GROWTH}`,
      );
  }
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
    raw: { ...config, additional_special_tokens: config.additional_special_tokens ?? [] },
  };
}
