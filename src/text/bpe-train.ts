/** @file Training a byte-level BPE tokenizer: texts in, a standard `tokenizer.json` object out. */

export type BpeTrainOptions = {
  /** Total number of tokens, special tokens and the 256 bytes included. */
  vocabSize: number;
  /** Special tokens in the order of their ids, from id 0. */
  specialTokens: readonly string[];
  /** The special token put before a text when special tokens are added. */
  bosToken: string;
  /** No learned token is longer than this many bytes. */
  maxTokenBytes?: number;
};

/** Words: contractions, letters or one digit or other signs with an optional space before, or white space. */
export const WORD_PATTERN = "'(?:s|t|re|ve|m|ll|d)| ?\\p{L}+| ?\\p{N}| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * Learns `vocabSize − 256 − specialTokens` merges by pair frequency (ties: the pair that was known first) and returns
 * a Hugging Face `tokenizer.json` object. Pure: the same texts in the same order give the same object.
 */
export function trainBpe(texts: Iterable<string>, options: BpeTrainOptions): Record<string, unknown> {
  const { vocabSize, specialTokens, bosToken, maxTokenBytes = 16 } = options;
  const bytes = byteCharacters();
  const tokens: string[] = [...specialTokens, ...bytes];
  const lengths = tokens.map(() => 1);
  const words = countWords(texts, specialTokens.length);
  const merges: [string, string][] = [];
  const pairs = new Map<number, Pair>();
  words.forEach((word, index) => {
    forEachPair(word.ids, (key) => addTo(pairs, key, word.count, index));
  });
  while (tokens.length < vocabSize) {
    const best = mostFrequent(pairs, (left, right) => lengths[left]! + lengths[right]! <= maxTokenBytes);
    if (best === undefined) break;
    const [left, right] = splitKey(best);
    const merged = tokens.length;
    tokens.push(tokens[left]! + tokens[right]!);
    lengths.push(lengths[left]! + lengths[right]!);
    merges.push([tokens[left]!, tokens[right]!]);
    for (const index of pairs.get(best)!.words) mergeInWord(words[index]!, index, left, right, merged, pairs);
    pairs.delete(best);
  }
  return tokenizerJson(tokens, merges, specialTokens, bosToken);
}

/** GPT-2's printable character for every byte, indexed by the byte. */
export function byteCharacters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(printable ? byte : next++);
  });
}

type Word = { ids: number[]; count: number };
type Pair = { count: number; words: Set<number> };

const KEY_BASE = 65536;
const splitKey = (key: number): [number, number] => [Math.floor(key / KEY_BASE), key % KEY_BASE];

function countWords(texts: Iterable<string>, firstByteId: number): Word[] {
  const counts = new Map<string, number>();
  const pattern = new RegExp(WORD_PATTERN, "gu");
  for (const text of texts) {
    for (const word of text.match(pattern) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const encoder = new TextEncoder();
  return [...counts].map(([word, count]) => ({
    ids: Array.from(encoder.encode(word), (byte) => byte + firstByteId),
    count,
  }));
}

function forEachPair(ids: readonly number[], visit: (key: number) => void): void {
  for (let i = 0; i + 1 < ids.length; i++) visit(ids[i]! * KEY_BASE + ids[i + 1]!);
}

function addTo(pairs: Map<number, Pair>, key: number, count: number, word: number): void {
  const pair = pairs.get(key);
  if (pair === undefined) pairs.set(key, { count, words: new Set([word]) });
  else {
    pair.count += count;
    pair.words.add(word);
  }
}

function mostFrequent(
  pairs: Map<number, Pair>,
  isAllowed: (left: number, right: number) => boolean,
): number | undefined {
  let best: number | undefined;
  let bestCount = 1; // a pair seen once is not worth a token
  for (const [key, { count }] of pairs) {
    if (count > bestCount && isAllowed(...splitKey(key))) {
      best = key;
      bestCount = count;
    }
  }
  return best;
}

function mergeInWord(
  word: Word,
  index: number,
  left: number,
  right: number,
  merged: number,
  pairs: Map<number, Pair>,
): void {
  const ids: number[] = [];
  for (let i = 0; i < word.ids.length; i++) {
    if (word.ids[i] === left && word.ids[i + 1] === right) {
      ids.push(merged);
      i++;
    } else ids.push(word.ids[i]!);
  }
  if (ids.length === word.ids.length) return; // an earlier merge took this pair apart
  const mergedKey = left * KEY_BASE + right;
  forEachPair(word.ids, (key) => {
    if (key === mergedKey) return;
    const pair = pairs.get(key);
    if (pair === undefined) return;
    pair.count -= word.count;
    if (pair.count <= 0) pairs.delete(key);
  });
  forEachPair(ids, (key) => {
    if (key !== mergedKey) addTo(pairs, key, word.count, index);
  });
  word.ids = ids;
}

function tokenizerJson(
  tokens: readonly string[],
  merges: readonly [string, string][],
  specialTokens: readonly string[],
  bosToken: string,
): Record<string, unknown> {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: WORD_PATTERN }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: bosToken, type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      pair: [
        { SpecialToken: { id: bosToken, type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { Sequence: { id: "B", type_id: 0 } },
      ],
      special_tokens: { [bosToken]: { id: bosToken, ids: [specialTokens.indexOf(bosToken)], tokens: [bosToken] } },
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
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
      merges,
    },
  };
}
