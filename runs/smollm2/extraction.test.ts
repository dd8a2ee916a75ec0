/** @file What prompts for details promise: values stand in the message, keys and form in the prompt, one prompt asks for one answer. */
import { expect, test } from "vitest";
import { createRng } from "../../src/base/rng.ts";
import { splits } from "./behaviour.ts";
import { extraction, type Message } from "./extraction.ts";

const cities = ["Rome", "Oslo", "Lima", "Cairo", "Bern", "Quito", "Hanoi", "Accra"];
const dishes = ["soup", "pasta", "curry"];
const messages: Message[] = cities.flatMap((city, i) =>
  dishes.map((dish, k) => ({
    text: `Where do I get ${dish} for ${i + 2} in ${city}${k === 0 ? "?" : " tonight?"}`,
    source: "made",
    domain: "made",
    intent: "eat",
    repeated: [],
    details: {
      city,
      served_dish: dish,
      party_size_number: String(i + 2),
      ...(k === 0 ? {} : { timeRange: "tonight" }),
    },
  })),
);
const [shown, asked] = [messages.slice(0, 8), messages.slice(8)];
const drawn = Array.from({ length: 300 }, (_, i) => extraction(createRng(`extraction ${i}`), asked, shown)).filter(
  (behaviour) => behaviour !== undefined,
);

test("most draws over messages with four details are behaviours, of one to three details", () => {
  expect(drawn.length).toBeGreaterThan(290);
  expect(new Set(drawn.map(({ kind }) => kind))).toEqual(
    new Set(["extraction of 1", "extraction of 2", "extraction of 3"]),
  );
});

test("an answer in JSON has the keys that every wording names, and values as the message writes them", () => {
  const inJson = drawn.filter(({ key }) => key.startsWith("{"));
  expect(inJson.length).toBeGreaterThan(100);
  const misses: string[] = [];
  for (const { answer, wordings, key } of inJson)
    for (const message of messages) {
      const text = answer(message);
      if (text === undefined) continue;
      const fields = Object.entries(JSON.parse(text) as Record<string, string>);
      const all = splits.flatMap((split) => wordings[split]);
      misses.push(...fields.flatMap(([name]) => all.filter((wording) => !wording.includes(`"${name}"`))));
      const given = new Set(Object.values(message.details));
      const others = fields.map(([, value]) => value).filter((value) => !given.has(value)); // what stands for a detail not said
      misses.push(...others.filter((value) => !wordings.train[0]!.includes(`"${value}"`)));
      if (others.length === fields.length) misses.push(`${key}: ${text}`);
    }
  expect(misses).toEqual([]);
});

test("where no word stands for a missing detail, messages without it are not asked", () => {
  const [wanted] = drawn.filter(({ key }) => key.includes("timeRange") && key.endsWith("undefined"));
  const answered = messages.filter((message) => wanted!.answer(message) !== undefined);
  expect(answered.length).toBeGreaterThan(0);
  for (const { details } of answered) expect(details).toHaveProperty("timeRange");
});

test("no wording of one split is a wording of another", () => {
  for (const { wordings, key } of drawn) {
    const [train, validation, tested] = splits.map((split) => new Set(wordings[split]));
    expect(
      [...train!].filter((wording) => validation!.has(wording) || tested!.has(wording)),
      key,
    ).toEqual([]);
    expect(
      [...validation!].filter((wording) => tested!.has(wording)),
      key,
    ).toEqual([]);
  }
});

test("the same messages get different answers by different prompts", () => {
  const answers = new Set(drawn.map(({ answer }) => answer(messages[1]!)));
  expect(answers.size).toBeGreaterThan(100);
});

test("the example in a prompt is the answer to a message that is not asked", () => {
  const holds = (text: string | undefined, { train }: { readonly train: readonly string[] }) =>
    text !== undefined && train.some((wording) => wording.includes(text));
  const examples = drawn.filter(({ wordings, answer }) => shown.some((one) => holds(answer(one), wordings)));
  expect(examples.length).toBeGreaterThan(100);
  const whole = drawn.filter(({ key }) => key.includes("city") && key.includes("served_dish"));
  const leaks = whole.filter(({ wordings, answer }) => asked.some((one) => holds(answer(one), wordings)));
  expect(leaks.map(({ key }) => key)).toEqual([]);
});

test("a message that names a detail twice is not asked for it", () => {
  const twice = messages.map((one) => ({ ...one, details: { served_dish: "soup" }, repeated: ["city"] }));
  const drawnOver = Array.from({ length: 200 }, (_, i) =>
    extraction(createRng(`twice ${i}`), [...twice.slice(12), ...messages.slice(0, 12)], shown),
  );
  const ofCities = drawnOver.filter((behaviour) => behaviour?.key.includes("city"));
  expect(ofCities.length).toBeGreaterThan(10);
  for (const behaviour of ofCities) expect(behaviour!.answer(twice[20]!)).toBeUndefined();
});
