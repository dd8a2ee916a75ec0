/** @file Configurations of all trainings, and the rows they read. */
import { expect, test } from "vitest";
import { createRng } from "../../src/base/rng.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../../src/text/prompt.ts";
import { TrainConfig } from "../../src/train/recipes/table.ts";
import { apart, bestConstant, spread } from "./draw.ts";
import { divided } from "./tasks/task.ts";
import { yesOrNo } from "./tasks/yes-or-no.ts";
import { SKILLS, tasks, UNSEEN } from "./tasks.ts";
import { configOf, nameOf, stepsOf, TRAININGS } from "./trainings.ts";

const place = { edge: "edge", layout: SPECIAL_TOKEN_LAYOUT, data: "data", output: "out" };

test("every training has a name of its own and a configuration that is accepted as it stands", () => {
  const names = TRAININGS.map(nameOf);
  expect(new Set(names).size).toBe(names.length);
  for (const training of TRAININGS) {
    const config = TrainConfig.parse(configOf(training, "hours", place));
    expect(config.steps).toBe(stepsOf(training, "hours"));
    expect(config.optimizer.schedule).toBe("constant");
  }
});

test("budgets change how long a training is, and nothing of what it reads or learns", () => {
  const [training] = TRAININGS;
  const { steps: few, validateEvery: _, ...short } = configOf(training!, "minutes", place);
  const { steps: many, validateEvery: __, ...long } = configOf(training!, "full", place);
  expect(few).toBeLessThan(many);
  expect(short).toEqual(long);
});

test("every question says in what form it is to be answered, and skills are named in the order of their folder", () => {
  for (const { form, labels } of Object.values(tasks)) {
    expect(form).toMatch(/^Answer .*\.$/);
    for (const label of labels ?? []) expect(form).toContain(label);
  }
  expect([...SKILLS].sort()).toEqual(SKILLS);
  expect(UNSEEN.every((name) => !(SKILLS as readonly string[]).includes(name))).toBe(true);
});

const example = (input: string, target = "x") => ({ input, target });

test("no question stands in two splits, whatever its case and white space: the test keeps it", () => {
  const splits = apart(
    {
      train: [example("a b"), example("A  b"), example("c"), example("d"), example("d")],
      validation: [example("C "), example("e")],
      test: [example("e"), example("A B")],
    },
    createRng(1),
  );
  const inputs = Object.fromEntries(Object.entries(splits).map(([name, rows]) => [name, rows.map((r) => r.input)]));
  expect(inputs).toEqual({ train: ["d"], validation: ["C "], test: expect.arrayContaining(["e", "A B"]) as unknown });
});

test("a divided split is the same each time, whole, and nothing of it is in both parts", () => {
  const rows = Array.from({ length: 30 }, (_, i) => i);
  const part = (split: "train" | "validation") => divided(rows, split, createRng("task"));
  expect(part("validation")).toEqual(part("validation"));
  expect(part("validation")).toHaveLength(3);
  expect([...part("train"), ...part("validation")].sort((a, b) => a - b)).toEqual(rows);
});

test("examples show each answer before any twice", () => {
  const rows = [example("1", "a"), example("2", "a"), example("3", "a"), example("4", "b"), example("5", "c")];
  expect(spread(rows, 4).map(({ target }) => target)).toEqual(["a", "b", "c", "a"]);
});

test("the best constant answer is the commonest target", () => {
  expect(bestConstant([example("1", "no"), example("2", "yes"), example("3", "yes")])).toEqual({
    answer: "yes",
    share: 2 / 3,
  });
});

test("of a message yes and no are asked once each, and no asks about another topic", () => {
  const messages = [
    { text: "it rains", topic: "weather" },
    { text: "play it", topic: "music" },
    { text: "dine", topic: "food" },
  ];
  const rows = yesOrNo(messages, { yes: "Y", no: "N" }, createRng(2));
  expect(bestConstant(rows).share).toBe(0.5);
  for (const { text, topic } of messages) {
    const own = rows.filter(({ input }) => input.includes(text));
    expect(own.map(({ target }) => target)).toEqual(["Y", "N"]);
    expect(own[0]!.input).toContain(topic);
    expect(own[1]!.input).not.toContain(topic);
  }
});
