/** @file UTF-8: strict decoding, and how long a text becomes. */
import { AppError } from "./errors.ts";

/** Strict UTF-8 (a byte order mark is dropped). Throws E_FORMAT. */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new AppError("E_FORMAT", `${what}: not valid UTF-8`, { cause: error });
  }
}

/** Bytes of a text as UTF-8, without making them. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    const isPair = unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
    bytes += unit < 0x800 ? 1 : 2; // a pair: 4 bytes for 2 units
    if (isPair) i++;
  }
  return bytes;
}
