import { expect, test } from "vitest";
import { printable, printableJson, printableLine } from "./printable.ts";

test("a model cannot send commands to the terminal", () => {
  expect(printable("a\u001b[2J\u0007\tb\nc\u009b1m äö")).toBe("a·[2J·\tb\nc·1m äö");
  expect(printableLine("a\u001b[2J\tb\nc")).toBe("a·[2J·b⏎c");
});

test("nor turn the order of what is read; Windows' line ends are line ends", () => {
  expect(printable("a\u202Egpj.exe\u2066\u200F\r\nb\rc")).toBe("a·gpj.exe··\nb·c");
  expect(printableLine("a\u202E\r\nb")).toBe("a·⏎b");
});

test("JSON spells such characters as escapes, so that nothing is lost", () => {
  const value = { name: "a\u001b[2J\u007f\u009b\u202e\n" };
  const json = printableJson(value);
  expect(json).toBe('{"name":"a\\u001b[2J\\u007f\\u009b\\u202e\\n"}');
  expect(JSON.parse(json)).toEqual(value);
});
