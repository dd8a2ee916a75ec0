/** @file Regular expressions as trees: the part of JavaScript's syntax (with the flag `u`) that splitting and replacing text needs. */
import { AppError } from "../base/errors.ts";

export type Regex =
  /** One code point: itself, or any that the class or escape `source` stands for. */
  | { readonly kind: "character"; readonly codePoint: number }
  | { readonly kind: "class"; readonly source: string }
  | { readonly kind: "sequence"; readonly parts: readonly Regex[] }
  | { readonly kind: "choice"; readonly options: readonly Regex[] }
  | {
      readonly kind: "repeat";
      readonly body: Regex;
      readonly min: number;
      readonly max: number;
      readonly isLazy: boolean;
    }
  | { readonly kind: "look"; readonly body: Regex; readonly isBehind: boolean; readonly isNegated: boolean };

const quantifier = /([*+?]|\{(\d+)(,(\d*))?\})(\??)/uy;
const lookaround = /\(\?(<?)([=!])/uy;
const group = /\((?:\?:|\?<[^=!>][^>]*>)?(?!\?)/uy;
const set = /\[(?:[^\\\]]|\\.)*\]/suy;
/** Escapes that are one code point: numbers, control characters, syntax characters. */
const character =
  /\\(?:u\{([0-9A-Fa-f]+)\}|u(d[89ab]..)\\u(d[c-f]..)|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|c([A-Za-z])|([tnvfr0])|([-^$\\.*+?()[\]{}|/]))/iuy;
const classEscape = /\\(?:[pP]\{[^}]*\}|[dDsSwW])/uy;
const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };

/** The tree of a source that JavaScript accepts. Throws E_FORMAT for what a bounded search cannot do: references back, and anchors. */
export function parseRegex(source: string, what: string): Regex {
  let at = 0;

  function take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = at;
    const match = pattern.exec(source) ?? undefined;
    if (match !== undefined) at += match[0].length;
    return match;
  }

  function choice(): Regex {
    const options = [sequence()];
    while (source[at] === "|") {
      at++;
      options.push(sequence());
    }
    return options.length === 1 ? options[0]! : { kind: "choice", options };
  }

  function sequence(): Regex {
    const parts: Regex[] = [];
    while (at < source.length && source[at] !== "|" && source[at] !== ")") parts.push(repeated(atom()));
    return parts.length === 1 ? parts[0]! : { kind: "sequence", parts };
  }

  function repeated(body: Regex): Regex {
    const match = take(quantifier);
    if (match === undefined) return body;
    const [, sign, least, comma, most, lazy] = match;
    const isLazy = lazy === "?";
    if (least === undefined)
      return { kind: "repeat", body, min: sign === "+" ? 1 : 0, max: sign === "?" ? 1 : Infinity, isLazy };
    const max = comma === undefined ? Number(least) : most === "" ? Infinity : Number(most);
    return { kind: "repeat", body, min: Number(least), max, isLazy };
  }

  function atom(): Regex {
    const look = take(lookaround);
    if (look !== undefined)
      return { kind: "look", isBehind: look[1] === "<", isNegated: look[2] === "!", body: closed() };
    if (take(group) !== undefined) return closed();
    const literal = take(character);
    if (literal !== undefined) return { kind: "character", codePoint: escaped(literal) };
    const source_ = take(set) ?? take(classEscape);
    if (source_ !== undefined) return { kind: "class", source: source_[0] };
    const codePoint = source.codePointAt(at)!;
    if ("\\^$(".includes(source[at]!))
      throw new AppError(
        "E_FORMAT",
        `${what}: expected a regular expression without references and anchors, found ${JSON.stringify(source.slice(at, at + 20))}`,
      );
    at += codePoint > 0xffff ? 2 : 1;
    return codePoint === 0x2e ? { kind: "class", source: "." } : { kind: "character", codePoint };
  }

  function closed(): Regex {
    const body = choice();
    at++; // the closing bracket
    return body;
  }

  return choice();
}

function escaped([, braced, high, low, unit, byte, control, named, syntax]: RegExpExecArray): number {
  if (high !== undefined) return String.fromCharCode(parseInt(high, 16), parseInt(low!, 16)).codePointAt(0)!;
  const hex = braced ?? unit ?? byte;
  if (hex !== undefined) return parseInt(hex, 16);
  if (control !== undefined) return control.toUpperCase().charCodeAt(0) - 64;
  return named === undefined ? syntax!.codePointAt(0)! : controls[named]!;
}
