import { describe, expect, test } from "vitest";
import { callOf, callReader } from "./tool-calls.ts";

const names = ["pay", "pay.all", "ask"];
const call = '{"name": "pay.all", "arguments": {"to": "Ann \\"A\\" }"}}';

describe("a call in an answer", () => {
  test("is found where the answer is one, whole", () => {
    const wanted = { name: "pay.all", arguments: '{"to": "Ann \\"A\\" }"}' };
    expect([callOf(call, names), callOf(` \n${call}`, names)]).toEqual([wanted, wanted]);
    expect(callOf(call, ["ask"])).toBeUndefined();
    for (const text of ["", "hello", call.slice(0, -1), `${call}.`, `I say ${call}`, '{"name": "pay"'])
      expect(callOf(text, names)).toBeUndefined();
  });

  /** What a stream tells of a text, split at every place into three pieces: parts of one kind put together. */
  function told(text: string, isCut: boolean): Set<string> {
    const found = new Set<string>();
    for (let a = 0; a <= text.length; a++)
      for (let b = a; b <= text.length; b++) {
        const reader = callReader(names);
        const pieces = [text.slice(0, a), text.slice(a, b), text.slice(b)];
        const parts = [...pieces.flatMap((piece) => reader.read(piece)), ...reader.end(isCut)];
        const joined: [string, string][] = [];
        for (const { kind, text } of parts)
          if (joined.at(-1)?.[0] === kind) joined.at(-1)![1] += text;
          else joined.push([kind, text]);
        found.add(JSON.stringify(joined));
      }
    return found;
  }
  const once = (...parts: [string, string][]) => new Set([JSON.stringify(parts)]);

  test("is told in pieces, however the text is split: its name, then its arguments", () => {
    expect(told(call, false)).toEqual(once(["name", "pay.all"], ["arguments", '{"to": "Ann \\"A\\" }"}']));
    expect(told(' {"name": "ask", "arguments": {}}', false)).toEqual(once(["name", "ask"], ["arguments", "{}"]));
  });

  test("is told in whole characters, where it comes in whole characters", () => {
    const argument = '{"text": "a😀{}😀"}';
    const reader = callReader(names);
    const parts = [...`{"name": "ask", "arguments": ${argument}}`].flatMap((piece) => reader.read(piece));
    const [name, ...pieces] = [...parts, ...reader.end(false)];
    expect(name).toEqual({ kind: "name", text: "ask" });
    expect(pieces.map(({ text }) => text).join("")).toBe(argument);
    for (const { text } of pieces) expect(Buffer.from(text).toString()).toBe(text);
  });

  test("that is cut off is told as far as it came", () => {
    expect(told('{"name": "ask", "arguments": {"a', true)).toEqual(once(["name", "ask"], ["arguments", '{"a']));
    expect(told('{"name": "as', true)).toEqual(once(["text", '{"name": "as']));
  });

  test("is not seen in other text, which is told as it comes", () => {
    for (const text of ["hello", '{"names"', " {x}", "  "])
      expect(
        [...told(text, false)].map((parts) => (JSON.parse(parts) as [string, string][]).map(([, t]) => t).join("")),
      ).toEqual([text]);
    const reader = callReader(names);
    expect(reader.read("h")).toEqual([{ kind: "text", text: "h" }]);
    expect(callReader([]).read('{"name"')).toEqual([{ kind: "text", text: '{"name"' }]);
  });
});
