/** @file The tokenizer in a GGUF file's metadata as the `tokenizer.json` and `tokenizer_config.json` that say the same. */
import { AppError } from "../base/errors.ts";
import type { GgufField } from "../files/gguf/read.ts";
import { stripsAsPhi3 } from "./gguf-phi3.ts";
import { findPreTokenizer, type PreTokenizer, preNames } from "./gguf-pre-tokenizer.ts";

/** `llama_token_type`: what a token is, by the numbers of `tokenizer.ggml.token_type`. */
export const ggufTokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** Bounds for a tokenizer from anywhere, besides those of a `tokenizer.json`. */
export const ggufTokenizerLimits = {
  tokens: 2 ** 20,
  merges: 2 ** 22,
  /** Characters of a SentencePiece piece that other pieces can make up. Llama 2's longest has 16, Gemma's 31. */
  pieceLength: 128,
  /** Characters of all pieces together: every place in each is looked at. Gemma's have 1.7 million. */
  pieceCharacters: 2 ** 23,
} as const;

type Metadata = ReadonlyMap<string, GgufField>;
type Json = Readonly<Record<string, unknown>>;

/** What the two files would hold. */
export type GgufTokenizer = { readonly json: Json; readonly config: Json };

/** Whether there is a tokenizer at all: adapters have none, and some models of old converters. */
export const hasGgufTokenizer = (metadata: Metadata): boolean => metadata.has("tokenizer.ggml.tokens");

/**
 * Translates the metadata. Without `tokenizer.ggml.pre` words are split as `default` does, like in llama.cpp.
 * @param what the file, for messages
 * @throws E_FORMAT where there is no tokenizer or its parts do not fit together, E_ARCHITECTURE naming a kind that is not known, E_LIMIT
 */
export function tokenizerOfGguf(metadata: Metadata, what: string): GgufTokenizer {
  const fields = fieldsOf(metadata, what);
  if (!hasGgufTokenizer(metadata))
    throw new AppError("E_FORMAT", `${what}: has no tokenizer ("tokenizer.ggml.tokens"): name a tokenizer beside it`);
  const vocabulary = readVocabulary(fields, what);
  const name = fields.text("model");
  if (!Object.hasOwn(kinds, name ?? ""))
    throw new AppError(
      "E_ARCHITECTURE",
      `${what}: tokenizer.ggml.model ${quoted(name)} is not supported; expected one of: ${Object.keys(kinds).join(", ")}`,
    );
  const kind = kinds[name as keyof typeof kinds](fields, vocabulary, what);
  const named = namedTokens(fields, vocabulary, kind, what);
  const modelName = metadata.get("general.name")?.value;
  const json = tokenizerJson(vocabulary, kind, named, typeof modelName === "string" ? modelName : "");
  return { json, config: tokenizerConfig(named, metadata) };
}

type Fields = ReturnType<typeof fieldsOf>;

/** Typed access to `tokenizer.ggml.*`. */
function fieldsOf(metadata: Metadata, what: string) {
  const refuse = (key: string, wanted: string, found: unknown): never => {
    throw new AppError("E_FORMAT", `${what}: tokenizer.ggml.${key} should be ${wanted}, found ${quoted(found)}`);
  };
  function one<T>(key: string, kind: "string" | "boolean" | "number"): T | undefined {
    const value = metadata.get(`tokenizer.ggml.${key}`)?.value;
    return value === undefined || typeof value === kind ? (value as T | undefined) : refuse(key, `a ${kind}`, value);
  }
  function list<T>(key: string, kind: "string" | "number"): readonly T[] | undefined {
    const field = metadata.get(`tokenizer.ggml.${key}`);
    if (field === undefined) return undefined;
    const isSound = field.type === "array" && field.value.every((value) => typeof value === kind);
    return isSound ? (field.value as unknown as readonly T[]) : refuse(key, `a list of ${kind}s`, field.value);
  }
  return {
    text: (key: string) => one<string>(key, "string"),
    flag: (key: string) => one<boolean>(key, "boolean"),
    number: (key: string) => one<number>(key, "number"),
    texts: (key: string) => list<string>(key, "string"),
    numbers: (key: string) => list<number>(key, "number"),
  };
}

const quoted = (value: unknown): string => JSON.stringify(String(value).slice(0, 60));

type Vocabulary = {
  /** By id; unused ones at the end left out. */
  readonly tokens: readonly string[];
  readonly ids: ReadonlyMap<string, number>;
  readonly typeOf: (id: number) => number;
};

function readVocabulary(fields: Fields, what: string): Vocabulary {
  const all = fields.texts("tokens") ?? [];
  const types = fields.numbers("token_type");
  if (all.length > ggufTokenizerLimits.tokens)
    throw new AppError("E_LIMIT", `${what}: ${all.length} tokens, the limit is ${ggufTokenizerLimits.tokens}`);
  if (types !== undefined && types.length !== all.length)
    throw new AppError("E_FORMAT", `${what}: ${types.length} types for ${all.length} tokens`);
  const typeOf = (id: number) => types?.[id] ?? ggufTokenTypes.normal;
  let count = all.length;
  while (count > 0 && typeOf(count - 1) === ggufTokenTypes.unused) count--; // they fill up the embeddings
  const tokens = all.slice(0, count).map((token, id) => (token === "" ? `[EMPTY_${id}]` : token));
  const ids = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    const other = ids.get(token);
    if (other !== undefined)
      throw new AppError("E_FORMAT", `${what}: tokens ${other} and ${id} are both ${quoted(token)}`);
    ids.set(token, id);
  }
  return { tokens, ids, typeOf };
}

/** What a kind of tokenizer says, beside its vocabulary. */
type Kind = {
  readonly normalizer: Json | null;
  readonly preTokenizer: Json | null;
  readonly decoder: Json;
  /** Of the `model` in `tokenizer.json`. */
  readonly settings: Json;
  /** What llama.cpp takes for granted where the file does not say it. */
  readonly defaults: {
    readonly addsBegin: boolean;
    readonly bos?: number;
    readonly eos?: number;
    readonly unknown?: number;
  };
};

const kinds = { gpt2: byteLevelKind, llama: sentencePieceKind } as const;

const chain = (key: string, steps: readonly Json[]): Json =>
  steps.length === 1 ? steps[0]! : { type: "Sequence", [key]: steps };

function byteLevelKind(fields: Fields, { ids }: Vocabulary, what: string): Kind {
  const { steps, normalizer = null, ignoresMerges, addsBegin = false } = preTokenizerOf(fields, what);
  return {
    normalizer,
    preTokenizer: chain("pretokenizers", steps),
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    settings: { ignore_merges: ignoresMerges === true, merges: readMerges(fields, ids, what) },
    defaults: { addsBegin },
  };
}

function preTokenizerOf(fields: Fields, what: string): PreTokenizer {
  const name = fields.text("pre") ?? "default";
  const found = findPreTokenizer(name);
  if (found !== undefined) return found;
  throw new AppError(
    "E_ARCHITECTURE",
    `${what}: tokenizer.ggml.pre ${quoted(name)} is not known; expected one of: ${preNames.join(", ")}: name a tokenizer beside the file`,
  );
}

function readMerges(fields: Fields, ids: ReadonlyMap<string, number>, what: string): (readonly [string, string])[] {
  const lines = fields.texts("merges");
  if (lines === undefined) throw new AppError("E_FORMAT", `${what}: has no tokenizer.ggml.merges`);
  if (lines.length > ggufTokenizerLimits.merges)
    throw new AppError("E_LIMIT", `${what}: ${lines.length} merges, the limit is ${ggufTokenizerLimits.merges}`);
  return lines.map((line, rank) => {
    const space = line.indexOf(" ", 1);
    const [left, right] = [line.slice(0, Math.max(space, 0)), line.slice(space + 1)];
    if (space < 0 || !ids.has(left) || !ids.has(right) || !ids.has(left + right))
      throw new AppError(
        "E_FORMAT",
        `${what}: merge ${rank} should be two tokens that make a third, found ${quoted(line)}`,
      );
    return [left, right];
  });
}

/** As Llama 2's: a space in front and in place of spaces a mark; what is no piece becomes its bytes. */
function sentencePieceKind(fields: Fields, vocabulary: Vocabulary, what: string): Kind {
  const addsSpace = fields.flag("add_space_prefix") ?? true;
  const { typeOf, tokens } = vocabulary;
  const unknown = fields.number("unknown_token_id") ?? 0;
  const hasBytes = tokens.some((_, id) => typeOf(id) === ggufTokenTypes.byte);
  return {
    normalizer: chain("normalizers", [
      ...(addsSpace ? [{ type: "Prepend", prepend: "▁" }] : []),
      { type: "Replace", pattern: { String: " " }, content: "▁" },
    ]),
    preTokenizer: null,
    decoder: chain("decoders", [
      { type: "Replace", pattern: { String: "▁" }, content: " " },
      ...(hasBytes ? [{ type: "ByteFallback" }] : []),
      { type: "Fuse" },
      ...(addsSpace ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
    ]),
    settings: {
      unk_token: tokens[unknown] ?? null,
      fuse_unk: true,
      byte_fallback: hasBytes,
      merges: mergesByScore(fields, vocabulary, what),
    },
    defaults: { addsBegin: true, bos: 1, eos: 2, unknown: 0 },
  };
}

/**
 * SentencePiece joins the two neighbours whose piece scores highest, and has no list of merges: every way to cut a piece in two pieces is
 * one, in the order of scores. Of cuts of one piece, as transformers has them, the longer left part comes first.
 */
function mergesByScore(fields: Fields, { tokens, ids, typeOf }: Vocabulary, what: string): [string, string][] {
  const scores = fields.numbers("scores");
  if (scores === undefined || scores.length < tokens.length)
    throw new AppError("E_FORMAT", `${what}: ${scores?.length ?? "no"} scores for ${tokens.length} tokens`);
  const isPiece = (id: number | undefined) => id !== undefined && mergeable.has(typeOf(id));
  const found: { left: string; right: string; score: number }[] = [];
  let characters = 0;
  for (const [id, token] of tokens.entries()) {
    if (!isPiece(id)) continue;
    characters += token.length;
    if (token.length > ggufTokenizerLimits.pieceLength || characters > ggufTokenizerLimits.pieceCharacters)
      throw new AppError(
        "E_LIMIT",
        `${what}: token ${id} has ${token.length} characters, all up to it ${characters}; the limits are ${ggufTokenizerLimits.pieceLength} and ${ggufTokenizerLimits.pieceCharacters}`,
      );
    const score = scores[id]!;
    for (let at = 1; at < token.length; at++) {
      const [left, right] = [token.slice(0, at), token.slice(at)];
      if (isPiece(ids.get(left)) && isPiece(ids.get(right))) found.push({ left, right, score });
    }
  }
  found.sort((a, b) => b.score - a.score || b.left.length - a.left.length || b.right.length - a.right.length);
  return found.map(({ left, right }) => [left, right]);
}

const mergeable: ReadonlySet<number> = new Set([ggufTokenTypes.normal, ggufTokenTypes.userDefined]);

type NamedTokens = {
  readonly bos: string | undefined;
  readonly eos: string | undefined;
  readonly pad: string | undefined;
  readonly unknown: string | undefined;
  readonly addsBegin: boolean;
  readonly addsEnd: boolean;
};

function namedTokens(fields: Fields, { tokens }: Vocabulary, { defaults }: Kind, what: string): NamedTokens {
  function token(key: string, otherwise: number | undefined): string | undefined {
    const id = fields.number(key);
    const found = tokens[id ?? otherwise ?? -1];
    if (id !== undefined && found === undefined)
      throw new AppError(
        "E_FORMAT",
        `${what}: tokenizer.ggml.${key} is ${id}, expected one of ${tokens.length} tokens`,
      );
    return found;
  }
  return {
    bos: token("bos_token_id", defaults.bos),
    eos: token("eos_token_id", defaults.eos),
    pad: token("padding_token_id", undefined),
    unknown: token("unknown_token_id", defaults.unknown),
    addsBegin: fields.flag("add_bos_token") ?? defaults.addsBegin,
    addsEnd: fields.flag("add_eos_token") ?? false,
  };
}

function tokenizerJson(vocabulary: Vocabulary, kind: Kind, named: NamedTokens, modelName: string): Json {
  const { tokens, ids } = vocabulary;
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(vocabulary, named, modelName),
    normalizer: kind.normalizer,
    pre_tokenizer: kind.preTokenizer,
    post_processor: around(named, ids),
    decoder: kind.decoder,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      ...kind.settings,
    },
  };
}

/** Control tokens are special; those of a user are found in any text. */
function addedTokens({ tokens, ids, typeOf }: Vocabulary, { bos, eos }: NamedTokens, name: string): Json[] {
  const { control, unknown, userDefined } = ggufTokenTypes;
  return tokens.flatMap((content, id) => {
    // Some converters gave the tokens around a text no type of their own.
    const isNamed = (content === bos || content === eos) && /^(<.+>|\[.+\])$/s.test(content);
    const special = typeOf(id) === control || typeOf(id) === unknown || isNamed;
    if (!special && typeOf(id) !== userDefined) return [];
    const rstrip = stripsAsPhi3(name, (token) => ids.has(token), content);
    return [{ id, content, single_word: false, lstrip: false, rstrip, normalized: false, special }];
  });
}

/** What is put before and behind a text. */
function around({ bos, eos, addsBegin, addsEnd }: NamedTokens, ids: ReadonlyMap<string, number>): Json {
  const begin = addsBegin && bos !== undefined ? [bos] : [];
  const end = addsEnd && eos !== undefined ? [eos] : [];
  const special = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
  const sequence = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  const single = [...begin.map(special), sequence("A", 0), ...end.map(special)];
  const tokens = [...new Set([...begin, ...end])].map((id) => [id, { id, ids: [ids.get(id)], tokens: [id] }]);
  return {
    type: "TemplateProcessing",
    single,
    pair: [...single, ...begin.map(special), sequence("B", 1), ...end.map(special)],
    special_tokens: Object.fromEntries(tokens),
  };
}

function tokenizerConfig({ bos, eos, pad, unknown, addsBegin }: NamedTokens, metadata: Metadata): Json {
  const templates = chatTemplates(metadata);
  const given = { bos_token: bos, eos_token: eos, pad_token: pad, unk_token: unknown, chat_template: templates };
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    add_bos_token: addsBegin && bos !== undefined,
    clean_up_tokenization_spaces: false,
    tokenizer_class: "PreTrainedTokenizerFast",
  };
}

/** One template, or several with their names. */
function chatTemplates(metadata: Metadata): string | readonly { name: string; template: string }[] | undefined {
  const prefix = "tokenizer.chat_template";
  const text = (key: string) => {
    const value = metadata.get(key)?.value;
    return typeof value === "string" ? value : undefined;
  };
  const usual = text(prefix);
  const others = [...metadata.keys()].flatMap((key) => {
    const template = key.startsWith(`${prefix}.`) ? text(key) : undefined;
    return template === undefined ? [] : [{ name: key.slice(prefix.length + 1), template }];
  });
  if (others.length === 0) return usual;
  return [...(usual === undefined ? [] : [{ name: "default", template: usual }]), ...others];
}
