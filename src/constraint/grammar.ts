/** @file Regular grammars over Unicode characters, as plain data: what a JSON schema and a list of labels become. */

export type Grammar =
  | { readonly kind: "text"; readonly text: string }
  /** One character of these ranges of code points, both ends included. */
  | { readonly kind: "character"; readonly ranges: readonly CodePoints[] }
  | { readonly kind: "sequence"; readonly parts: readonly Grammar[] }
  | { readonly kind: "choice"; readonly parts: readonly Grammar[] }
  /** At least `min`, at most `max` (undefined: any number) of the same. */
  | { readonly kind: "repeat"; readonly part: Grammar; readonly min: number; readonly max: number | undefined };

export type CodePoints = readonly [from: number, to: number];

export const text = (value: string): Grammar => ({ kind: "text", text: value });
export const sequence = (...parts: readonly Grammar[]): Grammar => ({ kind: "sequence", parts });
export const choice = (...parts: readonly Grammar[]): Grammar =>
  parts.length === 1 ? parts[0]! : { kind: "choice", parts };
export const repeat = (part: Grammar, min: number, max?: number): Grammar => ({ kind: "repeat", part, min, max });
export const optional = (part: Grammar): Grammar => repeat(part, 0, 1);

/** Characters by their ranges: `characters("09", "af")` is [0-9a-f]. */
export const characters = (...ranges: readonly string[]): Grammar => ({
  kind: "character",
  ranges: ranges.map((range) => {
    const [from, to = from] = [...range].map((character) => character.codePointAt(0)!);
    return [from!, to!] as const;
  }),
});
