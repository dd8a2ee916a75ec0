import { expect, test } from "vitest";
import { labelCodes } from "./label-codes.ts";

test("codes follow the order in which the prompt names the labels", () => {
  const prompt = 'Output "no" unless the text has a digit; then output "yes".';
  expect(labelCodes(prompt, ["yes", "no"])).toEqual({
    prompt: `${prompt}\n\nWrite A for "no", B for "yes".`,
    codes: ["B", "A"],
  });
});

test("a label in quotes goes before the same word in the prose, and one that is not named comes last", () => {
  const prompt = 'Is it on time? Say "late" or "on".';
  expect(labelCodes(prompt, ["missing", "on", "late"])?.codes).toEqual(["C", "B", "A"]);
});

test("a label is a word of its own, whatever signs it has", () => {
  expect(labelCodes("now: yes, c++ or no", ["no", "c++"])?.codes).toEqual(["B", "A"]);
});

test("more than three labels keep their names", () => {
  expect(labelCodes("a, b, c or d", ["a", "b", "c", "d"])).toBeUndefined();
});
