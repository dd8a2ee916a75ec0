import { describe, expect, test } from "vitest";
import { METHODS, methods, parseMethods, wrongTask } from "./methods.ts";
import type { TaskFile } from "./task-file.ts";

const task = (name: string, targets: readonly string[], extra: Partial<TaskFile> = {}): TaskFile => ({
  name,
  systemPrompt: `Prompt of ${name}.`,
  examples: Array.from({ length: 6 }, (_, i) => ({ input: `example ${i}`, target: targets[i % targets.length]! })),
  samples: targets.map((target) => ({ input: `to get ${target}`, target })),
  ...extra,
});

describe("methods", () => {
  const one = task("one", ["a", "b"], { systemPrompt: "Say a or b, no more than one letter." });
  const all = [one, task("two", ["c", "d"])];

  test("differ in what the model reads and what made its weights", () => {
    expect(methods.base.ask(one, all)).toEqual({});
    expect(methods.prompted.ask(one, all)).toEqual({ context: one.systemPrompt });
    expect(methods.specialized.ask(one, all)).toEqual({ specializeBy: one.systemPrompt });
    expect(methods["wrong-prompt"].ask(one, all)).toEqual({ specializeBy: "Prompt of two." });
  });

  test("with five shots read the description and five examples, or are made from the examples alone", () => {
    const { context } = methods["prompted-5shot"].ask(one, all);
    expect(context).toMatch(/^Say a or b/);
    expect(context!.match(/^Input: /gm)).toHaveLength(5);
    const { specializeBy } = methods["specialized-5shot"].ask(one, all);
    expect(specializeBy).toMatch(/^Input: example 0\nOutput: a\n\nInput: example 1/);
    expect(specializeBy).not.toContain("Say a or b");
  });

  test("do not show the same examples twice where the prompt consists of them", () => {
    const { specializeBy: examplesOnly } = methods["specialized-5shot"].ask(one, all);
    const already = { ...one, systemPrompt: examplesOnly! };
    expect(methods["prompted-5shot"].ask(already, all)).toEqual({ context: examplesOnly });
  });

  test("that need examples refuse a task without them, naming it", () => {
    for (const method of ["prompted-5shot", "specialized-5shot"] as const)
      expect(() => methods[method].ask({ ...one, examples: [] }, all)).toThrow(
        expect.objectContaining({ code: "E_DATA", message: expect.stringContaining('task "one"') }),
      );
  });

  test("shuffle a prompt's words, always in the same way", () => {
    const { specializeBy } = methods["specialized-shuffled-prompt"].ask(one, all);
    expect(specializeBy).not.toBe(one.systemPrompt);
    expect(specializeBy!.split(" ").sort()).toEqual(one.systemPrompt.split(" ").sort());
    expect(methods["specialized-shuffled-prompt"].ask(one, all)).toEqual({ specializeBy });
  });

  test("draw a random prompt as long as the right one from the words of the others", () => {
    const { specializeBy } = methods["random-prompt"].ask(one, all);
    expect(specializeBy!.split(" ")).toHaveLength(one.systemPrompt.split(" ").length);
    expect(new Set(specializeBy!.split(" "))).toEqual(new Set(["Prompt", "of", "two."]));
    expect(methods["random-prompt"].ask(one, all)).toEqual({ specializeBy });
    expect(() => methods["random-prompt"].ask(one, [one])).toThrow(expect.objectContaining({ code: "E_DATA" }));
  });

  test("are put in the table's order, and a mistyped one is refused with those that exist", () => {
    expect(parseMethods(["specialized", "base", "specialized"])).toEqual(["base", "specialized"]);
    expect(() => parseMethods(["specialised"])).toThrow(/"specialised"/);
    expect(() => parseMethods(["specialised"])).toThrow(METHODS.join(", "));
    expect(() => parseMethods([])).toThrow(expect.objectContaining({ code: "E_USAGE" }));
  });
});

describe("the wrong prompt", () => {
  const bank = {
    call: task("bank-call", ['route("pay_bill")', 'route("balance")']),
    json: task("bank-json", ['{"intent": "pay_bill"}', '{"intent": "balance"}']),
    label: task("bank-label", ["pay_bill", "balance"]),
  };
  const home = task("home-json", ['{"intent": "lights_on"}', '{"intent": "lights_off"}']);
  const yesNo = [task("yes-a", ["yes", "no"]), task("yes-b", ["no", "yes"])] as const;
  const all = [yesNo[1], home, bank.label, yesNo[0], bank.json, bank.call];
  const wrong = (of: TaskFile) => wrongTask(of, all).name;

  test("is never that of a task with the same answers, whatever their format", () => {
    for (const of of [bank.call, bank.json, bank.label]) expect(wrong(of)).toMatch(/^(home|yes)/);
    for (const of of yesNo) expect(wrong(of)).toMatch(/^(bank|home)/);
  });

  test("is drawn from all others, those of the same format included, and is the same in every order of tasks", () => {
    const many = Array.from({ length: 200 }, (_, i) => task(`task-${i}`, [`{"intent": "only-${i}"}`]));
    const drawn = new Set(many.map((of) => wrongTask(of, many).name));
    expect(drawn.size).toBeGreaterThan(100); // 200 draws of 200 hit about 126 different ones
    expect(wrongTask(many[7]!, [...many].reverse())).toBe(wrongTask(many[7]!, many));
  });

  test("counts choices as answers", () => {
    const hidden = task("a-hidden", ["x"], { samples: [{ input: "?", target: "x", choices: ["x", "lights_on"] }] });
    expect(wrongTask(hidden, [hidden, home, bank.json]).name).toBe("bank-json");
  });

  test("is any other where all tasks share answers, and needs a second task", () => {
    expect(wrongTask(bank.label, [bank.label, bank.json]).name).toBe("bank-json");
    expect(() => wrongTask(home, [home])).toThrow(expect.objectContaining({ code: "E_DATA" }));
  });
});
