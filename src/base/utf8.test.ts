/** @file UTF-8. */
import { expect, test } from "vitest";
import { utf8Length } from "./utf8.ts";

test.each(["", "plain", "é", "ß€", "𝔘𝔫𝔦", "a\ud800", "\udc00b", "\ud800\ud800\udc00", "\u07ff\u0800\uffff"])(
  "the length of %j is that of its bytes",
  (text) => {
    expect(utf8Length(text)).toBe(Buffer.byteLength(text));
  },
);
