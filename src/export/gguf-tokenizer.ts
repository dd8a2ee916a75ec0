/** @file A Hugging Face tokenizer as the `tokenizer.ggml.*` metadata that llama.cpp tokenises by. */
import { AppError } from "../base/errors.ts";
import { type GgufField, openGguf } from "../files/gguf/read.ts";
import type { ModelConfig } from "../models/config.ts";
import { WORD_PATTERN } from "../text/bpe-train.ts";
import { nameAsPhi3 } from "../text/gguf-phi3.ts";
import { type PreName, type PreTokenizer, preNames, preTokenizers } from "../text/gguf-pre-tokenizer.ts";
import { ggufTokenTypes as kinds } from "../text/gguf-tokenizer.ts";
import { createTokenizer, isGguf, readTokenizer, type Tokenizer } from "../text/tokenizer-file.ts";
import { checkTokenizerConfig, checkTokenizerJson, type TokenizerJson } from "../text/tokenizer-json.ts";
import { parseChains, type SplitStep } from "../text/tokenizer-steps.ts";

/**
 * The metadata for the tokenizer of a directory, or of another GGUF file as it is there, and a model of `vocab` embeddings.
 * @param chatTemplate in place of its own
 * @throws E_ARCHITECTURE for a kind llama.cpp does not have, E_MISMATCH for more tokens than embeddings, and as `loadTokenizer`
 */
export async function ggufTokenizer(
  directory: string,
  model: Pick<ModelConfig, "vocab" | "eosIds">,
  chatTemplate?: string,
): Promise<Map<string, GgufField>> {
  const fields = isGguf(directory)
    ? await copiedFields(directory, model.vocab)
    : await translatedFields(directory, model);
  if (chatTemplate !== undefined) fields.set("tokenizer.chat_template", { type: "string", value: chatTemplate });
  return fields;
}

async function translatedFields(
  directory: string,
  { vocab, eosIds }: Pick<ModelConfig, "vocab" | "eosIds">,
): Promise<Map<string, GgufField>> {
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
    unknown_token_id:
      typeof file.model["unk_token"] === "string" ? tokenizer.tokenId(file.model["unk_token"]) : undefined,
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

/** A model's name in a GGUF file, by which llama.cpp tokenises as the tokenizer of a directory, or of another GGUF file, does. */
export async function ggufName(name: string, tokenizerDirectory: string): Promise<string> {
  const { json, name: where } = await readTokenizer(tokenizerDirectory);
  const { model, added_tokens: added } = checkTokenizerJson(json, where);
  const inVocabulary = (token: string): boolean => !Array.isArray(model.vocab) && Object.hasOwn(model.vocab, token);
  return nameAsPhi3(name, (token) => inVocabulary(token) || added.some(({ content }) => content === token), added);
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
      `${where}: llama.cpp has no such tokenizer: ${what}; it has byte-level BPE split as ${preNames.join(", ")}, and BPE with byte fallback`,
    );
  };
  if (type !== undefined && type !== "BPE") return refuse(`model "${type}"`);
  if (hasByteFallback === true) {
    const other = file.chains.normalizer.find((step) => step.type !== "Prepend" && step.type !== "Replace");
    return other === undefined
      ? { model: "llama", scores: mergeScores(pairs, tokenizer, vocab) }
      : refuse(`a normaliser of ${other.type}`);
  }
  const pre = nameOfSplits(file);
  return "name" in pre ? { model: "gpt2", pre: pre.name, merges: pairs } : refuse(pre.problem);
}

/** llama.cpp's name of how a byte-level tokenizer splits words, or what it has no name for. */
function nameOfSplits(file: TokenizerJson): { readonly name: PreName } | { readonly problem: string } {
  const { normalizer, pre_tokenizer: steps } = file.chains;
  if (!steps.some(({ type }) => type === "ByteLevel")) return { problem: "no byte-level pre-tokenizer" };
  const ignoresMerges = file.model["ignore_merges"] === true;
  const keys = steps.map(keyOf);
  const name = keys.includes(undefined) ? undefined : nameOfKeys(keys.join("\n"), file);
  if (name === undefined) return { problem: `words split by ${JSON.stringify(steps)}` };
  const known: PreTokenizer = preTokenizers[name];
  const normalizes = normalizer.map(({ type }) => type);
  if (normalizes.length > 0 && String(normalizes) !== known.normalizer?.type)
    return { problem: `a normaliser of ${normalizes.join(", ")}, and words split as ${name}` };
  if (ignoresMerges !== (known.ignoresMerges === true))
    return { problem: `ignore_merges ${ignoresMerges}, and words split as ${name}` };
  return { name };
}

const gpt2Words = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** A step as text, the same for steps that do the same; undefined for one that llama.cpp does not have. */
function keyOf(step: SplitStep): string | undefined {
  if (step.type === "ByteLevel") {
    if (step.add_prefix_space === true) return undefined;
    return step.use_regex === false ? "bytes" : `isolate ${gpt2Words}\nbytes`;
  }
  if (step.type === "Digits") return step.individual_digits === true ? "isolate \\p{N}" : undefined;
  if (step.type !== "Split" || step.behavior !== "Isolated" || step.invert === true) return undefined;
  return "Regex" in step.pattern ? `isolate ${step.pattern.Regex}` : undefined;
}

const knownKeys: ReadonlyMap<string, PreName> = new Map(
  preNames.map((name) => {
    const { pre_tokenizer: steps } = parseChains(
      { pre_tokenizer: { type: "Sequence", pretokenizers: preTokenizers[name].steps } },
      name,
    );
    return [steps.map(keyOf).join("\n"), name];
  }),
);

function nameOfKeys(keys: string, { model }: TokenizerJson): PreName | undefined {
  if (keys !== `isolate ${WORD_PATTERN}\nbytes`) return knownKeys.get(keys);
  // Ours splits numbers into digits, GPT-2's keeps them whole: the same tokens, as long as no token has two digits.
  const tokens = Array.isArray(model.vocab) ? [] : Object.keys(model.vocab);
  return tokens.some((token) => /[0-9]{2}/.test(token)) ? undefined : "gpt-2";
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
