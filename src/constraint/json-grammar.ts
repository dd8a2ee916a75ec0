/** @file The grammars of JSON's own values, written on one line as `{"a": 1, "b": [true]}`. */
import type { JsonValue } from "../base/json.ts";
import { characters, choice, type Grammar, optional, repeat, sequence, text } from "./grammar.ts";

const digit = characters("09");
const hex = characters("09", "af", "AF");

/** Escapes that stand for one character; none for half of one (U+D800 to U+DFFF). */
const escaped = sequence(
  text("\\"),
  choice(
    characters('"', "\\", "/", "b", "f", "n", "r", "t"),
    sequence(text("u"), characters("09", "ac", "ef", "AC", "EF"), hex, hex, hex),
    sequence(text("u"), characters("d", "D"), characters("07"), hex, hex),
  ),
);
const plain: Grammar = {
  kind: "character",
  ranges: [
    [0x20, 0x21],
    [0x23, 0x5b],
    [0x5d, 0xd7ff],
    [0xe000, 0x10ffff],
  ],
};
const character = choice(plain, escaped);

/** A string of so many characters. */
export const stringGrammar = (min = 0, max?: number): Grammar =>
  sequence(text('"'), repeat(character, min, max), text('"'));

/** Digits of a number that fp64 holds exactly; more are noise, and a model may not stop writing them. */
const maxDigits = 15;
const natural = choice(text("0"), sequence(characters("19"), repeat(digit, 0, maxDigits - 1)));

export const integerGrammar = sequence(optional(text("-")), natural);

export const numberGrammar = sequence(
  integerGrammar,
  optional(sequence(text("."), repeat(digit, 1, maxDigits))),
  optional(sequence(characters("e", "E"), optional(characters("+", "-")), characters("09"), repeat(digit, 0, 1))),
);

/** Integers from `min` to `max`, both safe integers. */
export function integersBetween(min: number, max: number): Grammar {
  const parts: Grammar[] = [];
  if (min < 0) parts.push(sequence(text("-"), naturalsBetween(Math.max(1, -max), -min)));
  if (max >= 0) parts.push(naturalsBetween(Math.max(0, min), max));
  return choice(...parts);
}

/** 0 ≤ min ≤ max: one choice a number of digits. */
function naturalsBetween(min: number, max: number): Grammar {
  const parts: Grammar[] = [];
  for (let length = `${min}`.length; length <= `${max}`.length; length++) {
    const low = length === `${min}`.length ? `${min}` : `1${"0".repeat(length - 1)}`;
    const high = length === `${max}`.length ? `${max}` : "9".repeat(length);
    parts.push(digitsBetween(low, high));
  }
  return choice(...parts);
}

/** Decimal numbers of the same length, from `low` to `high`. */
function digitsBetween(low: string, high: string): Grammar {
  const rest = low.length - 1;
  if (/^0*$/.test(low.slice(1)) && /^9*$/.test(high.slice(1)))
    return sequence(characters(`${low[0]}${high[0]}`), repeat(digit, rest, rest));
  if (low[0] === high[0]) return sequence(text(low[0]!), digitsBetween(low.slice(1), high.slice(1)));
  const inner = [Number(low[0]) + 1, Number(high[0]) - 1] as const;
  return choice(
    sequence(text(low[0]!), digitsBetween(low.slice(1), "9".repeat(rest))),
    ...(inner[0] > inner[1] ? [] : [sequence(characters(`${inner[0]}${inner[1]}`), repeat(digit, rest, rest))]),
    sequence(text(high[0]!), digitsBetween("0".repeat(rest), high.slice(1))),
  );
}

/** A value as it is written here. */
export function writeJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(writeJson).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, inner]) => `${JSON.stringify(key)}: ${writeJson(inner)}`)
    .join(", ")}}`;
}

/** Numbers of two digits: each range says which tens go with which ones. */
const twoDigits = (...ranges: readonly (readonly [tens: string, ones: string])[]): Grammar =>
  choice(...ranges.map(([tens, ones]) => sequence(characters(...tens), characters(ones))));
const upTo28 = [
  ["0", "19"],
  ["1", "09"],
  ["2", "08"],
] as const;
const upTo30 = [...upTo28, ["2", "99"], ["3", "00"]] as const;
const monthAndDay = choice(
  sequence(text("02-"), twoDigits(...upTo28)),
  sequence(choice(...["04", "06", "09", "11"].map(text)), text("-"), twoDigits(...upTo30)),
  sequence(
    choice(...["01", "03", "05", "07", "08", "10", "12"].map(text)),
    text("-"),
    twoDigits(...upTo30, ["3", "11"]),
  ),
);
const multiplesOf4 = [
  ["02468", "00"],
  ["02468", "44"],
  ["02468", "88"],
  ["13579", "22"],
  ["13579", "66"],
] as const;
const leapYear = choice(
  sequence(
    digit,
    digit,
    twoDigits(["0", "44"], ["0", "88"], ...multiplesOf4.map(([tens, ones]) => [tens.replace("0", ""), ones] as const)),
  ),
  sequence(twoDigits(...multiplesOf4), text("00")),
);
const date = choice(sequence(repeat(digit, 4, 4), text("-"), monthAndDay), sequence(leapYear, text("-02-29")));
const hours = twoDigits(["01", "09"], ["2", "03"]);
const sixty = sequence(characters("05"), digit);
const clock = sequence(hours, text(":"), sixty, text(":"), sixty);
const zone = choice(text("Z"), sequence(characters("+", "-"), hours, text(":"), sixty));
const lower = characters("09", "af");
const group = (length: number) => repeat(lower, length, length);

/** Strings that a `format` describes, quotes included. */
export const stringFormats: ReadonlyMap<string, Grammar> = new Map(
  Object.entries({
    date,
    time: sequence(clock, zone),
    "date-time": sequence(date, text("T"), clock, zone),
    uuid: sequence(
      ...[group(8), group(4), sequence(characters("18"), group(3)), sequence(characters("89", "ab"), group(3))].flatMap(
        (part) => [part, text("-")],
      ),
      group(12),
    ),
  }).map(([name, grammar]) => [name, sequence(text('"'), grammar, text('"'))]),
);
