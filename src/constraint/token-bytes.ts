/** @file What each token of a vocabulary writes, in bytes. */
import { AppError } from "../base/errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

/** The bytes of a token; undefined for special tokens, which write none, and for ids without a token. */
export type TokenBytes = readonly (Uint8Array | undefined)[];

/** GPT-2's letters for bytes: printable ones for themselves, the others from U+0100 on. */
const letterBytes: ReadonlyMap<string, number> = (() => {
  const letters = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    letters.set(String.fromCharCode(isPrintable ? byte : next++), byte);
  }
  return letters;
})();

const utf8 = new TextEncoder();

type Spelling = (token: string) => Uint8Array;

/** How vocabularies spell bytes: as letters (GPT-2), or as they are with ▁ for a space and <0x0A> for single bytes (SentencePiece). */
const spellings: { readonly [Kind in "letters" | "pieces"]: Spelling } = {
  letters(token) {
    const bytes = [...token].map((letter) => letterBytes.get(letter));
    // An added token is spelled as it is, and may have letters that stand for no byte.
    return bytes.some((byte) => byte === undefined) ? utf8.encode(token) : Uint8Array.from(bytes as number[]);
  },
  pieces(token) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
    return byte === null ? utf8.encode(token.replaceAll("▁", " ")) : Uint8Array.of(Number.parseInt(byte[1]!, 16));
  },
};

/** Texts whose tokens must write them. */
const probes = ['{"name": "Zoë \\n", "n": -12.5e3}', "a  b 日本 👩‍👧", "line\nend"];

/** Throws E_CONFIG for a tokenizer whose tokens do not write their text one after the other. */
export function tokenBytes(tokenizer: Tokenizer): TokenBytes {
  const spell = spellings[tokenizer.tokenId("▁") === undefined ? "letters" : "pieces"];
  const special = new Set(tokenizer.specialTokens.values());
  const bytes = Array.from({ length: tokenizer.vocabSize }, (_, id) => {
    const token = tokenizer.tokenText(id);
    return token === undefined || token === "" || special.has(id) ? undefined : spell(token);
  });
  for (const probe of probes) {
    const written = new TextDecoder().decode(concatenated(tokenizer.encode(probe).map((id) => bytes[id])));
    if (written !== probe && written !== ` ${probe}`)
      throw new AppError(
        "E_CONFIG",
        `JSON schema: expected a tokenizer whose tokens write text byte for byte, found one that writes ${JSON.stringify(written)} for ${JSON.stringify(probe)}`,
      );
  }
  return bytes;
}

export function concatenated(parts: readonly (Uint8Array | undefined)[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...(part ?? [])]));
}
