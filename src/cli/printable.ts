/** @file Text from models and files, made safe for a terminal: what could command it, or turn the order of what is read, becomes visible. */

/** C0 and C1 controls, and the marks that change the direction of text. */
const commands = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Line breaks and tabs stay. */
export const printable = (text: string): string =>
  text.replaceAll("\r\n", "\n").replace(commands, (character) => (/[\n\t]/.test(character) ? character : "·"));

/** The same on one line. */
export const printableLine = (text: string): string => text.replace(/\r?\n/g, "⏎").replace(commands, "·");

/** A value as JSON on one line, such characters spelled as escapes: nothing is lost. */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value).replace(commands, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
