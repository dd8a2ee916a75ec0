/** @file The models of tokenizers: a piece of text to the names of its tokens. */
import { AppError } from "../base/errors.ts";
import { BPE } from "./hub-tokenizers.ts";
import type { Budget } from "./search-budget.ts";
import type { TokenizerJson, Vocabulary } from "./tokenizer-json.ts";
import { createTrie } from "./trie.ts";

export type TokenizerModel = {
  /** The names of the tokens of pieces; texts that are no names stand for the unknown token. */
  encode(pieces: readonly string[], budget: Budget): string[];
  readonly ids: ReadonlyMap<string, number>;
  readonly unknownId: number | undefined;
};

type ModelJson = TokenizerJson["model"];
type Kind = "BPE" | "Unigram" | "WordPiece" | "WordLevel";

/** The kind that a file names, or that one without a name must be. */
export function modelKind({ type, vocab, ...rest }: ModelJson): Kind {
  if (type !== undefined) return type;
  if (Array.isArray(vocab)) return "Unigram";
  if (rest.merges !== undefined) return "BPE";
  return rest.continuing_subword_prefix == null ? "WordLevel" : "WordPiece";
}

const models: Readonly<Record<Kind, (json: ModelJson, what: string) => TokenizerModel>> = {
  BPE: bytePairModel,
  Unigram: unigramModel,
  WordPiece: wordPieceModel,
  WordLevel: wordLevelModel,
};

/** Throws E_FORMAT where a vocabulary is not of the model's kind, E_LIMIT where it is too large for it. */
export function createModel(json: ModelJson, what: string): TokenizerModel {
  const kind = modelKind(json);
  if (Array.isArray(json.vocab) !== (kind === "Unigram"))
    throw new AppError(
      "E_FORMAT",
      `${what}: expected ${kind === "Unigram" ? "a list of tokens with scores" : "token ids by token"} for the model ${kind}`,
    );
  return models[kind](json, what);
}

const idsByToken = (vocab: Vocabulary): Map<string, number> =>
  Array.isArray(vocab) ? new Map(vocab.map(([token], id) => [token, id])) : new Map(Object.entries(vocab));

const named = (ids: ReadonlyMap<string, number>, token: string | null | undefined): number | undefined =>
  token == null ? undefined : ids.get(token);

function bytePairModel(json: ModelJson, what: string): TokenizerModel {
  const { merges = [] } = json;
  if (merges.some((merge) => typeof merge !== typeof merges[0]))
    throw new AppError("E_FORMAT", `${what}: expected merges of one form, found texts and pairs`);
  const bpe = new BPE({ ...json, merges });
  const ids = idsByToken(json.vocab);
  const unknownId = named(ids, json.unk_token);
  const encode = (pieces: readonly string[]) => bpe.encode(pieces);
  if (json.fuse_unk !== true) return { encode, ids, unknownId };
  return { encode: (pieces) => fused(encode(pieces), ids, unknownId), ids, unknownId };
}

/** Unknown tokens side by side as one. */
const fused = (
  tokens: readonly string[],
  ids: ReadonlyMap<string, number>,
  unknownId: number | undefined,
): string[] => {
  const isUnknown = (token: string | undefined) => token !== undefined && (ids.get(token) ?? unknownId) === unknownId;
  return tokens.filter((token, i) => !(isUnknown(token) && isUnknown(tokens[i - 1])));
};

/** What an unknown character costs beside the unlikeliest token. */
const UNKNOWN_PENALTY = 10;

/** The likeliest way to cut a piece into tokens, found in one pass: the best way to every place, by the token that ends there. */
function unigramModel(json: ModelJson, what: string): TokenizerModel {
  const vocab = json.vocab as readonly (readonly [string, number])[];
  const ids = idsByToken(vocab);
  const tokens = vocab.map(([token]) => token);
  const unknownId = json.unk_id ?? undefined;
  if (unknownId !== undefined && unknownId >= vocab.length)
    throw new AppError("E_FORMAT", `${what}: unk_id: expected one of ${vocab.length} tokens, found ${unknownId}`);
  const lowest = vocab.reduce((least, [, score]) => Math.min(least, score), Infinity);
  const unknownScore = lowest - UNKNOWN_PENALTY;
  const scores = vocab.map(([, score], id) => (id === unknownId ? unknownScore : score));
  const trie = createTrie(tokens, what);

  function cut(piece: string, budget: Budget): string[] {
    const best = new Float64Array(piece.length + 1).fill(Number.NEGATIVE_INFINITY);
    const from = new Int32Array(piece.length + 1);
    best[0] = 0;
    for (let start = 0; start < piece.length; ) {
      const width = piece.codePointAt(start)! > 0xffff ? 2 : 1;
      let hasOne = false;
      const reach = (end: number, score: number) => {
        if (best[start]! + score > best[end]!) [best[end], from[end]] = [best[start]! + score, start];
      };
      trie.prefixes(piece, start, budget, (index, length) => {
        hasOne ||= length === width;
        reach(start + length, scores[index]!);
      });
      if (!hasOne) reach(start + width, unknownScore);
      start += width;
    }
    const found: string[] = [];
    for (let end = piece.length; end > 0; end = from[end]!) found.push(piece.slice(from[end]!, end));
    return found.reverse();
  }

  /** An unknown character as the tokens of its bytes, where there are such. */
  function asBytes(token: string): string[] {
    if (ids.has(token)) return [token];
    const bytes = Array.from(
      new TextEncoder().encode(token),
      (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
    );
    return bytes.every((byte) => ids.has(byte)) ? bytes : [token];
  }

  return {
    ids,
    unknownId,
    encode(pieces, budget) {
      const found = pieces.flatMap((piece) => cut(piece, budget));
      return fused(json.byte_fallback === true ? found.flatMap(asBytes) : found, ids, unknownId);
    },
  };
}

/** The longest token first, again and again; a word that is not cut completely is unknown. */
function wordPieceModel(json: ModelJson, what: string): TokenizerModel {
  const {
    continuing_subword_prefix: prefix = "##",
    max_input_chars_per_word: maxCharacters = 100,
    unk_token: unknown,
  } = json;
  const ids = idsByToken(json.vocab);
  const tokens = [...ids.keys()];
  const first = createTrie(tokens, what);
  const continuing = tokens
    .filter((token) => token.startsWith(prefix ?? ""))
    .map((token) => token.slice((prefix ?? "").length));
  const later = createTrie(continuing, what);

  function cut(word: string, budget: Budget): string[] | undefined {
    const found: string[] = [];
    for (let start = 0; start < word.length; ) {
      let length = 0;
      (start === 0 ? first : later).prefixes(word, start, budget, (_, longer) => {
        length = longer;
      });
      if (length === 0) return undefined;
      found.push(`${start === 0 ? "" : prefix}${word.slice(start, start + length)}`);
      start += length;
    }
    return found;
  }

  return {
    ids,
    unknownId: named(ids, unknown),
    encode(pieces, budget) {
      return pieces.flatMap((word) => {
        const tokens = [...word].length > (maxCharacters ?? 100) ? undefined : cut(word, budget);
        return tokens ?? (unknown == null ? [] : [unknown]);
      });
    },
  };
}

function wordLevelModel({ vocab, unk_token }: ModelJson): TokenizerModel {
  const ids = idsByToken(vocab);
  return { ids, unknownId: named(ids, unk_token), encode: (pieces) => [...pieces] };
}
