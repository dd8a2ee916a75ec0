import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeBenchmarkData } from "../../../test/support/benchmark-data.ts";
import { createCodeRunner } from "../run-code.ts";
import { codeRun } from "../scorers/code-run.ts";
import { scorersOf } from "../scorers/table.ts";
import { readSplit } from "./rows.ts";
import { benchmarkTasks, suites } from "./suites.ts";
import { BENCHMARKS, type BenchmarkName, benchmarks } from "./table.ts";

const data = mkdtempSync(join(tmpdir(), "published-tasks-"));
beforeAll(() => writeBenchmarkData(data));
afterAll(() => rmSync(data, { recursive: true }));

const tasksOf = (suite: string, options: object = {}) => benchmarkTasks(suites.get(suite)!, { data, ...options });
const reasoning = BENCHMARKS.filter((name) => benchmarks[name].kind === "reasoning");
const unseen = reasoning.filter((name) => benchmarks[name].files.train === undefined);

/** The prompts of lm-evaluation-harness 0.4 and of MixLoRA, for a row of each data set. */
const prompts: Partial<Record<BenchmarkName, readonly [continuation: RegExp, letters: RegExp]>> = {
  "arc-c": [
    /^Question: Which hard number follows \d+\?\nAnswer:$/,
    /^Please choose .* question: .*\? \(A\) the hard \d+ \(B\) .* \(C\) none\nAnswer:$/,
  ],
  "arc-e": [
    /^Question: Which easy number follows \d+\?\nAnswer:$/,
    /\? \(A\) the easy \d+ \(B\) .* \(C\) none\nAnswer:$/,
  ],
  openbookqa: [/^Which open number follows \d+\?$/, /\? \(A\) the open \d+ \(B\) .* \(C\) none\nAnswer:$/],
  boolq: [
    /^\d+ is a number\.\nQuestion: is \d+ even\?\nAnswer:$/,
    /^Please answer .* true or false: is \d+ even\?\nAnswer:$/,
  ],
  "social-iqa": [
    /^Q: Kim gave Bo \d+ apples\. How does Bo feel\?\nA:$/,
    /\nQuestion: Kim .*\n\(A\) glad\n\(B\) (sad|glad)\n\(C\) late\nAnswer:$/,
  ],
  hellaswag: [
    /^Baking: Dough number \d+ lies on a table\. The baker$/,
    /\nSentence: Baking\. Dough .*\. the baker\n\(A\) rolls it\.\n/,
  ],
  winogrande: [
    /^Ann passed Ben \d+ letters because _ was at the post office\.$/,
    /\nSentence: Ann .* _ .*\n\(A\) Ann\n\(B\) Ben\nAnswer:$/,
  ],
  piqa: [
    /^Question: Carry \d+ eggs\.\nAnswer:$/,
    /\nCarry \d+ eggs\.\n\n\(A\) Use a basket\.\n\(B\) Use a sieve\.\n\nCorrect solution:$/,
  ],
};

test("each of the eight asks in the words of lm-evaluation-harness, and with letters in MixLoRA's", async () => {
  const asked = await tasksOf("reasoning");
  const letters = await tasksOf("reasoning-letters");
  expect(asked.map(({ name }) => name)).toEqual(reasoning);
  expect(Object.keys(prompts)).toEqual(reasoning);
  expect(letters.map(({ name }) => name)).toEqual(reasoning.map((name) => `${name}-letters`));
  for (const [i, name] of reasoning.entries())
    for (const [form, task] of [asked[i]!, letters[i]!].entries()) {
      for (const { input } of task.samples) expect(input).toMatch(prompts[name]![form]!);
      for (const { input } of task.examples) expect(input).not.toBe("");
      expect(task).toMatchObject({ citation: expect.stringMatching(/\d{4}/) as unknown, version: 1, seed: 1 });
      expect(scorersOf(task)[0]).toBe("choice");
    }
});

test("the letter of a row and the text of its answer are one choice", async () => {
  const [[text], [letters]] = [await tasksOf("arc-c"), await tasksOf("arc-c-letters")];
  for (const [i, { target, choices }] of text!.samples.entries())
    expect(letters!.samples[i]!.target).toBe("ABC"[choices!.indexOf(target)]);
});

test("fewer items are the first of more; a seed draws other examples in front of the same items", async () => {
  const [few] = await tasksOf("piqa", { items: 4 });
  const seeds = await tasksOf("piqa", { seeds: [1, 2] });
  expect(few!.samples).toEqual(seeds[0]!.samples.slice(0, 4));
  expect(seeds[1]!.samples).toEqual(seeds[0]!.samples);
  expect(seeds[1]!.examples.length).toBeGreaterThan(3);
  expect(seeds[1]!.examples).not.toEqual(seeds[0]!.examples);
  expect(await tasksOf("piqa", { seeds: [2] })).toEqual([seeds[1]]);
});

describe("no leak", () => {
  test.each(unseen)("%s: its training set is never read, whatever is asked of it", async (name) => {
    await expect(readSplit(name, benchmarks[name], "train", data)).rejects.toMatchObject({ code: "E_DATA" });
    const [task] = await tasksOf(name); // the made-up training files end every reader
    const asked = new Set(task!.samples.map(({ input, choices }) => JSON.stringify([input, choices])));
    expect(asked.size).toBeGreaterThan(15);
    const rest = await tasksOf(name, { split: "validation" });
    for (const { input, choices } of rest[0]!.samples) expect(asked).not.toContain(JSON.stringify([input, choices]));
  });

  test.each(reasoning)("%s: its splits share no row, and examples are none of the items", async (name) => {
    const one = benchmarks[name];
    const splits = unseen.includes(name)
      ? (["validation", "test"] as const)
      : (["train", "validation", "test"] as const);
    const rows = await Promise.all(splits.map((split) => readSplit(name, one, split, data)));
    const all = rows.flat().map((row) => JSON.stringify(row));
    expect(new Set(all).size).toBe(all.length);
    for (const split of rows) expect(split.length).toBeGreaterThan(0);
    const [task] = await tasksOf(name);
    const asked = new Set(task!.samples.map(({ input }) => input));
    for (const { input } of task!.examples) expect(asked).not.toContain(input);
  });

  test("a row of the test set that stands in the training set too is not learnt from", async () => {
    const leaky = mkdtempSync(join(tmpdir(), "leaky-"));
    writeBenchmarkData(leaky);
    const row = { question: "a?", choices: ["b", "c"], label: 0 };
    for (const file of ["test", "train"])
      writeFileSync(
        join(leaky, "arc_easy", `${file}.jsonl`),
        [row, { ...row, question: `${file}?` }].map((one) => JSON.stringify(one)).join("\n"),
      );
    const kept = [
      ...(await readSplit("arc-e", benchmarks["arc-e"], "train", leaky)),
      ...(await readSplit("arc-e", benchmarks["arc-e"], "validation", leaky)),
    ];
    expect(kept).toEqual([{ ...row, question: "train?" }]);
    rmSync(leaky, { recursive: true });
  });
});

test("data that is missing is named, with where it may be had; a row of another form by its place", async () => {
  await expect(benchmarkTasks(suites.get("arc-e")!, { data: join(data, "none") })).rejects.toMatchObject({
    code: "E_NOT_FOUND",
    message: expect.stringMatching(
      /arc_easy\/test\.jsonl\.gz.*https:\/\/huggingface\.co\/datasets\/allenai\/ai2_arc/,
    ) as unknown,
  });
  const broken = mkdtempSync(join(tmpdir(), "broken-"));
  writeBenchmarkData(broken);
  writeFileSync(join(broken, "piqa/test.jsonl"), '{"goal": "a", "sol1": "b", "sol2": "c", "label": 2}');
  await expect(benchmarkTasks(suites.get("piqa")!, { data: broken })).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringContaining("row 1") as unknown,
  });
  rmSync(broken, { recursive: true });
});

test("examples of programs are programs, and a target that tests one runs the answer in the place of its function", async () => {
  const { run } = await createCodeRunner("python3");
  const passes = async ({ target }: { target: string }, answer: string) =>
    (await run(codeRun.programOf({ target, answer, finish: "stop" }))).passed;
  const [mbpp] = await tasksOf("mbpp");
  expect(mbpp!.examples[0]!.target).toMatch(/^def take\(x\):\n {4}return x - \d+$/);
  const [item] = mbpp!.samples;
  const added = /adds (\d+)/.exec(item!.input)![1]!;
  expect(await passes(item!, `\`\`\`python\ndef add(x):\n    return x + ${added}\n\`\`\``)).toBe(true);
  const [humaneval] = await tasksOf("humaneval");
  expect(humaneval!.examples).toEqual([]);
  const [down] = humaneval!.samples;
  const plus = /plus (\d+)/.exec(down!.input)![1]!;
  expect(await passes(down!, `def down(x):\n    return floor(x) + ${plus}`)).toBe(true);
  expect(await passes(down!, "def down(x):\n    return x")).toBe(false);
});

test("each system prompt of GPT4Tools is a task of its own, and all items are asked", async () => {
  const tasks = await tasksOf("gpt4tools");
  expect(tasks).toHaveLength(5);
  expect(new Set(tasks.map(({ name }) => name)).size).toBe(5);
  for (const { systemPrompt, samples } of tasks) {
    expect(samples).toHaveLength(6);
    const [, tool] = /^TOOLS:\n> (Tool \d): useful\.$/.exec(systemPrompt)!;
    for (const { input, target } of samples) {
      expect(input).toMatch(/^Previous conversation:\n\nNew input: use it on \d+\.png$/);
      expect(target).toContain(`Action: ${tool}\n`);
    }
  }
});

test("the marks of GSM8K's calculator are in no solution; MATH has no examples", async () => {
  const [gsm8k] = await tasksOf("gsm8k");
  for (const { target } of [...gsm8k!.samples, ...gsm8k!.examples]) expect(target).toMatch(/^[^<>]*\n#### \d+$/);
  expect((await tasksOf("math"))[0]).toMatchObject({ examples: [], samples: { length: 30 } });
});

const published = resolve(import.meta.dirname, "../../../../shared/data");
const missing = !existsSync(published);
describe.skipIf(missing)(missing ? `published rows (skipped: ${published} is absent)` : "published rows", () => {
  test("all items of each of the eight on request; a fifth of unseen tasks' rows is kept back", async () => {
    const tasks = await benchmarkTasks(suites.get("reasoning")!, { data: published, items: 1e6 });
    expect(Object.fromEntries(tasks.map(({ name, samples }) => [name, samples.length]))).toEqual({
      "arc-c": 1172,
      "arc-e": 2376,
      openbookqa: 500,
      boolq: 3270,
      "social-iqa": 1562,
      hellaswag: 2614,
      winogrande: 1018,
      piqa: 1492,
    });
    for (const { examples } of tasks) expect(examples).toHaveLength(20);
    const written: Record<string, number> = {};
    for (const name of ["gpt4tools", "math", "mbpp", "humaneval"] as const) {
      const found = await benchmarkTasks(suites.get(name)!, { data: published, items: 1e6 });
      written[name] = found.reduce((sum, { samples }) => sum + samples.length, 0);
    }
    expect(written).toEqual({ gpt4tools: 652, math: 5000, mbpp: 500, humaneval: 164 });
  });
});
