/** @file SHA-256 as lower-case hexadecimal: the identity of prompts and weights. */
import { createHash, createHmac } from "node:crypto";

/** Of bytes, or of a text's UTF-8. */
export function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

/** HMAC-SHA-256 of a text: whoever lacks the key can neither make it nor confirm a guess of the text by it. */
export function hmacSha256(key: Uint8Array, text: string): string {
  return createHmac("sha256", key).update(text).digest("hex");
}

/** Of several files, from the hash of each in order; of one file, its own. */
export const joinSha256 = (hashes: readonly string[]): string =>
  hashes.length === 1 ? hashes[0]! : sha256(hashes.join("\n"));
