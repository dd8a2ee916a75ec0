/** @file Prompts with a list or a form that is not the whole answer, by what betrays them; and prompts near to them that do close the set. */
import { describe, expect, test } from "vitest";
import { findConstraint } from "./find.ts";

const schema = '{"type": "object", "properties": {"a": {"type": "string"}}}';
const functions = "The functions are: heat(degrees), light(color).";

const traps: readonly (readonly [why: string, prompts: readonly string[]])[] = [
  [
    "an order beside the label",
    [
      "Classify the ticket as urgent, normal or low and give the customer's name.",
      "Classify the review as positive or negative and give a rating from 1 to 5.",
      "Classify the ticket as bug or wish and send a reply to the customer.",
      "Classify the text as A or B. Rate it from 1 to 5 as well.",
      "Pick one of: red, green, blue. Add the hex code.",
      "Choose one of: red, green, blue. Reply with its French translation.",
      "Choose one of: red, green. Greet the user first.",
      "Give the hex code of the colour. Pick one of: red, blue.",
      'Answer "yes" or "no" with the page where it stands.',
      'If the plant is edible, answer "yes" with the name of its family, else answer "no". Labels: yes, no.',
      "Labels: happy, sad. Write the mood and how strong it is.",
      "Labels: red, blue.\n\nDescribe them.",
      "Options:\nA) rest\nB) walk\nAnswer with the letter only. Answer with one of the options.",
    ],
  ],
  [
    "a condition",
    [
      "You are a shop assistant. Help customers. When they ask for a size, answer with one of: S, M, L.",
      "If a user is rude, answer with one of: calm, leave.",
      "Decide with the user. Once they have chosen, output one of the following: red, blue.",
      'Answer "yes" or "no" if the user asks whether we are open.',
      "Answer yes or no, unless the user wants more.",
      "Please answer yes or no only when asked.",
    ],
  ],
  [
    "several labels",
    [
      "Classify each line of the input as spam or ham.",
      "Label every token of the text as noun or verb.",
      "Assign as many tags as fit. Tags: red, green, blue.",
      "Answer with one of: yes, no, for all of the questions.",
    ],
  ],
  [
    "a denial",
    [
      "Do not simply answer with one of: yes, no.",
      "Never just pick one of: red, green, blue.",
      "Classify the text as news or opinion. Do not write an essay, but give a short reason.",
    ],
  ],
  [
    "a form or a manner",
    ["Output metres or feet.", "Output XML or YAML.", "Reply formally or informally.", "Answer in prose or verse."],
  ],
  [
    "a list of which nothing is asked",
    [
      "Topics: algebra, geometry. Quiz the student.",
      "Topics: cells, plants. Choose a topic for a lesson.",
      "Names: Anna, Ben, Carl. Tell a story with them.",
      "Categories: fruit, bread, milk. Make a shopping list from them.",
    ],
  ],
  [
    "instructions behind a line that begins as examples do",
    ["Answer yes or no.\nQuestion: …\nThen explain your answer in two sentences."],
  ],
  [
    "JSON that comes in",
    [
      `The user sends JSON of this schema: ${schema}. Reply with a JSON list of the errors.`,
      `Use this schema to read what comes in: ${schema}. Return JSON of the totals.`,
      `Answer in JSON. Input: ${schema} is the schema of requests.`,
      `${schema} is the schema that our clients follow. Return the JSON that they should have sent.`,
      'Customers send JSON with the keys "room" and "day", such as {"room": "2b", "day": "Monday"}. Reply with JSON that says whether it is free.',
    ],
  ],
  [
    "JSON in some cases only",
    [
      'Reply with JSON, with the keys "room" and "day", as in {"room": "2b", "day": "Monday"}. If nothing is booked, reply with an apology.',
      `Reply with JSON of this schema: ${schema}. When the user greets you, say hello.`,
    ],
  ],
  [
    "keys that are whole numbers, which JavaScript puts in front",
    [
      'Reply with JSON, with the keys "b", "day" and "2", as in {"b": "x", "day": "Monday", "2": "y"}.',
      'Reply with JSON of this schema: {"type": "object", "properties": {"b": {"type": "string"}, "2": {"type": "string"}}}',
    ],
  ],
  [
    "calls to be explained",
    [
      `${functions} The user writes one call like heat(degrees="24"). Say in plain words what happens.`,
      `${functions} Turn the call of the user, such as heat(degrees="24"), into a sentence. One call comes at a time.`,
    ],
  ],
];

describe.each(traps)("nothing is found because of %s", (_, prompts) => {
  test.each(prompts)("%s", (prompt) => expect(findConstraint(prompt)).toBeUndefined());
});

test.each([
  ["Answer with one of: a, b, c.", "a, b, c"],
  ["Answer first, second or third.", "first, second, third"],
  ["Customers write to us. Choose one of: billing, delivery, refund.", "billing, delivery, refund"],
  ["Classify each message as spam or ham.", "spam, ham"],
  ["Do not explain, just answer yes or no.", "yes, no"],
  ["Decide if the text is an advert. Answer yes or no.", "yes, no"],
  ["Return valid or invalid: check the number in the message.", "valid, invalid"],
  ["Classify the ticket. Categories: bug, wish, question.", "bug, wish, question"],
  ["Classify the file as JSON, XML or YAML.", "JSON, XML, YAML"],
  ["Pick the tone. Tones: warm, cold. Answer with the tone only.", "warm, cold"],
  [
    "Assign each mail to one of these matters: Smith, Miller, Jones. Reply with the name of the matter.",
    "Smith, Miller, Jones",
  ],
  [
    "Options: A, B, C, D. Read the question and answer with the letter only. Answer with one of the options.",
    "A, B, C, D",
  ],
  ["Classify its emotion. Respond with one of: joy, anger. Do not include any other text.", "joy, anger"],
  ["The labels are: toxic, fine. Reply with the label that fits best.", "toxic, fine"],
  ["Route the ticket to one of the teams: network, hardware. Answer with the team name.", "network, hardware"],
  ['Say whether the plant is edible. If it is, answer "yes", else answer "no". Labels: yes, no.', "yes, no"],
  [
    "Sort the letter. If it asks for money, generate 'BILL'. If it says thanks, generate 'THANKS'. Answer with one of: BILL, THANKS.",
    "BILL, THANKS",
  ],
  ["Classify the plant as tall or short.\n\nInput: oak\nOutput: tall\n\nInput: moss\nOutput:", "tall, short"],
])("labels are found in: %s", (prompt, labels) => {
  expect(findConstraint(prompt)?.spec).toEqual({ kind: "labels", labels: labels.split(", ") });
});

test.each([
  `Reply with JSON of this schema: ${schema}`,
  `Schema:\n\`\`\`json\n${schema}\n\`\`\`\nAnswer with JSON that fits it.`,
])("the schema of answers is found in: %s", (prompt) => {
  expect(findConstraint(prompt)?.spec).toEqual({ kind: "schema", schema: JSON.parse(schema) as unknown });
});
