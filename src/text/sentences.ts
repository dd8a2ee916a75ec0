/** @file A text in sentences: what its parts say can be told apart, and one of them left out. */

/** Behind a full stop, a question or exclamation mark and what closes it, where no small letter goes on; and at the end of a line. */
const ends = /[.!?]["'”’)\]]*\s+(?=[^\s\p{Ll}])|\n\s*/gu;

/** Sentences and lines, each with the white space behind it: joined they are the text. */
export function splitSentences(text: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (const { index, 0: found } of text.matchAll(ends)) {
    const end = index + found.length;
    if (text.slice(from, end).trim() === "") continue;
    parts.push(text.slice(from, end));
    from = end;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}
