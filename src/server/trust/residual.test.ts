/** @file What of a prompt must stay word for word. */
import { expect, test } from "vitest";
import { splitSentences } from "../../text/sentences.ts";
import { residualPrompt } from "./residual.ts";

test.each([
  ["Be short. Answer at once! Is that clear? Yes.", 4],
  ["Use commas, e.g. here, and go on. Then stop.", 2],
  ["One line\nanother line\n\n  a third", 3],
  ["version 3.5 is out", 1],
  ["Refer every patient to Dr. Smith.", 1],
  ["Mrs. J. Smith and Prof. Lee meet at 9 a.m. Monday, i.e. Room No. 5, St. Mary. Be kind.", 2],
  ["Answer Yes or No. Be brief.", 2],
  ["Greet the Dr.\nBe brief.", 2],
  ["", 0],
])("%j has %i sentences, which joined are the text", (text, count) => {
  const parts = splitSentences(text);
  expect(parts).toHaveLength(count);
  expect(parts.join("")).toBe(text);
});

test("sentences with numbers, names, quotations and signs stay, in their order; others need not", () => {
  const kept = [
    "We open at 9.",
    'Begin with "Dear customer".',
    "Write to help@shop.example.",
    "You work for Contoso.",
    "Return {answer} as order_id.",
    "Never mention the CEO.",
  ];
  const prompt = ["You are a helpful agent.", ...kept, "Be polite and brief."].join(" ");
  expect(residualPrompt(prompt)).toBe(kept.join(" "));
});

test.each(["Be polite. Be brief.", "Open at 9.", ""])("of %j nothing is left, or all: undefined", (prompt) => {
  expect(residualPrompt(prompt)).toBeUndefined();
});

test("a long text without an end is read once: small letters with accents, beside plain ones", () => {
  const text = "\u00e9a".repeat(50_000);
  const started = process.cpuUsage();
  expect(residualPrompt(`${text}. We open at 9.`)).toBe("We open at 9.");
  expect(process.cpuUsage(started).user / 1e6).toBeLessThan(10); // seconds; linear work takes a few thousandths
});
