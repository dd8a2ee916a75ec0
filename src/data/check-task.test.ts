import { expect, test } from "vitest";
import { underivable } from "./check-task.ts";
import { EvalTask, type EvalTaskInput } from "./eval-task.ts";

const faults = (changes: Partial<EvalTaskInput>): string[] =>
  underivable(
    EvalTask.parse({ name: "t", systemPrompt: "Answer.", samples: [{ input: "a", target: "b" }], ...changes }),
  );

test("a closed list needs every label in the prompt, by itself and spelled as it is", () => {
  const samples = [{ input: "a", target: "card" }];
  const labels = ["card", "credit_card", "lost"];
  expect(faults({ labels, samples, systemPrompt: "Choose from: card, credit_card, lost." })).toEqual([]);
  expect(faults({ labels, samples, systemPrompt: "Choose from: credit_card, Lost." })).toEqual([
    'the label "card" is not in the prompt',
    'the label "lost" is not in the prompt',
  ]);
});

test("a label in JSON or in a call needs what it quotes", () => {
  const labels = ['{"intent": "pay_bill"}', '{"intent": "balance"}'];
  const samples = [{ input: "a", target: labels[0]! }];
  expect(faults({ labels, samples, systemPrompt: 'Reply as {"intent": "…"} with pay_bill or balance.' })).toEqual([]);
  expect(faults({ labels, samples, systemPrompt: "Say pay_bill or balance." })).toEqual([
    'the label "intent" is not in the prompt',
  ]);
});

test("a label with signs around it needs what stands between them", () => {
  const samples = [{ input: "a", target: "[dog]" }];
  const labels = ["[dog]", "Result: red cat"];
  expect(faults({ labels, samples, systemPrompt: 'dog in brackets, or red cat behind "Result: ".' })).toEqual([]);
  expect(faults({ labels, samples, systemPrompt: "dog in brackets, or a cat that is red." })).toEqual([
    'the label "Result" is not in the prompt',
    'the label "red cat" is not in the prompt',
  ]);
});

test("a sample's own choices may stand in its input", () => {
  const sample = { input: "Which?\nA. one\nB. two", target: "A", choices: ["A", "B"] };
  expect(faults({ samples: [sample] })).toEqual([]);
  expect(faults({ samples: [{ ...sample, choices: ["A", "C"] }] })).toEqual([
    'the choice "C" is neither in the prompt nor in the input',
  ]);
});

test("calls need their functions and parameters, as JSON and as text", () => {
  const systemPrompt = "Functions: find_bus(origin, day).";
  expect(faults({ systemPrompt, samples: [{ input: "a", target: 'find_bus(origin="Bonn", day=2)' }] })).toEqual([]);
  const json = '{"name": "find_train", "arguments": {"origin": "Bonn", "seats": 2}}';
  expect(faults({ systemPrompt, samples: [{ input: "a", target: json }] })).toEqual([
    'the function "find_train" is not in the prompt',
    'the parameter "seats" is not in the prompt',
  ]);
});

test("answers in JSON need their keys, nested ones too, but not their values", () => {
  const samples = [{ input: "a", target: '{"words": 3, "of": [{"text": "a b c"}]}' }];
  expect(faults({ samples, systemPrompt: "Reply in JSON with words and of, a list of text." })).toEqual([]);
  expect(faults({ samples, systemPrompt: "Reply in JSON with words." })).toEqual([
    'the key "of" is not in the prompt',
    'the key "text" is not in the prompt',
  ]);
});

test("free text, and an answer that happens to be JSON among others, need nothing", () => {
  expect(
    faults({
      samples: [
        { input: "a", target: "(b)" },
        { input: "b", target: '{"x": 1}' },
      ],
    }),
  ).toEqual([]);
});
