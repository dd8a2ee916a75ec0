/** @file Text out of a growing list of tokens: a character split over several tokens comes out whole. */
import type { Tokenizer } from "./tokenizer-file.ts";

export type TextStream = {
  /** Takes the next token and returns the text that is complete now, possibly none. */
  push(id: number): string;
  /** Returns what is left, complete or not. */
  flush(): string;
};

/** A character has at most 4 bytes; with more undecodable tokens than that, the bytes are no character. */
const MAX_HELD_TOKENS = 8;

/** Decodes incrementally; the pushed and flushed pieces together equal `decode` of all ids. Special tokens are left out. */
export function createTextStream(tokenizer: Tokenizer): TextStream {
  // Tokens [0, shown) are context whose text was returned; decoding with context keeps spaces between words.
  let ids: number[] = [];
  let shown = 0;
  const decode = (list: readonly number[]) => tokenizer.decode(list, { skipSpecial: true });
  const take = (): string => {
    const before = decode(ids.slice(0, shown));
    const text = decode(ids).slice(before.length);
    ids = ids.slice(shown);
    shown = ids.length;
    return text;
  };
  return {
    push(id) {
      if (decode([id]) === "" && tokenizer.decode([id]) !== "") return ""; // a special token
      ids.push(id);
      const held = ids.length - shown;
      if (held < MAX_HELD_TOKENS && decode(ids).endsWith("\uFFFD")) return "";
      return take();
    },
    flush: () => (ids.length > shown ? take() : ""),
  };
}
