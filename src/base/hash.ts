/** @file SHA-256 as lower-case hexadecimal: the identity of prompts, weights and files. */
import { createHash, createHmac } from "node:crypto";
import { readChunks } from "./read-file.ts";

/** Of bytes, or of a text's UTF-8. */
export function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

/** HMAC-SHA-256 of a text: whoever lacks the key can neither make it nor confirm a guess of the text by it. */
export function hmacSha256(key: Uint8Array, text: string): string {
  return createHmac("sha256", key).update(text).digest("hex");
}

/** Of a file's content, read in pieces. Throws E_NOT_FOUND, E_IO; E_FORMAT for what is no regular file. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of readChunks(path)) hash.update(chunk);
  return hash.digest("hex");
}

/** Of several files as one, whatever folder they lie in; all are read at the same time. Throws E_NOT_FOUND or E_IO. */
export async function sha256Files(paths: readonly string[]): Promise<string> {
  return joinSha256(await Promise.all(paths.map(sha256File)));
}

/** Of several files, from the hash of each in order; of one file, its own. */
export const joinSha256 = (hashes: readonly string[]): string =>
  hashes.length === 1 ? hashes[0]! : sha256(hashes.join("\n"));
