/** @file A Hugging Face tokenizer as the `tokenizer.ggml.*` metadata that llama.cpp tokenises by. */
import { AppError } from "../base/errors.ts";
import { type GgufField, openGguf } from "../files/gguf/read.ts";
import type { ModelConfig } from "../models/config.ts";
import { WORD_PATTERN } from "../text/bpe-train.ts";
import { ggufTokenTypes as kinds } from "../text/gguf-tokenizer.ts";
import { createTokenizer, isGguf, readTokenizer, type Tokenizer } from "../text/tokenizer-file.ts";
import { checkTokenizerConfig, checkTokenizerJson, type TokenizerJson } from "../text/tokenizer-json.ts";

const cased = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const rest = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** How words are split before merging → llama.cpp's name for it. */
const splits: ReadonlyMap<string, string> = new Map([
  ["'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", "gpt-2"],
  [`${cased}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${rest}`, "llama-bpe"],
  [`${cased}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${rest}`, "qwen2"],
]);

/**
 * The metadata for the tokenizer of a directory, or of another GGUF file as it is there, and a model of `vocab` embeddings.
 * @throws E_ARCHITECTURE for a kind llama.cpp does not have, E_MISMATCH for more tokens than embeddings, and as `loadTokenizer`
 */
export async function ggufTokenizer(
  directory: string,
  { vocab, eosIds }: Pick<ModelConfig, "vocab" | "eosIds">,
): Promise<Map<string, GgufField>> {
  if (isGguf(directory)) return copiedFields(directory, vocab);
  const source = await readTokenizer(directory);
  const { name: where } = source;
  const tokenizer = createTokenizer(source.json, source.config, source);
  const file = checkTokenizerJson(source.json, where);
  const config = checkTokenizerConfig(source.config, source.configName);
  requireRoom(where, tokenizer.vocabSize, vocab);
  const fields = new Map<string, GgufField>();
  const put = (key: string, field: GgufField) => fields.set(`tokenizer.ggml.${key}`, field);
  const { model, merges, pre, scores } = describeModel(file, tokenizer, where, vocab);
  put("model", { type: "string", value: model });
  if (pre !== undefined) put("pre", { type: "string", value: pre });
  const { tokens, types } = listTokens(file, vocab);
  put("tokens", { type: "array", of: "string", value: tokens });
  if (scores !== undefined) put("scores", { type: "array", of: "f32", value: scores });
  put("token_type", { type: "array", of: "i32", value: types });
  if (merges !== undefined) put("merges", { type: "array", of: "string", value: merges });
  const ids = {
    bos_token_id: tokenizer.bosId,
    eos_token_id: eosIds[0] ?? tokenizer.eosId,
    padding_token_id: config.padToken === undefined ? undefined : tokenizer.tokenId(config.padToken),
  };
  for (const [key, id] of Object.entries(ids)) if (id !== undefined) put(key, { type: "u32", value: id });
  const around = tokenizer.encode("a", { addSpecial: true });
  put("add_bos_token", { type: "bool", value: tokenizer.bosId !== undefined && around[0] === tokenizer.bosId });
  put("add_eos_token", { type: "bool", value: tokenizer.eosId !== undefined && around.at(-1) === tokenizer.eosId });
  if (model === "llama") {
    const [first] = tokenizer.encode("a");
    const hasPrefix = first !== undefined && tokenizer.tokenText(first)?.startsWith("▁") === true;
    put("add_space_prefix", { type: "bool", value: hasPrefix });
  }
  const listed = config.raw["chat_template"];
  const template = source.template ?? (typeof listed === "string" ? listed : undefined);
  if (template !== undefined) fields.set("tokenizer.chat_template", { type: "string", value: template });
  return fields;
}

/** The tokenizer of another GGUF file, as it is there. */
async function copiedFields(path: string, vocab: number): Promise<Map<string, GgufField>> {
  const { metadata } = await openGguf(path);
  const fields = new Map([...metadata].filter(([key]) => key.startsWith("tokenizer.")));
  const tokens = fields.get("tokenizer.ggml.tokens");
  if (tokens?.type !== "array") throw new AppError("E_FORMAT", `${path}: has no tokenizer ("tokenizer.ggml.tokens")`);
  requireRoom(path, tokens.value.length, vocab);
  return fields;
}

function requireRoom(where: string, tokens: number, vocab: number): void {
  if (tokens > vocab) throw new AppError("E_MISMATCH", `${where}: ${tokens} tokens do not fit ${vocab} embeddings`);
}

type ModelFields = {
  readonly model: "gpt2" | "llama";
  readonly pre?: string;
  readonly merges?: readonly string[];
  readonly scores?: readonly number[];
};

function describeModel(file: TokenizerJson, tokenizer: Tokenizer, where: string, vocab: number): ModelFields {
  const { type, merges, byte_fallback: hasByteFallback } = file.model;
  const pairs = (merges ?? []).map((merge) => (typeof merge === "string" ? merge : merge.join(" ")));
  const refuse = (what: string): never => {
    throw new AppError(
      "E_ARCHITECTURE",
      `${where}: llama.cpp has no such tokenizer: ${what}; it has byte-level BPE split as ${[...new Set(splits.values())].join(", ")}, and BPE with byte fallback`,
    );
  };
  if (type !== undefined && type !== "BPE") return refuse(`model "${type}"`);
  if (hasByteFallback === true) return { model: "llama", scores: mergeScores(pairs, tokenizer, vocab) };
  const steps = stepsOf(file.pre_tokenizer);
  if (!steps.some((step) => step["type"] === "ByteLevel")) return refuse("no byte-level pre-tokenizer");
  const pre = splitName(steps, file);
  return pre === undefined
    ? refuse(`words split by ${JSON.stringify(patternOf(steps))}`)
    : { model: "gpt2", pre, merges: pairs };
}

/** SentencePiece merges the pair whose outcome scores highest: the earlier a merge, the higher. */
function mergeScores(pairs: readonly string[], tokenizer: Tokenizer, vocab: number): number[] {
  const scores = new Array<number>(vocab).fill(-pairs.length - 1);
  for (const [rank, pair] of [...pairs.entries()].reverse()) {
    const id = tokenizer.tokenId(pair.replace(" ", ""));
    if (id !== undefined) scores[id] = 0 - rank; // no negative zero
  }
  return scores;
}

type Step = Record<string, unknown>;

function stepsOf(step: unknown): Step[] {
  if (typeof step !== "object" || step === null) return [];
  const nested = (step as Step)["pretokenizers"];
  return [step as Step, ...(Array.isArray(nested) ? nested.flatMap(stepsOf) : [])];
}

/** The regular expression words are split by; undefined where the byte-level step splits them as GPT-2 does. */
function patternOf(steps: readonly Step[]): string | undefined {
  const pattern = steps.find((step) => step["type"] === "Split")?.["pattern"];
  return (pattern as { Regex?: string } | undefined)?.Regex;
}

function splitName(steps: readonly Step[], file: TokenizerJson): string | undefined {
  const pattern = patternOf(steps);
  if (pattern === undefined)
    return steps.some((s) => s["type"] === "ByteLevel" && s["use_regex"] !== false) ? "gpt-2" : undefined;
  // Ours splits numbers into digits, GPT-2's keeps them whole: the same tokens, as long as no token has two digits.
  const keys = Array.isArray(file.model.vocab) ? [] : Object.keys(file.model.vocab);
  if (pattern === WORD_PATTERN) return keys.some((token) => /[0-9]{2}/.test(token)) ? undefined : "gpt-2";
  return splits.get(pattern);
}

function listTokens(file: TokenizerJson, vocab: number): { tokens: string[]; types: number[] } {
  const tokens = Array.from({ length: vocab }, (_, id) => `[PAD${id}]`);
  const types = new Array<number>(vocab).fill(kinds.unused);
  const entries = Array.isArray(file.model.vocab)
    ? file.model.vocab.map(([token], id) => [token, id] as const)
    : Object.entries(file.model.vocab);
  for (const [token, id] of entries) {
    tokens[id] = token;
    const isByte = file.model["byte_fallback"] === true && /^<0x[0-9A-F]{2}>$/.test(token);
    types[id] = token === file.model["unk_token"] ? kinds.unknown : isByte ? kinds.byte : kinds.normal;
  }
  for (const { id, content, special } of file.added_tokens) {
    tokens[id] = content;
    if (types[id] !== kinds.unknown) types[id] = special === true ? kinds.control : kinds.userDefined;
  }
  return { tokens, types };
}
