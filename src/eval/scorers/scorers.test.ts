import { describe, expect, test } from "vitest";
import { runsAnswers, SCORERS, type ScorerName, scoreLine, scorers, scorersOf } from "./table.ts";

type Pure = Exclude<ScorerName, "code-run">;
const pure = SCORERS.filter((name): name is Pure => !runsAnswers(name));

const score = (name: Pure, answer: string, target: string, more: object = {}): number =>
  scorers[name].score({ answer, target, finish: "stop", ...more }).score;

test("every scorer gives 1 for the target itself where it can read it, and a reason with each number", () => {
  const targets: Partial<Record<ScorerName, string>> = {
    "first-number": "3 cats",
    "last-number": "so 4 #### 3",
    gpt4tools: "Thought: Do I need to use a tool? No\nAI: hello",
    "gpt4tools-thought": "Thought: Do I need to use a tool? No\nAI: hello",
    "gpt4tools-action": "Action: Draw\nAction Input: a.png",
    "gpt4tools-arguments": "Action: Draw\nAction Input: a.png",
    "gpt4tools-success": "Thought: Do I need to use a tool? No\nAI: hello",
    "gpt4tools-iou": "Thought: Do I need to use a tool? No\nAI: hello",
    "json-equal": '{"a": 1}',
    "function-name": "f(x=1)",
    "function-call": "f(x=1)",
    regex: "abc",
    letter: "B",
  };
  for (const name of pure) {
    const target = targets[name] ?? "some words";
    const chosen = { choices: ["A", "B", "some words"], logLikelihoods: [-9, -9, -1] };
    const { score: points, reason } = scorers[name].score({ answer: target, target, finish: "stop", ...chosen });
    expect({ name, points }).toEqual({ name, points: 1 });
    expect(reason).not.toBe("");
  }
});

// Each case has the reason beside it.
const cases: [Pure, answer: string, target: string, wanted: number][] = [
  ["exact", " blue\n", "blue", 1], // white space around does not matter
  ["exact", "Blue", "blue", 0], // case does
  ["exact", "bl ue", "blue", 0],
  ["normalized", "The Blue, house.", "blue house", 1], // articles, case and punctuation do not matter
  ["normalized", "theblue", "the blue", 0], // an article is a word
  ["first-number", "about 1,250.50 euros, or 3", "1250.5", 1],
  ["first-number", "−4", "-4", 1], // a minus sign and a hyphen
  ["first-number", "25", "5", 0], // "25" ends with "5" as a text, but 25 is not 5
  ["first-number", "none", "5", 0],
  ["first-word", "No, they do not.", "no", 1], // case, and what follows, do not matter
  ["first-word", '"B"', "B", 1],
  ["first-word", "Not", "no", 0], // a word is whole
  ["first-word", "…", "no", 0],
  ["first-word", "no", "?", 0], // nothing to say
  ["last-number", "5 and 3 is 8 #### 8\n", "3+5=8\n#### 8", 1],
  ["last-number", "#### 1,250 dollars for 3 people", "#### 1250", 1], // behind the mark, not the last one
  ["last-number", "so she has 18 eggs.", "#### 18", 1], // no mark: the last number
  ["last-number", "18, which is 9 + 9", "#### 18", 0],
  ["math-answer", "Thus \\boxed{\\dfrac{1}{2}}.", "\\frac12", 1], // spellings of one fraction
  ["math-answer", "\\boxed{\\text{x} + \\sqrt{2}}", "\\text{x}+\\sqrt2", 1], // braces inside
  ["math-answer", "So the answer is $3/4$.", "\\frac{3}{4}", 1],
  ["math-answer", "\\boxed{90^\\circ}", "90", 1],
  ["math-answer", "\\boxed{12\\text{ cm}}", "12", 1], // units
  ["math-answer", "\\boxed{5} no, \\boxed{6}", "5", 0], // the last one counts
  ["math-answer", "\\boxed{(1,2)}", "(2,1)", 0],
  ["json-equal", '{"b": [1, 2], "a": "x"}', '{"a":"x","b":[1,2]}', 1], // order of keys does not matter
  ["json-equal", '{"a": [2, 1]}', '{"a": [1, 2]}', 0], // order of a list does
  ["json-equal", '{"a": 1', '{"a": 1}', 0],
  ["json-equal", "1", '"1"', 0],
  ["function-name", 'find(a="x")', 'find(b="y")', 1],
  ["function-name", "find", "find()", 0], // no call
  ["function-name", '{"name": "find", "arguments": {}}', "find(a=1)", 1], // the two ways to write a call
  ["function-call", "find(b='y, z', a=1)", 'find(a=1, b="y, z")', 1], // order and quotes do not matter
  ["function-call", "find(a=1)", 'find(a="1")', 0], // a number is not a text
  ["function-call", 'find(a=[1, {"b": ")"}])', 'find(a=[1,{"b":")"}])', 1],
  ["function-call", '{"function": "find", "parameters": {"a": 1}}', "find(a=1)", 1],
  ["function-call", "find(a=1, b=2)", "find(a=1)", 0],
  ["set-overlap", "red, blue", "Blue; red", 1],
  ["set-overlap", '["red", "green"]', "red\nblue", 0.5], // one of two in common, both ways
  ["set-overlap", "red", "red, blue, green", 0.5], // precision 1, recall 1/3
  ["set-overlap", "black", "white", 0],
  ["regex", "route 66", "route \\d+", 1],
  ["regex", "route 66 east", "route \\d+", 0], // the whole answer has to match
  ["regex", "x", "(", 0], // a pattern that is none
];
test.each(cases)("%s gives %j for %j: %d", (name, answer, target, wanted) => {
  expect(score(name, answer, target)).toBeCloseTo(wanted, 12);
});

test("an answer that was cut off is not exact, even where it spells the target so far", () => {
  expect(score("exact", "blue", "blue", { finish: "length" })).toBe(0);
});

test("a regular expression that never ends is stopped", () => {
  const { score: points, reason } = scorers.regex.score({
    answer: `${"a".repeat(40)}b`,
    target: "(a+)+$",
    finish: "stop",
  });
  expect(points).toBe(0);
  expect(reason).toContain("failed");
});

describe("choices", () => {
  const choices = ["é", "a much longer choice", "no"];
  const asked = (logLikelihoods: number[], target: string) => ({ choices, logLikelihoods, target });

  test("are compared by the whole sum, per byte or per character", () => {
    // sums −2, −6, −3; per byte −1, −0.3, −1.5; per character −2, −0.3, −1.5
    const { logLikelihoods } = asked([-2, -6, -3], "");
    expect(score("choice", "", "é", { choices, logLikelihoods })).toBe(1);
    expect(score("choice-per-byte", "", choices[1]!, { choices, logLikelihoods })).toBe(1);
    const two = { choices: ["é", "no"], logLikelihoods: [-2.6, -3] }; // é has two bytes and one character
    expect(score("choice-per-byte", "", "é", two)).toBe(1);
    expect(score("choice-per-character", "", "no", two)).toBe(1);
  });

  test("take the first among equals", () => {
    expect(score("choice", "", "é", { choices, logLikelihoods: [-1, -1, -1] })).toBe(1);
  });

  test("may be answered by letter", () => {
    const letters = (answer: string) => score("letter", answer, choices[1]!, { choices });
    expect(["B", "B.", "(B) because", "A", "Because", "", "b"].map(letters)).toEqual([1, 1, 1, 0, 0, 0, 0]);
  });

  test("that were not given score 0 and say so", () => {
    expect(scorers.choice.score({ answer: "x", target: "x", finish: "stop" })).toEqual({
      score: 0,
      reason: "no choices were given",
    });
  });
});

describe("a task's scorers", () => {
  const task = {
    name: "t",
    stratum: "s",
    kind: "k",
    systemPrompt: "p",
    examples: [],
    samples: [{ input: "a", target: "b" }],
  };

  test("are those it names, the first one counting, else by likelihood or exact", async () => {
    expect(scorersOf(task)).toEqual(["exact"]);
    expect(scorersOf({ ...task, labels: ["b", "c"] })).toEqual(["choice", "choice-per-byte"]);
    expect(scorersOf({ ...task, scorer: "regex" })).toEqual(["regex"]);
    const scorers = ["function-call", "function-name"];
    const names = scorersOf({ ...task, scorers });
    expect(names).toEqual(scorers);
    expect(await scoreLine({ answer: "f(a=1)", target: "f(a=2)", finish: "stop" }, names)).toEqual({
      scorer: "function-call",
      scores: {
        "function-call": { score: 0, reason: "other arguments" },
        "function-name": { score: 1, reason: "equal" },
      },
    });
    expect(() => scorersOf({ ...task, scorer: "constructor" })).toThrow(expect.objectContaining({ code: "E_DATA" }));
  });

  test("give a question that failed 0, with what went wrong", async () => {
    const failed = {
      answer: null,
      target: "b",
      finish: "failed",
      error: { code: "E_LIMIT", message: "too long" },
    } as const;
    expect((await scoreLine(failed, ["exact"])).scores).toEqual({ exact: { score: 0, reason: "too long" } });
  });
});
