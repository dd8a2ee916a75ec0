/** @file What prompts demand: found in prompts that close the set of answers, and never in others that have lists too. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import type { JsonValue } from "../base/json.ts";
import { findConstraint } from "./find.ts";

const fixtures = resolve(import.meta.dirname, "../../test/fixtures/closed-sets");
const read = <T>(name: string) => JSON.parse(readFileSync(resolve(fixtures, name), "utf8")) as readonly T[];
const closed = read<{ prompt: string; labels?: readonly string[]; schema?: JsonValue }>("closed.json");
const open = read<string>("open.json");
/** Written before the rules got their present form, and none of them was changed after it was tried on these. */
const heldOut = JSON.parse(readFileSync(resolve(fixtures, "held-out.json"), "utf8")) as {
  readonly closed: readonly { prompt: string; spec: JsonValue }[];
  readonly open: readonly string[];
};

test("of 100 prompts with lists but without a closed set none is taken for one", () => {
  expect(open).toHaveLength(100);
  expect(open.filter((prompt) => findConstraint(prompt) !== undefined)).toEqual([]);
});

test("in 60 prompts that close the set it is found, whole and in order", () => {
  expect(closed).toHaveLength(60);
  const missed = closed.filter(({ prompt, labels, schema }) => {
    const wanted = labels === undefined ? { kind: "schema", schema } : { kind: "labels", labels };
    return JSON.stringify(findConstraint(prompt)?.spec) !== JSON.stringify(wanted);
  });
  expect(missed.map(({ prompt }) => [prompt, JSON.stringify(findConstraint(prompt)?.spec)])).toEqual([]);
});

test("of prompts held out, none of 26 open ones is taken for closed, and 21 of 26 closed ones are found, as the docs say", () => {
  expect([heldOut.open.length, heldOut.closed.length]).toEqual([26, 26]);
  expect(heldOut.open.filter((prompt) => findConstraint(prompt) !== undefined)).toEqual([]);
  const found = heldOut.closed.flatMap(({ prompt, spec }) => {
    const { spec: other } = findConstraint(prompt) ?? {};
    return other === undefined ? [] : [[spec, other]];
  });
  for (const [wanted, other] of found) expect(JSON.stringify(other)).toBe(JSON.stringify(wanted));
  expect(found).toHaveLength(21);
});

test.each([
  "You read reviews. The possible answers are Positive and Negative; give just the label.",
  "Read the review. The allowed labels are Positive and Negative.",
  "Possible answers: Positive; Negative; give nothing else.",
])("what to do with a list is none of its items: %s", (prompt) => {
  expect(findConstraint(prompt)?.spec).toEqual({ kind: "labels", labels: ["Positive", "Negative"] });
});

test.each(["Topics: research and development.", "Labels: terms and conditions; answer briefly."])(
  "one name with an and in it is no list: %s",
  (prompt) => expect(findConstraint(prompt)).toBeUndefined(),
);

test.each([
  [
    "You sort the mail of a workshop. Every mail goes to one queue. The queues are: tyres, paint, engine. Answer with the name of the queue alone.",
    ["tyres", "paint", "engine"],
  ],
  [
    'You grade alarms. Write "A1" when people are in danger, "A2" when things may break, and "A3" when it is a test. Write the code only.',
    ["A1", "A2", "A3"],
  ],
  ["Sort the parcels. Teams: north, south, sea.\nReply with the team's name.", ["north", "south", "sea"]],
  ['Read the mail. Answer "spam" if it sells something, "ham" for all else.', ["spam", "ham"]],
])("labels are found in: %s", (prompt, labels) => {
  expect(findConstraint(prompt)?.spec).toEqual({ kind: "labels", labels });
});

test.each([
  'Write "A1" when people are in danger, "A2" when things may break. Write a short reason too.',
  'Say "Hello" when the user greets you, "Goodbye" when he leaves, and answer his questions in between.',
  'Answer "yes" if it is urgent.',
  'Write "colour" when the reader is British, "color" when he is American.',
  'Use "Mr" for men and "Ms" for women, only in letters.',
  'You are a tutor. Say "Great" when the answer is right, "Hm" when it is wrong, then help.',
  'You are a receptionist. Answer only questions about the hotel. Say "Good morning" if it is before noon, "Good evening" if it is late.',
  'Use one word at a time. Say "Well done" when the sum is right, "Try again" if it is wrong. Help them with sums.',
  "Give the group facts about the place. Groups: adults, children.",
  "Select the right team, open a ticket and tell the user its number. Teams: north, south.",
  "Return status codes as a server would, with a body. Codes: 200, 404, 500.",
  "The names are Anna and Ben.",
  "The classes are warrior and mage. Go on with the tale.",
  "The options are red and blue. Help the customer choose.",
  "You help on a farm. Groups: sheep, cows, pigs. Tell the user what they eat.",
  "You sell pizza. The types are: margherita, funghi. Answer questions about them.",
  'Explain when to write "who" for a subject, "whom" for an object.',
])("no labels are found in: %s", (prompt) => expect(findConstraint(prompt)).toBeUndefined());

test("an example of an answer in JSON, all its keys named beside it, is the form of every answer", () => {
  const prompt =
    'Read which room and which day. Reply with JSON, with the keys "room" and "day", as in {"room": "2b", "day": "Monday"}.';
  expect(findConstraint(prompt)?.spec).toEqual({
    kind: "schema",
    schema: {
      type: "object",
      properties: { room: { type: "string" }, day: { type: "string" } },
      required: ["room", "day"],
      additionalProperties: false,
    },
  });
});

test("an example object counts where the prompt reads from each message, not where it answers for each", () => {
  const form = 'Reply with JSON, with the keys "room" and "day", as in {"room": "2b", "day": "Monday"}.';
  expect(findConstraint(`Read from each message which room and which day. ${form}`)?.spec.kind).toBe("schema");
  const others = [
    `Read the room and the day of each guest. ${form}`,
    'Reply with JSON, with the keys "room" and "day" for each review, as in {"room": "2b", "day": "Monday"}.',
    `Write one object per message. ${form}`,
  ];
  for (const prompt of others) expect(findConstraint(prompt), prompt).toBeUndefined();
});

test.each([
  'Reply with JSON, with the keys "room" and "day" if they are mentioned, as in {"room": "2b", "day": "Monday"}.',
  'Reply with JSON, with the keys "room", "day" and "hour", as in {"room": "2b", "day": "Monday"}.',
  'Answer questions about bookings, which come as JSON with the keys "room" and "day", as in {"room": "2b", "day": "Monday"}.',
  'Reply with JSON, with the keys "room" and "day", as in {"room": "2b", "day": "Monday"}. Leave "day" empty when unknown.',
  'Reply with JSON, one line for each guest, with the keys "room" and "day", as in {"room": "2b", "day": "Monday"}.',
  'Reply with JSON such as {"room": "2b", "day": "Monday"}.',
  'Reply with JSON, with the keys "room" and "seats", as in {"room": "2b", "seats": 4}.',
  'Given {"room": "2b", "day": "Monday"}, reply with JSON of the next day. The keys of the input are "room" and "day"; others may follow.',
])("no form of JSON is found in: %s", (prompt) => expect(findConstraint(prompt)).toBeUndefined());

test.each([
  ["a.", 16_000],
  ["one ", 8000],
  [" ", 32_000],
  ["\n", 32_000],
  ["f(a)\n ", 5000],
  ["a/", 16_000],
  ['Write "a" when ', 2000],
  ["Labels: a", 3000],
  ["{", 32_000],
])("a prompt of %j, %i times, is searched", (text, times) => {
  const around = [`Labels: ${text.repeat(times)} please`, `Functions: f(a)\n${text.repeat(times)}`];
  for (const prompt of [text.repeat(times), ...around.map((long) => long.slice(0, 2 ** 15))]) findConstraint(prompt);
});
test.each([
  ["Labels:\n- a", " ", 32_000, "b"],
  ["", "- pick one of\n", 1000, `- a${" ".repeat(18_000)}b`],
  ["", "pick one of\n", 100, "- a b c d e\n".repeat(2500)],
  ["Labels: red, blue.", "\n", 32_000, "Explain them."],
  ["", "which of these: ", 2000, "a, b"],
])(
  "a prompt that repeats itself is read in one go: %j, %j %i times",
  (before, text, times, behind) => {
    const prompt = before + text.repeat(times) + behind;
    expect(prompt.length).toBeLessThanOrEqual(2 ** 15); // none is longer than what is searched
    expect(findConstraint(prompt)).toBeUndefined();
  },
  60_000,
); // far above what it takes, far below what reading anew from every cue or space takes
