/** @file Base64, in Node and in browsers. */

export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Undefined for what `encodeBase64` would not write. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return encodeBase64(bytes) === text ? bytes : undefined;
}

/** Hexadecimal digits, 4 bits each, as base64 without padding: two thirds of the length. */
export const hexToBase64 = (hex: string): string =>
  encodeBase64(Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))).replace(/=+$/, "");

/** Undefined for what `hexToBase64` would not write. */
export function base64ToHex(text: string): string | undefined {
  const bytes = decodeBase64(text.padEnd(Math.ceil(text.length / 4) * 4, "="));
  return bytes && Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
