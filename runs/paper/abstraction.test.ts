import { expect, test } from "vitest";
import { abstract, type Instruction } from "./abstraction.ts";

const one = (instruction: string, input = "", response = "An answer."): Instruction => ({
  instruction,
  input,
  response,
});
const first = (instruction: string) => {
  const { episodes, counts } = abstract([one(instruction)]);
  const [episode] = episodes;
  return episode && [Object.keys(counts)[0], episode.prompt, episode.queries[0]!.input];
};

test.each([
  [
    "You are a pirate captain. Your crew has spotted a ship, what do you do?",
    ["a role, then a task", "You are a pirate captain.", "Your crew has spotted a ship, what do you do?"],
  ],
  [
    "Imagine you are Dr. Watson. Describe the room of J. Moriarty.",
    ["a role, then a task", "Imagine you are Dr. Watson.", "Describe the room of J. Moriarty."],
  ],
  [
    "Translate the sentence into French: Where is the station?",
    ["behind a colon", "Translate the sentence into French.", "Where is the station?"],
  ],
  [
    'Correct the grammar of "he go to school" and say why.',
    ["in quotes", "Correct the grammar of what the user writes and say why.", "he go to school"],
  ],
  [
    "Write a short poem about the sea.",
    ["a text about something", "Write a short poem about what the user names.", "the sea"],
  ],
  ["What is the capital of France?", undefined],
  ["You are tired.", undefined],
  ["", undefined],
])("%j is abstracted to %j", (instruction, wanted) => expect(first(instruction)).toEqual(wanted));

test("an instruction with an input of its own is a prompt as it is, and inputs of one prompt stand together", () => {
  const { episodes, counts } = abstract([
    one("Name the mood.", "I won!", "joy"),
    one("Sing."),
    one("Name the mood.", "I lost.", "grief"),
  ]);
  expect(episodes.map(({ prompt, queries }) => [prompt, queries.map(({ input }) => input)])).toEqual([
    ["Name the mood.", ["I won!", "I lost."]],
  ]);
  expect(counts["an input of its own"]).toBe(2);
});

test("every instruction is counted once, dropped ones by their reason", () => {
  const { episodes, counts } = abstract([
    one("What is the capital of France?"),
    one("Name the mood.", "I won!", "  "),
    one("Name the mood.", "x".repeat(1201)),
    one("Name the mood.", "I won!"),
  ]);
  expect(episodes).toHaveLength(1);
  expect(counts).toEqual({
    "dropped: no rule fits": 1,
    "dropped: no output": 1,
    "dropped: too long": 1,
    "an input of its own": 1,
  });
});
