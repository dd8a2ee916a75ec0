/** @file Prompts that demand an answer in JSON, and others that speak of it. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { asksForJson } from "./asks-for-json.ts";

const fixtures = resolve(import.meta.dirname, "../../test/fixtures/closed-sets");
const open = JSON.parse(readFileSync(resolve(fixtures, "open.json"), "utf8")) as readonly string[];

test("of 100 prompts without a closed set those that demand JSON are found, and no other", () => {
  expect(open).toHaveLength(100);
  expect(open.filter((prompt) => asksForJson(prompt) !== undefined)).toEqual([
    "Output JSON with the keys name, age and city.",
    'Answer with JSON: {"name": "...", "age": 0}.',
    'Extract the fields as JSON, such as {"city": "Rome"}.',
  ]);
});

test.each([
  ["You read orders. Reply only with one valid JSON object. Do not explain.", "Reply only with one valid JSON"],
  ["Return your answer as JSON, with the keys a and b.", "Return your answer as JSON"],
  ["Read the message and return the name and the date as a JSON object.", "return the name and the date as a JSON"],
  ["You are a parser. Your output must be valid JSON.", "output must be valid JSON"],
  ["Find the product.\nFormat: JSON", "Format: JSON"],
  ["Turn each order into JSON.", "Turn each order into JSON"],
  ["Always respond in JSON format.", "respond in JSON"],
  ['Reply with JSON such as {"room": "2b", "day": "Monday"}.', "Reply with JSON"],
])("%j demands JSON", (prompt, because) => expect(asksForJson(prompt)).toBe(because));

test.each([
  "Answer questions about JSON.",
  "You teach programming. Explain the difference between JSON and XML.",
  "The user sends JSON. Answer in one sentence what it is about.",
  "The messages come as JSON. Answer with the customer's name.",
  "Customers write their orders as JSON. Say what they want.",
  "Never answer in JSON.",
  "Answer in plain text, not in JSON.",
  "Answer in JSON if the user asks for it.",
  "When asked for data, output JSON.",
  "Answer in JSON or in XML, as the user likes.",
  "Write a JSON schema for the data.",
  "Return the path of the JSON file.",
  "Convert JSON to CSV.",
  "Give the name of the country. The data was read from JSON.",
  "You mend JSON files. Say which line is wrong.",
  "Write about Jason.",
  "You read logs. The response is JSON; say which status it has.",
  "Print JSON keys in bold.",
  "Return JSON web tokens to the caller.",
  "Write JSON tutorials for beginners.",
  "Give JSON examples to learners.",
  "Answer with the JSON given below as your guide.",
  "Output JSON is forbidden; write prose.",
  "Format JSON that users paste and say what was wrong.",
  "Answer in JSON, but only when the user asks for data.",
  `If the user sends an order (${"one of many words, ".repeat(30)}and so on), output JSON.`,
])("%j does not", (prompt) => expect(asksForJson(prompt)).toBeUndefined());

test.each(["JSON ", "answer as ", "output only ", "a", ".", "format: ", "return a as in ", "and return a "])(
  "behind %j many times a demand is found, and without it none",
  (text) => {
    const demand = ". Answer in JSON.";
    const before = `JSON ${text.repeat(2 ** 15)}`.slice(0, 2 ** 15 - demand.length);
    expect(asksForJson(before)).toBeUndefined();
    expect(asksForJson(before + demand)).toBe("Answer in JSON");
  },
);
