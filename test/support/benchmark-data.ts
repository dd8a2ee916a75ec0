/** @file Made-up rows in the form of every published data set, written into a folder. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const numbers = Array.from({ length: 30 }, (_, i) => i);

const choiceRow = (kind: string) => (i: number) => ({
  id: `${kind}-${i}`,
  question: `Which ${kind} number follows ${i}?`,
  choices: [`the ${kind} ${i + 1}`, `the ${kind} ${i - 1}`, "none"],
  label: i % 3,
});

const rows: Readonly<Record<string, (i: number) => object>> = {
  "arc_challenge/test": choiceRow("hard"),
  "arc_challenge/train": choiceRow("harder"),
  "arc_easy/test": choiceRow("easy"),
  "arc_easy/train": choiceRow("easier"),
  "openbookqa/test": choiceRow("open"),
  "openbookqa/train": choiceRow("opener"),
  "openbookqa/dev": choiceRow("opened"),
  "boolq/test": (i) => ({ question: `is ${i} even`, passage: `${i} is a number.`, answer: i % 2 === 0 }),
  "boolq/train": (i) => ({
    question: `is ${i} odd`,
    passage: i % 2 === 0 ? null : `${i} is a numeral.`,
    answer: i % 2 === 1,
  }),
  "social_iqa/test": (i) => ({
    context: `Kim gave Bo ${i} apples.`,
    question: "How does Bo feel?",
    answerA: "glad",
    answerB: i === 0 ? "glad" : "sad",
    answerC: "late",
    label: 1 + (i % 3),
  }),
  "hellaswag/test_activitynet": (i) => ({
    activity_label: "Baking",
    ctx: `Dough number ${i} lies on a table. the baker`,
    endings: ["rolls it.", "sings.", "sleeps.", "leaves."],
    label: i % 4,
  }),
  "winogrande/test": (i) => ({
    sentence: `Ann passed Ben ${i} letters because _ was at the post office.`,
    option1: "Ann",
    option2: "Ben",
    answer: i % 2 === 0 ? "1" : "2",
  }),
  "gsm8k/test": (i) => ({
    question: `What is ${i} plus 1?`,
    answer: `${i}+1 = <<${i}+1=${i + 1}>>${i + 1}\n#### ${i + 1}`,
  }),
  "gsm8k/train": (i) => ({
    question: `What is ${i} plus 2?`,
    answer: `It is <<${i}+2=${i + 2}>>${i + 2}.\n#### ${i + 2}`,
  }),
  "math/test": (i) => ({ context: `Half of $${2 * i + 1}$?`, answer: `\\frac{${2 * i + 1}}{2}` }),
  "mbpp/test": (i) => ({
    text: `Write a function that adds ${i}.`,
    code: `def add(x):\r\n    return x + ${i}`,
    test_setup_code: "",
    test_list: [`assert add(1) == ${i + 1}`],
  }),
  "mbpp/train": (i) => ({
    text: `Write a function that takes ${i} away.`,
    code: `def take(x):\r\n    return x - ${i}`,
    test_setup_code: "",
    test_list: [`assert take(1) == ${1 - i}`],
  }),
  "humaneval/test": (i) => ({
    prompt: `from math import floor\n\n\ndef down(x):\n    """ The whole part of x, plus ${i}. """\n`,
    entry_point: "down",
    test: `def check(candidate):\n    assert candidate(1.5) == ${i + 1}\n`,
  }),
  "gpt4tools/test": (i) => ({
    instruction: `TOOLS:\n> Tool ${i % 5}: useful.\n\nPrevious conversation:\n\nNew input: use it on ${i}.png\n`,
    output: `Thought: Do I need to use a tool? Yes\nAction: Tool ${i % 5}\nAction Input: example.png\nObservation: done\n\n`,
  }),
  "piqa/test": (i) => ({ goal: `Carry ${i} eggs.`, sol1: "Use a basket.", sol2: "Use a sieve.", label: i % 2 }),
};

/** 30 rows a file. Files of unseen tasks' training sets are there too, and no reader survives them. */
export function writeBenchmarkData(folder: string): void {
  const write = (path: string, text: string) => {
    const file = join(folder, `${path}.jsonl`);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, text);
  };
  for (const [path, rowOf] of Object.entries(rows))
    write(path, numbers.map((i) => JSON.stringify(rowOf(i))).join("\n"));
  const instructions = numbers.map((i) => ({
    instruction: `You are clerk ${i}. Say what ${i} plus 1 is.`,
    input: "",
    response: i === 7 ? "long ".repeat(200) : String(i + 1),
  }));
  mkdirSync(join(folder, "gpteacher_roleplay"), { recursive: true });
  const packed = gzipSync(instructions.map((row) => JSON.stringify(row)).join("\n"));
  writeFileSync(join(folder, "gpteacher_roleplay/train.jsonl.gz"), packed);
  for (const unseen of ["winogrande", "piqa", "hellaswag", "social_iqa"]) write(`${unseen}/train`, "not to be read");
}
