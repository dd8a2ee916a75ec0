/** @file A text in sentences: what its parts say can be told apart, and one of them left out. */

/** Behind a full stop, a question or exclamation mark and what closes it, where no small letter goes on; and at the end of a line. */
const ends = /[.!?]["'”’)\]]*\s+(?=[^\s\p{Ll}])|\n\s*/gu;

/** Short forms whose full stop ends nothing: titles, "e.g.", hours, initials. "No." is one in front of a number. */
const shortForm = /(?:^|[^\p{L}\p{N}])(?:Dr|Mr|Mrs|Ms|Prof|St|[Ee]\.g|[Ii]\.e|[ap]\.m|\p{Lu})\.$/u;
const numbered = /(?:^|[^\p{L}\p{N}])No\.$/u;
/** More letters than the longest of them has. */
const shortFormWindow = 8;

/** @param at of the full stop. @param end where the next word begins */
function isShortForm(text: string, at: number, end: number): boolean {
  const before = text.slice(Math.max(0, at + 1 - shortFormWindow), at + 1);
  return shortForm.test(before) || (numbered.test(before) && /\d/.test(text.charAt(end)));
}

/** Sentences and lines, each with the white space behind it: joined they are the text. */
export function splitSentences(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (const { index, 0: found } of text.matchAll(ends)) {
    const end = index + found.length;
    if (text.slice(from, end).trim() === "") continue;
    if (/^\.[^\S\n]+$/.test(found) && isShortForm(text, index, end)) continue;
    parts.push(text.slice(from, end));
    from = end;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}
