/** @file Text from models and files, made safe for a terminal: control characters become visible. */

/** Line breaks and tabs stay. */
export const printable = (text: string): string => text.replace(/[^\P{Cc}\n\t]/gu, "·");

/** The same on one line. */
export const printableLine = (text: string): string => text.replace(/\n/g, "⏎").replace(/\p{Cc}/gu, "·");
