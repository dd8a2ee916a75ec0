import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { storedLlama } from "../../test/support/stored-llama.ts";
import { smallTokenizer, talkativeModel } from "../../test/support/talkative-model.ts";
import type { EvalTask } from "../data/eval-task.ts";
import { writeExpert } from "../svf/expert-file.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { withControls } from "./controls.ts";
import type { Subject } from "./method.ts";
import { METHODS, methods, parseMethods } from "./table.ts";

const task = (name: string, targets: readonly string[], extra: Partial<EvalTask> = {}): EvalTask => ({
  name,
  stratum: "tasks",
  kind: "routing",
  systemPrompt: `Prompt of ${name}.`,
  examples: Array.from({ length: 6 }, (_, i) => ({ input: `example ${i}`, target: targets[i % targets.length]! })),
  samples: targets.map((target) => ({ input: `to get ${target}`, target })),
  ...extra,
});

const plain: Subject = {
  name: "talker",
  sha256: "0",
  model: talkativeModel(1),
  tokenizer: smallTokenizer,
  layout: SPECIAL_TOKEN_LAYOUT,
};
/** Remembers by which prompt it was specialised last. */
const generated = { by: "" };
const subject: Subject = {
  ...plain,
  async specialize(prompt) {
    generated.by = prompt;
    return { model: talkativeModel(2), bytes: 7, flops: 1000, seconds: 0 };
  },
};

describe("methods", () => {
  const one = task("one", ["a", "b"], { systemPrompt: "Say a or b, no more than one letter." });
  const [first] = withControls([one, task("two", ["c", "d"]), task("three", ["e"], { kind: "topic" })]);
  const prepare = async (name: string, of: EvalTask = first!) => {
    generated.by = "";
    const prepared = await parseMethods([name])[0]!.prepare(subject, of);
    return { ...prepared, reads: await prepared.context?.(of.systemPrompt), madeBy: generated.by };
  };

  test("differ in what the model reads and in what made its weights", async () => {
    expect(await prepare("base")).toMatchObject({ model: plain.model, reads: undefined, madeBy: "" });
    expect(await prepare("prompted")).toMatchObject({ model: plain.model, reads: one.systemPrompt, madeBy: "" });
    expect(await prepare("specialized")).toMatchObject({
      reads: undefined,
      madeBy: one.systemPrompt,
      cost: { bytes: 7 },
    });
    expect(await prepare("sibling-prompt")).toMatchObject({ madeBy: "Prompt of two.", prompt: "Prompt of two." });
    expect(await prepare("far-prompt")).toMatchObject({ madeBy: "Prompt of three." });
  });

  test("with shots read the description and that many examples, or are made from the examples alone", async () => {
    const { reads, cost } = await prepare("prompted-3shot");
    expect(reads).toMatch(/^Say a or b/);
    expect(reads!.match(/^Input: /gm)).toHaveLength(3);
    expect(cost.examples).toBe(3);
    const { madeBy } = await prepare("specialized-5shot");
    expect(madeBy).toMatch(/^Input: example 0\nOutput: a\n\nInput: example 1/);
    expect(madeBy.match(/^Input: /gm)).toHaveLength(5);
    expect(madeBy).not.toContain("Say a or b");
  });

  test("do not show the same examples twice where the prompt consists of them", async () => {
    const { madeBy: examplesOnly } = await prepare("specialized-5shot");
    expect((await prepare("prompted-5shot", { ...one, systemPrompt: examplesOnly })).reads).toBe(examplesOnly);
  });

  test("say why they cannot be used on a task or by a subject", () => {
    const refusal = (name: string, of: EvalTask, by = subject) => parseMethods([name])[0]!.refuses?.(by, of);
    expect(refusal("prompted-7shot", one)).toBe("needs 7 examples, found 6");
    expect(refusal("specialized-7shot", one)).toBe("needs 7 examples, found 6");
    expect(refusal("prompted-6shot", one)).toBeUndefined();
    expect(refusal("sibling-prompt", one)).toMatch(/siblingPrompt/);
    expect(refusal("specialized", one, plain)).toMatch(/generator/);
    expect(refusal("prompted", one, plain)).toBeUndefined();
  });

  test("with a skill have its weights, which only the model as it was opened can get", async () => {
    const folder = mkdtempSync(join(tmpdir(), "svf-method-"));
    const stored = await storedLlama(join(folder, "model"));
    const weight = "model.layers.1.mlp.up_proj.weight";
    const z = Float32Array.of(3, 1, 0.5);
    await writeExpert(join(folder, "expert.safetensors"), {
      modelSha256: stored.sha256,
      renormalize: false,
      madeBy: {},
      scales: new Map([[weight, z]]),
    });
    const [method] = parseMethods([`svf:${folder}`]);
    const { model, cost } = await method!.prepare({ ...plain, model: stored, stored }, one);
    const changed = Object.keys(stored.weights).filter((name) => model.weights[name] !== stored.weights[name]);
    expect([changed, cost.bytes]).toEqual([[weight], 12]);
    await expect(method!.prepare(plain, one)).rejects.toMatchObject({ code: "E_MISMATCH" });
    await expect(method!.prepare({ ...plain, stored }, one)).rejects.toMatchObject({ code: "E_MISMATCH" });
    rmSync(folder, { recursive: true });
  });

  test("shuffle a prompt's words, always in the same way", async () => {
    const { madeBy } = await prepare("shuffled-prompt");
    expect(madeBy).not.toBe(one.systemPrompt);
    expect(madeBy.split(" ").sort()).toEqual(one.systemPrompt.split(" ").sort());
    expect((await prepare("shuffled-prompt")).madeBy).toBe(madeBy);
  });

  test("are put in the table's order, and a mistyped one is refused with those that exist", () => {
    const names = (list: string[]) => parseMethods(list).map(({ name }) => name);
    expect(names(["specialized", "lora:a/b", "base", "specialized", "prompted-12shot"])).toEqual([
      "base",
      "prompted-12shot",
      "specialized",
      "lora:a/b",
    ]);
    expect(() => parseMethods(["specialised"])).toThrow(/"specialised"/);
    expect(() => parseMethods(["specialised"])).toThrow(METHODS.join(", "));
    for (const wrong of ["prompted-0shot", "prompted-shot", "prompted-Nshot", "lora:", "Base", "constructor"])
      expect(() => parseMethods([wrong])).toThrow(expect.objectContaining({ code: "E_USAGE" }));
    expect(() => parseMethods([])).toThrow(expect.objectContaining({ code: "E_USAGE" }));
  });
});

test("docs/methods.md says of every method what was trained for it and what runs beside it, as the method does", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/methods.md"), "utf8");
  const said = [
    ...page.matchAll(/^\| (`[^|]+) \| (nothing|once|each task) \| (nothing|each prompt|each question) \|/gm),
  ];
  const rows = said.flatMap(([, names, training, beside]) =>
    names!.split(", ").map((name) => [name.replaceAll("`", ""), { training, beside }] as const),
  );
  const wanted = METHODS.filter((name) => !/-prompt$/.test(name)); // controls cost what they control
  expect(Object.fromEntries(rows)).toEqual(
    Object.fromEntries(wanted.map((name) => [name, methods[name]("1", "1").needs])),
  );
});

test("docs/methods.md shows the smallest method as it is", () => {
  const read = (path: string) => readFileSync(join(import.meta.dirname, path), "utf8");
  const added = (text: string) => text.trimEnd().replace(/^/gm, "+");
  const page = read("../../docs/methods.md");
  expect(page).toContain(added(read("base.ts")));
  for (const [, line] of page.matchAll(/^\+(import \{ base .*| {2}base: .*)$/gm))
    expect(read("table.ts")).toContain(line);
});

describe("prompts of controls", () => {
  const bank = {
    call: task("bank-call", ['route("pay_bill")', 'route("balance")']),
    json: task("bank-json", ['{"intent": "pay_bill"}', '{"intent": "balance"}']),
    label: task("bank-label", ["pay_bill", "balance"]),
  };
  const home = task("home-json", ['{"intent": "lights_on"}', '{"intent": "lights_off"}']);
  const yesNo = ["yes-a", "yes-b"].map((name) => task(name, ["yes", "no"], { kind: "yes-no" }));
  const all = [yesNo[1]!, home, bank.label, yesNo[0]!, bank.json, bank.call];
  const controlsOf = ({ name }: EvalTask, tasks: readonly EvalTask[] = all) => {
    const found = withControls(tasks).find((one) => one.name === name)!;
    return { sibling: found.siblingPrompt, far: found.farPrompt };
  };

  test("are of a task that shares no answer, whatever its format: of the same kind, and of another one", () => {
    for (const of of [bank.call, bank.json, bank.label]) {
      const { sibling, far } = controlsOf(of);
      expect(sibling).toBe("Prompt of home-json.");
      expect(far).toMatch(/^Prompt of yes/);
    }
    for (const of of yesNo)
      expect(controlsOf(of)).toEqual({ sibling: undefined, far: expect.stringMatching(/bank|home/) });
  });

  test("that a task brings itself are kept", () => {
    const own = task("own", ["x"], { siblingPrompt: "Sister.", farPrompt: "Stranger." });
    expect(controlsOf(own, [own, home, ...yesNo])).toEqual({ sibling: "Sister.", far: "Stranger." });
  });

  test("are the same in every order of tasks, and spread over all of them", () => {
    const many = Array.from({ length: 200 }, (_, i) => task(`task-${i}`, [`{"intent": "only-${i}"}`]));
    const drawn = withControls(many).map(({ siblingPrompt }) => siblingPrompt);
    expect(new Set(drawn).size).toBeGreaterThan(100); // 200 draws of 200 hit about 126 different ones
    expect(withControls([...many].reverse()).reverse()).toEqual(withControls(many));
  });

  test("come from variants of the same seed", () => {
    const variant = (name: string, seed: number) =>
      task(name, [name], { seed, systemPrompt: `${name} in variant ${seed}` });
    const variants = [1, 2].flatMap((seed) => ["a", "b"].map((name) => variant(name, seed)));
    for (const { seed, siblingPrompt } of withControls(variants)) expect(siblingPrompt).toContain(`variant ${seed}`);
  });

  test("count choices and labels as answers", () => {
    const hidden = task("a-hidden", ["x"], { samples: [{ input: "?", target: "x", choices: ["x", "lights_on"] }] });
    expect(controlsOf(hidden, [hidden, home, bank.json]).sibling).toBe("Prompt of bank-json.");
    const labelled = task("b-labelled", ["x"], { labels: ["x", "lights_on"] });
    expect(controlsOf(labelled, [labelled, home, bank.json]).sibling).toBe("Prompt of bank-json.");
  });

  test("fall back to any other task for the far one, and to none where there is no other", () => {
    expect(controlsOf(bank.label, [bank.label, bank.json])).toEqual({
      sibling: undefined,
      far: "Prompt of bank-json.",
    });
    expect(controlsOf(home, [home])).toEqual({ sibling: undefined, far: undefined });
  });
});
