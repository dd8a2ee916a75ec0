import { existsSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { loadInstructionTasks } from "../../runs/assistant/instruction-tasks.ts";
import { loadAssistantTasks } from "../../runs/assistant/tasks/index.ts";
import { inputKey } from "../../runs/assistant/tasks/make-task.ts";
import { callTarget, intentTarget, jsonTarget } from "../../runs/assistant/tasks/output-format.ts";
import { asWritten } from "../../runs/assistant/tasks/tool-call.ts";
import { wordings } from "../../runs/assistant/tasks/wording.ts";
import { readClinc } from "../../runs/sources/clinc150.ts";
import { createRng } from "../../src/base/rng.ts";
import { familyTask } from "../../src/data/family-task.ts";
import { sampleGroup } from "../../src/data/mixture.ts";
import { TASK_KINDS, type TaskFamily } from "../../src/data/task.ts";
import { loadTokenizer, type Tokenizer } from "../../src/text/tokenizer-file.ts";
import { testTokenizer } from "../support/tiny-pair.ts";

const root = join(import.meta.dirname, "../..");
const data = join(root, "../shared/data");

describe("answers", () => {
  test("are written as bare label, JSON or call", () => {
    expect(intentTarget.label("pay_bill")).toBe("pay_bill");
    expect(JSON.parse(intentTarget.json("pay_bill"))).toEqual({ intent: "pay_bill" });
    expect(intentTarget.call("pay_bill")).toBe('route("pay_bill")');
    expect(
      jsonTarget([
        ["a", 'x"y'],
        ["b", "2"],
        ["a", "later"],
      ]),
    ).toBe('{"a": "x\\"y", "b": "2"}');
    expect(
      callTarget("Find", [
        ["city", "Napa"],
        ["type", "Spa"],
      ]),
    ).toBe('Find(city="Napa", type="Spa")');
  });

  test("quote an argument as the user wrote it, as whole words", () => {
    expect(asWritten("drama", "I like dramatic films, a DRAMA film")).toBe("DRAMA");
    expect(asWritten("4", "room 42 for 4")).toBe("4");
    expect(asWritten("Pop", "popular music")).toBe("");
  });
});

test("wordings are many, all different, and the held-out ones use frames of their own", () => {
  const phrases = {
    roles: ["a clerk", "a guide"],
    actions: ["sort it", "name it"],
    formats: ["Say one word.", "Be brief."],
  };
  const { train, validation, test: tested } = wordings("some-task", phrases);
  const heldOut = [...validation, ...tested];
  expect(train.length).toBeGreaterThanOrEqual(24);
  expect([validation.length, tested.length]).toEqual([2, 2]);
  expect(new Set([...train, ...heldOut]).size).toBe(train.length + 4);
  const frame = (text: string) =>
    [...phrases.roles, ...phrases.actions, ...phrases.formats].reduce(
      (rest, phrase) => rest.replaceAll(new RegExp(phrase, "gi"), "#"),
      text,
    );
  const trained = new Set(train.map(frame));
  for (const text of heldOut) expect(trained).not.toContain(frame(text));
  for (const text of [...train, ...heldOut]) expect(phrases.formats.some((format) => text.includes(format))).toBe(true);
});

describe.skipIf(!existsSync(data))("the assistant's tasks (skipped without ../shared/data)", () => {
  let tasks: TaskFamily[];
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tasks = await loadAssistantTasks(data);
    tokenizer = await loadTokenizer(testTokenizer);
  });

  test("are at least 45 seen ones of all kinds and at least 8 unseen ones", () => {
    const seen = tasks.filter((task) => task.seen);
    expect(seen.length).toBeGreaterThanOrEqual(45);
    expect(tasks.length - seen.length).toBeGreaterThanOrEqual(8);
    expect(new Set(seen.map(({ kind }) => kind))).toEqual(new Set(TASK_KINDS));
    expect(new Set(tasks.map(({ name }) => name)).size).toBe(tasks.length);
  });

  test("each have enough of everything", () => {
    for (const { name, seen, paraphrases, train, validation, test: tested } of tasks) {
      expect(paraphrases.train.length, name).toBeGreaterThanOrEqual(12);
      expect(paraphrases.validation.length, name).toBeGreaterThanOrEqual(2);
      expect(paraphrases.test.length, name).toBeGreaterThanOrEqual(2);
      expect(train.length, name).toBeGreaterThanOrEqual(seen ? 100 : 10);
      expect(validation.length, name).toBeGreaterThanOrEqual(seen ? 10 : 3);
      expect(tested.length, name).toBeGreaterThanOrEqual(30);
    }
  });

  test("no test input of any task is a train or validation input of any task, nor of instruction training", async () => {
    const tested = new Set(tasks.flatMap((task) => task.test.map(({ input }) => inputKey(input))));
    for (const task of [...tasks, ...(await loadInstructionTasks(data, { tested: tasks }))]) {
      const leaked = [...task.train, ...task.validation].filter(({ input }) => tested.has(inputKey(input)));
      expect(
        leaked.map(({ input }) => input),
        task.name,
      ).toEqual([]);
    }
  });

  test("no validation input is a train input of the same task, and no held-out wording is a train wording", () => {
    for (const { name, train, validation, paraphrases } of tasks) {
      const trained = new Set(train.map(({ input }) => inputKey(input)));
      expect(
        validation.filter(({ input }) => trained.has(inputKey(input))),
        name,
      ).toEqual([]);
      expect(
        paraphrases.test.filter((text) => [...paraphrases.train, ...paraphrases.validation].includes(text)),
        name,
      ).toEqual([]);
      expect(
        paraphrases.validation.filter((text) => paraphrases.train.includes(text)),
        name,
      ).toEqual([]);
    }
  });

  test("no row of a held-out domain is read in a seen task", async () => {
    const rows = (await readClinc(data, "train")).filter(({ domain }) => domain === "travel" || domain === "work");
    const heldOut = new Set(rows.map(({ text }) => inputKey(text)));
    expect(heldOut.size).toBeGreaterThan(2900);
    const other = new Set(
      (await readClinc(data, "train"))
        .filter(({ domain }) => domain !== "travel" && domain !== "work")
        .map(({ text }) => inputKey(text)),
    );
    for (const { name, seen, train } of tasks) {
      if (!seen || !/^(clinc|rewrite)/.test(name)) continue;
      expect(
        train.filter(({ input }) => heldOut.has(inputKey(input)) && !other.has(inputKey(input))),
        name,
      ).toEqual([]);
    }
  });

  test("training never draws a held-out wording", () => {
    const heldOut = new Set(
      tasks.flatMap(({ paraphrases: { validation, test: tested } }) => [...validation, ...tested]),
    );
    const rng = createRng(1);
    const limits = { prompt: 192, input: 112, target: 64 };
    for (let i = 0; i < 500; i++) {
      const { prompt } = sampleGroup(tasks, rng, { tokenizer, limits });
      expect(heldOut.has(prompt.split("\n\nInput: ")[0]!)).toBe(false);
    }
  });

  test("choices contain the answer", () => {
    for (const task of tasks)
      for (const { target, choices } of [...task.train, ...task.test]) if (choices) expect(choices).toContain(target);
  });

  test("prompts are mostly short", () => {
    const lengths = tasks.flatMap(({ paraphrases }) => paraphrases.train.map((text) => tokenizer.encode(text).length));
    expect(lengths.filter((length) => length > 120).length / lengths.length).toBeLessThan(0.1);
  });

  test("a task file has a held-out wording, train examples and test samples, the same for the same seed", () => {
    const task = tasks.find(({ name }) => name === "clinc-banking-json")!;
    const file = familyTask(task, { split: "test", samples: 20, seed: 2 });
    expect(file).toEqual(familyTask(task, { split: "test", samples: 20, seed: 2 }));
    expect(task.paraphrases.test).toContain(file.systemPrompt);
    expect(file.examples).toHaveLength(5);
    const inputs = (list: readonly { input: string }[]) => new Set(list.map(({ input }) => input));
    for (const { input } of file.examples) expect(inputs(task.train)).toContain(input);
    expect(file.samples).toHaveLength(20);
    for (const { input } of file.samples) expect(inputs(task.test)).toContain(input);
    const shots = familyTask(task, { split: "test", samples: 1, seed: 2, prompt: "examples" }).systemPrompt;
    expect(shots.match(/^Input: /gm)).toHaveLength(5);
  });
});
