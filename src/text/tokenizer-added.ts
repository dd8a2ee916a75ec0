/** @file Added tokens: texts that are tokens wherever they stand, whatever is around them. */

import type { Budget } from "./search-budget.ts";
import type { AddedToken } from "./tokenizer-json.ts";
import { trimmed } from "./tokenizer-normalize.ts";
import { createTrie } from "./trie.ts";

/** A token, or a text between tokens. */
export type Section = AddedToken | string;

/** Finds the tokens of a text: the leftmost first, of those the longest. Throws E_LIMIT. */
export function createFinder(
  tokens: readonly AddedToken[],
  contentOf: (token: AddedToken) => string,
  what: string,
): (text: string, budget: Budget) => Section[] {
  if (tokens.length === 0) return (text) => (text === "" ? [] : [text]);
  const trie = createTrie(tokens.map(contentOf), what);
  return (text, budget) => {
    const sections: Section[] = [];
    let from = 0;
    for (let at = 0; at < text.length; ) {
      let found: AddedToken | undefined;
      let length = 1;
      trie.prefixes(text, at, budget, (index, longer) => {
        [found, length] = [tokens[index], longer];
      });
      if (found !== undefined) {
        if (at > from) sections.push(text.slice(from, at));
        sections.push(found);
        from = at + length;
      }
      at += length;
    }
    if (from < text.length) sections.push(text.slice(from));
    return sections.map((section, i) => stripped(section, sections[i - 1], sections[i + 1])).filter((s) => s !== "");
  };
}

/** A text without the white space that the tokens beside it take in. */
function stripped(section: Section, before: Section | undefined, after: Section | undefined): Section {
  if (typeof section !== "string") return section;
  const start = typeof before === "object" && before.rstrip === true;
  const end = typeof after === "object" && after.lstrip === true;
  return start || end ? trimmed(section, { start, end }) : section;
}
