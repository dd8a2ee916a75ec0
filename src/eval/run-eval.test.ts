import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { smallTokenizer, talkativeModel } from "../../test/support/talkative-model.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { writeJsonFile } from "../base/json-file.ts";
import { createDecoder } from "../decode/decoder.ts";
import { merge } from "../pair/merge.ts";
import { loadPair } from "../pair/pair-file.ts";
import { specialize } from "../pair/specialize.ts";
import { encodeInput, encodePrompted, encodeTarget, SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { METHODS, methods, wrongTask } from "./methods.ts";
import { evaluate, runEval } from "./run-eval.ts";
import type { Subject } from "./subject.ts";
import type { TaskFile } from "./task-file.ts";

const layout = SPECIAL_TOKEN_LAYOUT;

/** Each prompt gives weights of its own. */
const talker: Required<Subject> = {
  model: talkativeModel(1),
  tokenizer: smallTokenizer,
  layout,
  specialize: async (prompt) => talkativeModel(100 + prompt.length),
};
const timesNothing = { threads: 1, timedQueries: 0 };

/** What a subject says to an input, decoded token by token. */
async function answersOf(subject: Required<Subject>, inputs: readonly string[], prompt?: string): Promise<string[]> {
  const model = prompt === undefined ? subject.model : await subject.specialize(prompt);
  await using decoder = await createDecoder(model, { threads: 1 });
  const answers: string[] = [];
  for (const input of inputs) {
    const ids = encodeInput(subject.tokenizer, subject.layout, input);
    const { text, finish } = await decoder.generate(ids, { maxTokens: 40, tokenizer: subject.tokenizer });
    answers.push(finish === "stop" ? text! : "");
  }
  return answers;
}

describe("an evaluation", () => {
  const inputs = Array.from({ length: 24 }, (_, i) => `banana ${i} a band`);
  const systemPrompt = "Say band.";
  let task: TaskFile;
  beforeAll(async () => {
    // Targets are what the specialised model says where that is anything; then nothing but the right weights gets them right.
    const said = await answersOf(talker, inputs, systemPrompt);
    const samples = inputs.map((input, i) => ({ input, target: said[i]!.trim() || "never said" }));
    task = { name: "say", systemPrompt, examples: samples.slice(0, 2), samples };
  });
  const other: TaskFile = {
    name: "other",
    systemPrompt: "Say something else entirely.",
    examples: [],
    samples: [{ input: "a", target: "cab" }],
  };

  test("counts as right exactly what decoding says, by each method's own weights", async () => {
    const report = await evaluate(talker, [task, other], {
      methods: ["base", "specialized", "wrong-prompt"],
      ...timesNothing,
    });
    const prompts = { base: undefined, specialized: systemPrompt, "wrong-prompt": other.systemPrompt } as const;
    for (const method of ["base", "specialized", "wrong-prompt"] as const) {
      const said = await answersOf(talker, inputs, prompts[method]);
      const right = task.samples.filter(({ target }, i) => said[i]!.trim() === target).length;
      expect(report.tasks["say"]![method]).toMatchObject({ n: 24, accuracy: right / 24, msPerQuery: null });
    }
    expect(report.tasks["say"]!["specialized"]!.accuracy).toBeGreaterThan(0.2);
    expect(report.tasks["say"]!["base"]!.accuracy).toBeLessThan(report.tasks["say"]!["specialized"]!.accuracy);
  });

  test("reports errors, means over tasks and paired differences that follow from its cells", async () => {
    const report = await evaluate(talker, [task, other], { methods: ["base", "specialized"], ...timesNothing });
    const cell = report.tasks["say"]!["specialized"]!;
    expect(cell.stderr).toBeCloseTo(Math.sqrt((cell.accuracy * (1 - cell.accuracy)) / 23), 12);
    const accuracies = [cell.accuracy, report.tasks["other"]!["specialized"]!.accuracy];
    const mean = report.mean["specialized"]!;
    expect(mean).toMatchObject({ tasks: 2, n: 25, harmonic: 0 });
    expect(mean.accuracy).toBeCloseTo((accuracies[0]! + accuracies[1]!) / 2, 12);
    expect(mean.stderr).toBeCloseTo(Math.abs(accuracies[0]! - accuracies[1]!) / 2, 12);
    const comparison = report.comparisons["specialized-vs-base"]!;
    expect(Object.keys(report.comparisons)).toEqual(["specialized-vs-base"]);
    expect(comparison.difference).toBeCloseTo(mean.accuracy - report.mean["base"]!.accuracy, 12);
    expect(comparison.low).toBeLessThanOrEqual(comparison.difference);
    expect(comparison.high).toBeGreaterThanOrEqual(comparison.difference);
    expect(comparison.tasks["say"]!.difference).toBeCloseTo(cell.accuracy - report.tasks["say"]!["base"]!.accuracy, 12);
  });

  test("picks among choices by summed log-likelihood of the whole answer, and per byte beside it", async () => {
    const choices = ["a", "banana bandana", "no", "ban"];
    const samples = inputs.slice(0, 10).map((input, i) => ({ input, target: choices[i % 4]!, choices }));
    const chosen: TaskFile = { ...task, samples };
    const report = await evaluate(talker, [chosen], { methods: ["prompted"], ...timesNothing });
    await using decoder = await createDecoder(talker.model, { threads: 1 });
    let [right, rightPerByte, tokens] = [0, 0, 0];
    for (const { input, target } of samples) {
      const ids = encodePrompted(smallTokenizer, layout, { prompt: systemPrompt, input });
      const scores = await decoder.score(
        ids,
        choices.map((choice) => encodeTarget(smallTokenizer, layout, choice)),
      );
      const perByte = scores.map((score, i) => score / Buffer.byteLength(choices[i]!));
      if (choices[scores.indexOf(Math.max(...scores))] === target) right++;
      if (choices[perByte.indexOf(Math.max(...perByte))] === target) rightPerByte++;
      tokens += ids.length;
    }
    expect(report.tasks["say"]!["prompted"]).toMatchObject({
      accuracy: right / 10,
      accuracyNorm: rightPerByte / 10,
      inputTokens: tokens / 10,
    });
  });

  test("times whole queries by the given clock, and only as many as asked", async () => {
    let ticks = 0;
    const options = { methods: ["base", "prompted"] as const, threads: 1, now: () => ticks++ };
    const report = await evaluate(talker, [task], { ...options, timedQueries: 3 });
    expect(report.tasks["say"]).toMatchObject({ base: { msPerQuery: 1 }, prompted: { msPerQuery: 1 } });
    expect(ticks).toBe(2 * 2 * (1 + 3)); // a beginning and an end, two methods, one query to warm up and three that count
    const { mean } = await evaluate(talker, [task], { ...options, timedQueries: 0 });
    expect(mean["base"]!.msPerQuery).toBeNull();
    expect(ticks).toBe(16);
  });

  test("tells how far it is, and stops when asked to", async () => {
    const seen: string[] = [];
    const controller = new AbortController();
    const onProgress = ({ done, total, method }: { done: number; total: number; method: string }) => {
      seen.push(`${method} ${done}/${total}`);
      if (seen.length === 2) controller.abort();
    };
    const options = { methods: METHODS.slice(0, 3), limit: 5, onProgress, signal: controller.signal, ...timesNothing };
    await expect(evaluate(talker, [task], options)).rejects.toMatchObject({ code: "E_INTERRUPTED" });
    expect(seen).toEqual(["base 5/15", "prompted 10/15"]);
  });

  test("checks every task before the first query, naming the task", async () => {
    let asked = 0;
    const run = (tasks: readonly TaskFile[], list: (typeof METHODS)[number][], subject: Subject = talker) =>
      evaluate(subject, tasks, { methods: list, onProgress: () => asked++, ...timesNothing });
    const message = (text: string) => expect.stringContaining(text);
    await expect(run([task, other], ["base", "prompted-5shot"])).rejects.toMatchObject({
      code: "E_DATA",
      message: message('"other"'),
    });
    await expect(run([task], ["base", "wrong-prompt"])).rejects.toMatchObject({
      code: "E_DATA",
      message: message('"say"'),
    });
    const long = { ...other, samples: [other.samples[0]!, { input: "n ".repeat(200), target: "a" }] };
    await expect(run([task, long], ["base"])).rejects.toMatchObject({
      code: "E_LIMIT",
      message: message('"other", method base: samples.1'),
    });
    const { specialize: _, ...edgeAlone } = talker;
    await expect(run([task], ["base", "specialized"], edgeAlone)).rejects.toMatchObject({ code: "E_USAGE" });
    await expect(run([], ["base"])).rejects.toMatchObject({ code: "E_DATA" });
    expect(asked).toBe(0);
    await expect(run([task], ["base", "prompted"], edgeAlone)).resolves.toMatchObject({ comparisons: {} });
  });
});

describe("an evaluation of a pair on disk", () => {
  let folder: string;
  const choices = ["yes", "no", "perhaps"];
  const tasks: TaskFile[] = ["alpha", "beta"].map((name, index) => ({
    name,
    systemPrompt: `Decide about ${name}: ${choices.join(", ")}.`,
    examples: choices.map((target, i) => ({ input: `${name} example ${i}`, target })),
    samples: Array.from({ length: 9 }, (_, i) => ({
      input: `${name} question ${i}`,
      target: choices[(i + index) % 3]!,
      choices,
    })),
  }));
  const files = () => tasks.map(({ name }) => join(folder, `${name}.json`));
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "run-eval-"));
    await writeTinyPair(join(folder, "pair"));
    for (const [i, path] of files().entries()) await writeJsonFile(path, tasks[i]);
  });
  afterAll(() => rm(folder, { recursive: true }));
  const run = (limit?: number) =>
    runEval({
      pairDirectory: join(folder, "pair"),
      taskFiles: files(),
      methods: METHODS,
      ...timesNothing,
      ...(limit === undefined ? {} : { limit }),
    });

  test("asks merged weights of each task's own, examples' and wrong prompt", async () => {
    const report = await run();
    const pair = await loadPair(join(folder, "pair"));
    for (const task of tasks) {
      const wrong = wrongTask(task, tasks);
      expect(wrong.name).not.toBe(task.name);
      for (const method of METHODS) {
        const { context, specializeBy } = methods[method].ask(task, tasks);
        const weights =
          specializeBy === undefined
            ? pair.edge.weights
            : (await merge(pair, await specialize(pair, specializeBy, { threads: 1 }))).weights;
        await using decoder = await createDecoder({ config: pair.edge.config, weights }, { threads: 1 });
        let right = 0;
        for (const { input, target } of task.samples) {
          const ids =
            context === undefined
              ? encodeInput(pair.tokenizer, pair.layout, input)
              : encodePrompted(pair.tokenizer, pair.layout, { prompt: context, input });
          const scores = await decoder.score(
            ids,
            choices.map((choice) => encodeTarget(pair.tokenizer, pair.layout, choice)),
          );
          if (choices[scores.indexOf(Math.max(...scores))] === target) right++;
        }
        expect(report.tasks[task.name]![method]!.accuracy, `${task.name} ${method}`).toBe(right / 9);
      }
    }
  });

  test("is the same when done again, and is plain JSON", async () => {
    const [first, second] = [await run(4), await run(4)];
    expect(second).toEqual(first);
    expect(JSON.parse(JSON.stringify(first))).toEqual(first);
    expect(Object.keys(first.tasks)).toEqual(["alpha", "beta"]);
    expect(Object.keys(first.tasks["alpha"]!)).toEqual([...METHODS]);
    expect(first.mean["specialized"]).toMatchObject({ tasks: 2, n: 8 });
  });
});
