import { expect, test } from "vitest";
import { accepts } from "../../test/support/accepts.ts";
import { automatonOf, utf8Ranges } from "./automaton.ts";
import { characters, choice, type Grammar, optional, repeat, sequence, text } from "./grammar.ts";

test.each([
  [0x20, 0x7e],
  [0x00, 0x10ffff],
  [0x7f, 0x80],
  [0x5d, 0xd7ff],
  [0x3b1, 0x3c9],
  [0xe123, 0x1f469],
  [0x1f468, 0x1f468],
])("the bytes of U+%i to U+%i are those of its characters and of no others", (from, to) => {
  const ranges = utf8Ranges([from, to]);
  const utf8 = new TextEncoder();
  const isCovered = (bytes: Uint8Array) =>
    ranges.filter(
      (range) =>
        range.length === bytes.length && range.every(([low, high], i) => bytes[i]! >= low && bytes[i]! <= high),
    ).length;
  for (let point = 0; point <= 0x10ffff; point += point < 0x3000 ? 1 : 7) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const wanted = point >= from && point <= to ? 1 : 0;
    if (isCovered(utf8.encode(String.fromCodePoint(point))) !== wanted) expect.fail(`U+${point.toString(16)}`);
  }
});

const abc = characters("ac");

test.each<[string, Grammar, readonly string[], readonly string[]]>([
  ["text", text("né"), ["né"], ["n", "ne", "néé", ""]],
  ["sequence", sequence(abc, text("x"), abc), ["axb"], ["ax", "dxa"]],
  ["choice", choice(text("ab"), text("a"), text("b")), ["a", "b", "ab"], ["", "ba", "abb"]],
  ["any number", repeat(choice(text("a"), text("bc")), 0), ["", "a", "bca", "bcbc"], ["b", "ab"]],
  ["bounded", repeat(abc, 2, 4), ["ab", "abc", "abca"], ["a", "abcab", ""]],
  ["from three on", repeat(text("é"), 3), ["ééé", "éééééé"], ["éé"]],
  ["optional", sequence(optional(text("-")), text("1")), ["1", "-1"], ["--1", "-"]],
  ["a bounded one of many", repeat(text("ab"), 0, 100), ["", "ab".repeat(100)], ["ab".repeat(101), "a"]],
])("%s: accepts its texts and no others", (_, grammar, right, wrong) => {
  const automaton = automatonOf(grammar);
  for (const value of right) expect(accepts(automaton, value), value).toBe(true);
  for (const value of wrong) expect(accepts(automaton, value), value).toBe(false);
});

test("states of one class go on alike within the horizon, those near a bound do not", () => {
  const automaton = automatonOf(sequence(text('"'), repeat(abc, 0, 100), text('"')));
  const behind = (length: number) =>
    [...`"${"a".repeat(length)}`].reduce(
      (state, letter) => automaton.step(state, letter.charCodeAt(0)),
      automaton.start,
    );
  expect(automaton.classOf(behind(10))).toBe(automaton.classOf(behind(60)));
  const classes = new Set(Array.from({ length: 101 }, (_, length) => automaton.classOf(behind(length))));
  expect(classes.size).toBeGreaterThan(20);
  expect(classes.size).toBeLessThan(30);
});

test("a grammar of too many states is refused", () => {
  const large = repeat(repeat(text("abc"), 0, 1000), 0, 1000);
  expect(() => automatonOf(large)).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
});
