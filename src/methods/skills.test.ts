import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomAdapter } from "../../test/support/random-adapter.ts";
import { talkativeModel, smallTokenizer as tokenizer } from "../../test/support/talkative-model.ts";
import type { EvalTask } from "../data/eval-task.ts";
import { createDecoder } from "../decode/decoder.ts";
import { createFirstPass, dispatchPrompt, parseSkill } from "../dispatch/first-pass.ts";
import { type SkillPool, whole } from "../dispatch/skill-pool.ts";
import { openSkillPool } from "../dispatch/skill-pool-file.ts";
import type { LogLine } from "../eval/log.ts";
import { evaluate } from "../eval/run-eval.ts";
import { writePeft } from "../lora/peft-format.ts";
import { encodePrompted, SPECIAL_TOKEN_LAYOUT as layout } from "../text/prompt.ts";
import type { Subject } from "./method.ts";
import { type NamedMethod, parseMethods } from "./table.ts";

const root = mkdtempSync(join(tmpdir(), "first-pass-"));
const model = talkativeModel(1);
const subject: Subject = { name: "talker", sha256: "abc", model, tokenizer, layout };
let pool: SkillPool;
beforeAll(async () => {
  for (const name of ["math", "code", "classifier"])
    await writePeft(join(root, name), randomAdapter(model.config, { seed: name }), { baseName: "base" });
  pool = await openSkillPool(root, subject);
});
afterAll(() => rmSync(root, { recursive: true }));

test.each([
  ["math", "math"],
  ["  Code.\n", "code"],
  ['"math"', "math"],
  ["It is \\boxed{code}.", "code"],
  ["\\boxed{cooking} math", "other"],
  ["math or code", "other"],
  ["", "other"],
  ["mathematics", "other"],
])("%j names %s", (said, skill) => {
  expect(parseSkill(said, ["math", "code"])).toBe(skill);
});

test("of an answer that was cut off a name in a box counts, and nothing else", () => {
  const parse = (said: string) => parseSkill(said, ["math", "code"], { isCut: true });
  expect(parse("\\boxed{code} because the question")).toBe("code");
  expect([parse("math"), parse("\\boxed{mat"), parse("\\boxed{cooking} is")]).toEqual(["other", "other", "other"]);
});

test("a first pass asks once for each question, forgets the one asked for longest ago, and says what it took", async () => {
  let ms = 0;
  const now = () => ms++;
  await using first = createFirstPass(subject, pool.names, { threads: 1, remembered: 2, now });
  const asked = [];
  for (const input of ["a", "b", "a", "c", "a", "b"]) asked.push(await first.choose(input));
  expect(asked.map(({ isRemembered }) => isRemembered)).toEqual([false, false, true, false, true, false]);
  expect(asked.every(({ ms: took }) => took > 0)).toBe(true);
  expect((await first.choose("long ".repeat(200))).skill).toBe("other"); // beyond the context
});

test("a first pass over many questions names what it names one by one, asks each once, and remembers them", async () => {
  const inputs = [
    ...Array.from({ length: 40 }, (_, i) => `a band ${i % 20} ${"na".repeat(i % 7)}`),
    "long ".repeat(200),
  ];
  const babbler = { ...subject, model: talkativeModel(4) };
  await using alone = createFirstPass(babbler, pool.names, { threads: 1 });
  await using many = createFirstPass(babbler, pool.names, { threads: 1, remembered: 2 });
  const wanted = [];
  for (const input of inputs) wanted.push(await alone.choose(input));
  const found = await many.chooseMany(inputs);
  expect(found).toEqual(wanted.map(({ ms: _, ...choice }) => choice));
  expect(new Set(found.map(({ said }) => said)).size).toBeGreaterThan(3);
  expect(await many.chooseMany(inputs.slice(-2))).toEqual(
    found.slice(-2).map((choice) => ({ ...choice, inputTokens: 0, isRemembered: true })),
  );
  await expect(many.chooseMany(["x", "y"], AbortSignal.abort())).rejects.toMatchObject({ code: "E_INTERRUPTED" });
});

test("compiling is no part of a first pass's time", async () => {
  let opened = 0; // the clock: how often the weights were taken
  const watched = {
    ...model,
    get weights() {
      opened++;
      return model.weights;
    },
  };
  await using first = createFirstPass({ ...subject, model: watched }, pool.names, { threads: 1, now: () => opened });
  expect(await first.choose("banana")).toMatchObject({ ms: 0, inputTokens: expect.any(Number) as unknown });
  expect(opened).toBeGreaterThan(0);
  expect(await first.choose("banana")).toMatchObject({ isRemembered: true, inputTokens: 0 });
});

test("the skill called classifier speaks in the place of the base model", async () => {
  expect(pool.names).toEqual(["code", "math"]);
  const change = pool.classifier!;
  await using first = createFirstPass({ ...subject, change }, pool.names, { threads: 1 });
  await using decoder = await createDecoder(model, { threads: 1, change });
  const ids = encodePrompted(tokenizer, layout, { prompt: dispatchPrompt(pool.names), input: "banana" });
  const { said } = await first.choose("banana");
  expect((await decoder.generate(ids, { maxTokens: 60, tokenizer })).text!.startsWith(said)).toBe(true);
});

describe("what no skill answers, the base weights answer", () => {
  const samples = Array.from({ length: 8 }, (_, i) => ({ input: `banana ${i} a band`, target: "an" }));
  const task: EvalTask = { name: "t", stratum: "s", kind: "k", systemPrompt: "Say.", examples: [], samples };
  const answers = async (method: string | NamedMethod, timedQueries = 1) => {
    const { lines } = await evaluate(subject, [task], { methods: [method], threads: 1, timedQueries });
    return [...lines].sort((a, b) => a.sample - b.sample);
  };
  const said = (lines: readonly LogLine[], rest: number) =>
    lines.filter(({ sample }) => sample % 2 === rest).map(({ answer, finish }) => [answer, finish]);

  test("also between questions that skills answer", async () => {
    const change = whole(pool, "math");
    const turns: NamedMethod = {
      name: "in turns",
      summary: "",
      needs: { training: "nothing", beside: "nothing" },
      prepare: async () => ({
        model,
        cost: { seconds: 0, flops: 0, bytes: 0, examples: 0 },
        dispatch: async (input) =>
          /[02468]/.test(input)
            ? { skill: "math", ms: 3, tokens: 1, flops: 1, change }
            : { skill: "other", ms: 5, tokens: 1, flops: 1, change: undefined },
      }),
    };
    const [found, base] = [await answers(turns), await answers("base")];
    const math = await answers(`lora:${join(root, "math")}`);
    expect(said(found, 1)).toEqual(said(base, 1));
    expect(said(found, 0)).toEqual(said(math, 0));
    expect(said(math, 0)).not.toEqual(said(base, 0));
    expect(found.map(({ dispatch }) => dispatch?.skill)).toEqual([
      "math",
      "other",
      "math",
      "other",
      "math",
      "other",
      "math",
      "other",
    ]);
  });

  test("all of them, where the first pass says nothing that is a skill's name", async () => {
    const strip = (lines: readonly LogLine[]) =>
      lines.map(({ answer, finish, scores }) => ({ answer, finish, scores }));
    const found = await answers(`skills-prompt:${root}`, samples.length);
    expect(strip(found)).toEqual(strip(await answers("base")));
    expect(new Set(found.map(({ dispatch }) => dispatch!.skill))).toEqual(new Set(["other"]));
    expect(found.every(({ dispatch }) => dispatch!.ms! > 0)).toBe(true);
    const others = await answers(`skills-prompt:${root}`); // one of them timed
    expect(strip(others)).toEqual(strip(found));
    expect(others.map(({ dispatch }) => dispatch!.ms !== undefined)).toEqual(samples.map((_, i) => i === 0));
    expect(found.every(({ inputTokens, dispatch }) => dispatch!.tokens! > inputTokens!)).toBe(true);
    expect(found.every(({ flops, dispatch }) => dispatch!.flops! > flops!)).toBe(true);
  });
});

test("a mixture needs as many examples as its name says; a folder without a classifier has none to ask", async () => {
  const [method] = parseMethods([`skills-cem-3shot:${root}`]);
  const examples = [{ input: "a", target: "b" }];
  const task = { name: "t", stratum: "s", kind: "k", systemPrompt: "Say.", examples };
  expect(method!.refuses!(subject, task)).toBe("needs 3 examples, found 1");
  rmSync(join(root, "classifier"), { recursive: true });
  const [asking] = parseMethods([`skills-classifier:${root}`]);
  await expect(asking!.prepare(subject, task)).rejects.toMatchObject({ code: "E_NOT_FOUND" });
});

test("a log is not gone on with where what a method reads has changed under its name", async () => {
  const samples = [1, 2].map((i) => ({ input: `a band ${i}`, target: "an" }));
  const task: EvalTask = { name: "t", stratum: "s", kind: "k", systemPrompt: "Say.", examples: [], samples };
  const method = `lora:${join(root, "math")}`;
  const lines: LogLine[] = [];
  const log = { lines, append: async (line: LogLine) => void lines.push(line) };
  const options = { methods: [method, "base"], threads: 1, timedQueries: 0 };
  await evaluate(subject, [task], options, log);
  expect(new Set(lines.map(({ sha256 }) => typeof sha256.method))).toEqual(new Set(["string", "undefined"]));
  expect((await evaluate(subject, [task], options, log)).lines).toHaveLength(4);
  expect(lines).toHaveLength(4); // nothing was asked again
  await writePeft(join(root, "math"), randomAdapter(model.config, { seed: "other" }), { baseName: "base" });
  const again = evaluate(subject, [task], options, log);
  await expect(again).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: expect.stringContaining(method) as unknown,
  });
  await writePeft(join(root, "math"), randomAdapter(model.config, { seed: "math" }), { baseName: "base" });
});

test("a search is refused where examples have no choices to be scored by; an equal share needs none", () => {
  const examples = ["banana", "a band"].map((input) => ({ input, target: "an" }));
  const task = { name: "t", stratum: "s", kind: "k", systemPrompt: "Say.", examples };
  const [cem, uniform] = parseMethods([`skills-cem-2shot:${root}`, `skills-uniform:${root}`]);
  const reason = "needs examples with choices, or labels; these examples have none";
  expect(cem!.refuses!(subject, { ...task, layout: "text" })).toBe(reason);
  expect(cem!.refuses!(subject, { ...task, scorers: ["choice-per-byte"] })).toBe(reason);
  expect(cem!.refuses!(subject, { ...task, layout: "text", labels: ["an", "na"] })).toBeUndefined();
  expect(cem!.refuses!(subject, task)).toBeUndefined();
  expect(uniform!.refuses!(subject, { ...task, layout: "text" })).toBeUndefined();
});

test("few examples and an equal share of each skill are methods too", async () => {
  const examples = ["banana", "a band"].map((input) => ({ input, target: "an" }));
  const task = { name: "t", stratum: "s", kind: "k", systemPrompt: "Say.", examples };
  const [cem, uniform] = parseMethods([`skills-cem-2shot:${root}`, `skills-uniform:${root}`]);
  const prepared = await cem!.prepare(subject, task, { threads: 1 });
  expect(prepared.cost).toMatchObject({ examples: 2, bytes: pool.bytes });
  expect(prepared.change).toBeDefined();
  expect((await uniform!.prepare(subject, task)).cost.examples).toBe(0);
});
