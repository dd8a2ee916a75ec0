/** @file Tokenised text on disk: a file of 16-bit little-endian token ids, documents between begin and end tokens. */

import { writeAtomic } from "../base/atomic-file.ts";
import { AppError } from "../base/errors.ts";
import { readFileBounded } from "../base/read-file.ts";
import type { Rng } from "../base/rng.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";

/** A cache larger than this is refused. */
const MAX_BYTES = 2 ** 31;

export type TokenCacheReport = { tokens: number; documents: number; characters: number };

/**
 * Tokenises documents as `<s> … </s>` until `maxTokens` are reached (the last document is cut there) and writes the file
 * atomically. Throws E_LIMIT when ids do not fit 16 bits.
 */
export async function writeTokenCache(
  path: string,
  tokenizer: Tokenizer,
  documents: AsyncIterable<string> | Iterable<string>,
  { maxTokens, onProgress }: { maxTokens: number; onProgress?: (tokens: number) => void },
): Promise<TokenCacheReport> {
  const { bosId, eosId, vocabSize } = tokenizer;
  if (vocabSize > 2 ** 16)
    throw new AppError("E_LIMIT", `token cache: expected at most 65536 tokens, found ${vocabSize}`);
  const out = new Uint16Array(maxTokens);
  const report = { tokens: 0, documents: 0, characters: 0 };
  for await (const text of documents) {
    const ids = tokenizer.encode(text);
    if (bosId !== undefined) ids.unshift(bosId);
    if (eosId !== undefined) ids.push(eosId);
    const fitting = ids.length <= maxTokens - report.tokens ? ids : ids.slice(0, maxTokens - report.tokens);
    out.set(fitting, report.tokens);
    report.tokens += fitting.length;
    report.documents++;
    report.characters += text.length;
    onProgress?.(report.tokens);
    if (report.tokens >= maxTokens) break;
  }
  await writeAtomic(path, async (file) => {
    await file.writeFile(new Uint8Array(out.buffer, 0, report.tokens * 2));
  });
  return report;
}

/** All token ids of a cache. Throws E_NOT_FOUND, E_IO or E_FORMAT. */
export async function readTokenCache(path: string): Promise<Uint16Array> {
  const bytes = await readFileBounded(path, MAX_BYTES);
  if (bytes.byteLength % 2 !== 0)
    throw new AppError("E_FORMAT", `${path}: expected 16-bit token ids, found ${bytes.byteLength} bytes`);
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2);
}

/** `length` consecutive tokens from a random place. Throws E_DATA when the cache is shorter. */
export function sampleWindow(cache: Uint16Array, length: number, rng: Rng): Uint16Array {
  if (cache.length < length)
    throw new AppError("E_DATA", `token cache: expected at least ${length} tokens, found ${cache.length}`);
  const start = rng.int(cache.length - length + 1);
  return cache.subarray(start, start + length);
}
