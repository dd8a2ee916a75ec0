/** @file The ladder's benchmark: when a certificate's choice counts as right, and what is kept between runs. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { kept } from "../bench/support/kept.ts";
import { isDecided, type Judge, judge } from "../bench/support/ladder-judge.ts";
import { labelsSpec } from "../src/constraint/spec.ts";
import { createAnswerer } from "../src/pair/answer.ts";
import type { Pair } from "../src/pair/pair-file.ts";
import { createSpecializer } from "../src/pair/specialize.ts";
import { createConstraintCache } from "../src/server/api/constraints.ts";
import { createEngine } from "../src/server/engine/engine.ts";
import { openTinyPair } from "./support/tiny-pair.ts";

const prompt = "Is it a question? Answer yes or no.";
const sizes = { inputs: 20, refine: 4, unseen: 6, threshold: 1 };
const inputs = Array.from({ length: sizes.inputs + sizes.refine + sizes.unseen }, (_, i) => `message ${i}`);
const isUnseen = (i: number) => i >= sizes.inputs + sizes.refine;

let pair: Pair;
let tools: Judge & { readonly edge: { readonly engine: AsyncDisposable } };
/** What the specialised model answers. */
let answers: string[];
beforeAll(async () => {
  pair = await openTinyPair();
  const specializer = await createSpecializer(pair, { threads: 1 });
  const engine = await createEngine(pair, { threads: 1 });
  tools = { pair, specializer, threads: 1, edge: { engine, texts: pair, constraints: createConstraintCache(pair) } };
  const constraint = labelsSpec(["yes", "no"]);
  const specialization = await specializer.specialize(prompt, { constraint });
  await using answerer = await createAnswerer(pair, { specialization, threads: 1 });
  answers = [];
  for (const input of inputs) answers.push((await answerer.answer(input)).text);
});
afterAll(async () => {
  await tools.specializer.close();
  await tools.edge.engine[Symbol.asyncDispose]();
});

const other = (answer: string): string => (answer === "yes" ? "no" : "yes");
const judged = (target: (answer: string, i: number) => string) =>
  judge(
    tools,
    {
      ...{ name: "question", kind: "good", prompt },
      examples: inputs.map((input, i) => ({ input, target: target(answers[i]!, i) })),
    },
    sizes,
  );

test("a choice is right where the rung passes on unseen inputs too, and wrong where it fails on them", async () => {
  const right = await judged((answer) => answer);
  expect(right).toMatchObject({ choice: "specialized", lowest: "specialized", agrees: true });
  expect(right.unseen).toEqual({ specialized: 1 }); // no higher rung has to be asked
  expect(right.unseenAsked).toEqual({ specialized: sizes.unseen });
  const wrong = await judged((answer, i) => (isUnseen(i) ? other(answer) : answer));
  expect(wrong).toMatchObject({ choice: "specialized", lowest: null, agrees: false, unseen: { specialized: 0 } });
});

test("that no rung passes is right where none passes on unseen inputs, and wrong where one does", async () => {
  const impossible = (i: number) => (i % 2 === 0 ? "yes" : "no"); // what no model can know
  const none = await judged((_, i) => impossible(i));
  expect(none).toMatchObject({ choice: null, lowest: null, agrees: true });
  expect(Object.keys(none.unseen)).toEqual(expect.arrayContaining(["specialized", "prompted"]));
  const wrong = await judged((answer, i) => (isUnseen(i) ? answer : impossible(i)));
  expect(wrong).toMatchObject({ choice: null, lowest: "specialized", agrees: false });
});

test("as few unseen inputs are asked as decide whether a rung passes on all of them", () => {
  const ones = (count: number) => Array.from({ length: count }, () => 1);
  expect([isDecided(ones(249), 500, 0.5), isDecided(ones(250), 500, 0.5)]).toEqual([false, true]);
  const zeros = (count: number) => Array.from({ length: count }, () => 0);
  expect([isDecided(zeros(250), 500, 0.5), isDecided(zeros(251), 500, 0.5)]).toEqual([false, true]);
  expect([isDecided([], 6, 1), isDecided([1, 0], 6, 1)]).toEqual([false, true]);
});

test("what was measured is kept by its key, and measured once", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kept-"));
  let times = 0;
  const make = async () => ({ times: ++times });
  for (const key of [{ a: 1 }, { a: 1 }, { a: 2 }, { a: 1 }]) await kept(join(folder, "new"), key, make);
  expect(times).toBe(2);
  expect(await kept(join(folder, "new"), { a: 1 }, make)).toEqual({ times: 1 });
  rmSync(folder, { recursive: true });
});
