import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { smallTokenizer, talkativeModel } from "../../test/support/talkative-model.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { writeJsonFile } from "../base/json-file.ts";
import { compileConstraint } from "../constraint/compile.ts";
import { labelsSpec } from "../constraint/spec.ts";
import type { EvalTask } from "../data/eval-task.ts";
import { createDecoder } from "../decode/decoder.ts";
import { readPrefix } from "../decode/prefix.ts";
import { withControls } from "../methods/controls.ts";
import type { Subject } from "../methods/method.ts";
import type { NamedMethod } from "../methods/table.ts";
import { merge } from "../pair/merge.ts";
import { loadPair } from "../pair/pair-file.ts";
import { specialize } from "../pair/specialize.ts";
import { encodeInput, encodePrompted, encodeTarget, SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { questionKey } from "./log.ts";
import { openLog, readLogs } from "./log-file.ts";
import { summarize } from "./report.ts";
import { type EvalOptions, evaluate, runEval } from "./run-eval.ts";
import { rescored } from "./scorers/table.ts";

const layout = SPECIAL_TOKEN_LAYOUT;
const blank = { stratum: "tasks", kind: "task", examples: [] };

/** Each prompt gives weights of its own. */
const talker: Required<Omit<Subject, "stored" | "pair">> = {
  name: "talker",
  sha256: "abc",
  model: talkativeModel(1),
  tokenizer: smallTokenizer,
  layout,
  swaps: false,
  specialize: async (prompt) => ({
    model: talkativeModel(100 + prompt.length),
    bytes: prompt.length,
    flops: 0,
    seconds: 0,
  }),
};
const timesNothing = { threads: 1, timedQueries: 0 };
const tasksOf = async (subject: Subject, tasks: readonly EvalTask[], options: EvalOptions) =>
  summarize((await evaluate(subject, tasks, options)).lines).strata["tasks"]!;

/** What a subject says to an input, decoded token by token. */
async function answersOf(
  subject: Required<Omit<Subject, "stored" | "pair">>,
  inputs: readonly string[],
  prompt?: string,
): Promise<string[]> {
  const model = prompt === undefined ? subject.model : (await subject.specialize(prompt)).model;
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
  let task: EvalTask;
  beforeAll(async () => {
    // Targets are what the specialised model says where that is anything; then nothing but the right weights gets them right.
    const said = await answersOf(talker, inputs, systemPrompt);
    const samples = inputs.map((input, i) => ({ input, target: said[i]!.trim() || "never said" }));
    task = { ...blank, name: "say", systemPrompt, examples: samples.slice(0, 2), samples };
  });
  const other: EvalTask = {
    ...blank,
    name: "other",
    systemPrompt: "Say something else entirely.",
    samples: [{ input: "a", target: "cab" }],
  };

  test("counts as right exactly what decoding says, by each method's own weights", async () => {
    const { tasks } = await tasksOf(talker, [task, other], {
      methods: ["base", "specialized", "far-prompt"],
      ...timesNothing,
    });
    const prompts = { base: undefined, specialized: systemPrompt, "far-prompt": other.systemPrompt } as const;
    for (const method of ["base", "specialized", "far-prompt"] as const) {
      const said = await answersOf(talker, inputs, prompts[method]);
      const right = task.samples.filter(({ target }, i) => said[i]!.trim() === target).length;
      expect(tasks["say"]![method]).toMatchObject({ n: 24, score: right / 24, msPerQuery: null });
    }
    expect(tasks["say"]!["specialized"]!.score).toBeGreaterThan(0.2);
    expect(tasks["say"]!["base"]!.score).toBeLessThan(tasks["say"]!["specialized"]!.score);
  });

  test("logs the whole greedy answer, also where it leaves the target, and whether it ended", async () => {
    const wrong = { ...task, samples: inputs.map((input) => ({ input, target: "banana bandana an" })), maxTokens: 6 };
    const { lines } = await evaluate(talker, [wrong], { methods: ["base"], ...timesNothing });
    await using decoder = await createDecoder(talker.model, { threads: 1 });
    for (const { input, answer, finish } of lines) {
      const ids = encodeInput(smallTokenizer, layout, input);
      const wanted = await decoder.generate(ids, { maxTokens: 6, tokenizer: smallTokenizer });
      expect({ answer, finish }).toEqual({ answer: wanted.text, finish: wanted.finish });
    }
    expect(new Set(lines.map(({ finish }) => finish))).toEqual(new Set(["stop", "length"]));
  });

  test("writes only what a constraint allows, by every method alike, and its log goes on under no other", async () => {
    const labels = ["ban", "banana", "no"];
    const free = { ...task, samples: task.samples.slice(0, 8) };
    const chosen: EvalTask = { ...free, name: "chosen", labels: ["a", "b"], samples: [{ input: "a", target: "a" }] };
    const constraint = () => labelsSpec(labels);
    const methods = ["base", "prompted", "specialized"];
    const options = { methods, constraint, ...timesNothing };
    const { lines } = await evaluate(talker, [free, chosen], options);
    const written = lines.filter(({ task: name }) => name === "say");
    for (const { answer, finish } of written) {
      expect(labels).toContain(answer);
      expect(finish).toBe("stop");
    }
    const { next, labelOf } = compileConstraint(smallTokenizer, layout, constraint());
    await using decoder = await createDecoder(talker.model, { threads: 1 });
    for (const { input, answer } of written.filter(({ method }) => method === "base")) {
      const ids = encodeInput(smallTokenizer, layout, input);
      expect(answer).toBe(labelOf!((await decoder.generate(ids, { constraint: next })).ids));
    }
    expect(new Set(written.map(({ answer }) => answer)).size).toBeGreaterThan(1);
    expect(lines.filter(({ task: name }) => name === "chosen").map(({ finish }) => finish)).toEqual(
      methods.map(() => "choice"),
    );
    const log = { lines, append: async () => undefined };
    expect((await evaluate(talker, [free, chosen], options, log)).lines).toHaveLength(lines.length);
    for (const other of [undefined, () => labelsSpec(["a", "b"])])
      await expect(evaluate(talker, [free, chosen], { ...options, constraint: other }, log)).rejects.toMatchObject({
        code: "E_MISMATCH",
        message: expect.stringContaining("another constraint") as unknown,
      });
    await expect(evaluate(talker, [chosen], options)).rejects.toMatchObject({ code: "E_USAGE" });
  });

  test("asks a method of the caller's own: a prefix stands in front of what it writes and chooses", async () => {
    const read = encodePrompted(smallTokenizer, layout, { prompt: systemPrompt, input: "cab" });
    const gist: NamedMethod = {
      name: "gist",
      summary: "keys and values in place of the prompt",
      needs: { training: "nothing", beside: "nothing" },
      prepare: async ({ model }) => ({
        model,
        prefix: await readPrefix(model, { tokens: read }),
        cost: { seconds: 0, flops: 0, bytes: 0, examples: 0 },
      }),
    };
    const choices = ["banana", "no", "ban"];
    const few = { ...task, maxTokens: 12, samples: task.samples.slice(0, 4) };
    const chosen = {
      ...few,
      name: "chosen",
      samples: few.samples.map(({ input }) => ({ input, target: "no", choices })),
    };
    const { lines } = await evaluate(talker, [few, chosen], { methods: [gist], threads: 1, timedQueries: 1 });
    await using decoder = await createDecoder(talker.model, { threads: 1 });
    for (const { input, answer, logLikelihoods, ms } of lines) {
      const ids = [...read, ...encodeInput(smallTokenizer, layout, input)];
      if (logLikelihoods === undefined)
        expect(answer).toBe((await decoder.generate(ids, { maxTokens: 12, tokenizer: smallTokenizer })).text);
      else {
        const wanted = await decoder.score(
          ids,
          choices.map((choice) => encodeTarget(smallTokenizer, layout, choice)),
        );
        for (const [i, value] of wanted.entries()) expect(logLikelihoods[i]).toBeCloseTo(value, 4);
      }
      expect(ms === null || ms >= 0).toBe(true);
    }
    expect(lines.filter(({ finish }) => finish === "choice")).toHaveLength(4);
  });

  test("asks for programs without their tests as answers, runs them, and refuses them without leave", async () => {
    const program = { ...task, name: "program", scorer: "code-run", maxTokens: 5 };
    const ran: string[] = [];
    const runCode = async (text: string) => {
      ran.push(text);
      return { passed: ran.length === 1, reason: "told" };
    };
    const samples = inputs.slice(0, 2).map((input) => ({ input, target: `assert True # ${"long ".repeat(2000)}` }));
    const options = { methods: ["base"], ...timesNothing };
    const { lines } = await evaluate(talker, [{ ...program, samples }], { ...options, runCode });
    expect(lines.map(({ scores }) => scores["code-run"]!.score)).toEqual([1, 0]);
    expect(ran[0]).toBe(`${lines[0]!.answer}\n${samples[0]!.target}\n`);
    await expect(evaluate(talker, [{ ...program, samples }], options)).rejects.toMatchObject({
      code: "E_USAGE",
      message: expect.stringContaining("--allow-code") as unknown,
    });
  });

  test("chooses among labels by summed log-likelihood of the whole answer, and scores it per byte beside", async () => {
    const choices = ["a", "banana bandana", "no", "ban", "banana"];
    const samples = inputs.slice(0, 10).map((input, i) => ({ input, target: choices[i % 4]! }));
    const chosen: EvalTask = { ...task, samples, labels: choices };
    const { lines } = await evaluate(talker, [chosen], { methods: ["prompted"], ...timesNothing });
    await using decoder = await createDecoder(talker.model, { threads: 1 });
    let [right, rightPerByte, tokens] = [0, 0, 0];
    for (const [i, { input, target }] of samples.entries()) {
      const ids = encodePrompted(smallTokenizer, layout, { prompt: systemPrompt, input });
      const scores = await decoder.score(
        ids,
        choices.map((choice) => encodeTarget(smallTokenizer, layout, choice)),
      );
      for (const [j, score] of scores.entries()) expect(lines[i]!.logLikelihoods![j]).toBeCloseTo(score, 3);
      const perByte = scores.map((score, i) => score / Buffer.byteLength(choices[i]!));
      if (choices[scores.indexOf(Math.max(...scores))] === target) right++;
      if (choices[perByte.indexOf(Math.max(...perByte))] === target) rightPerByte++;
      tokens += ids.length;
    }
    const { score, byScorer, inputTokens } = summarize(lines).strata["tasks"]!.methods["prompted"]!;
    expect({ score, inputTokens }).toEqual({ score: right / 10, inputTokens: tokens / 10 });
    expect(byScorer).toEqual({ choice: right / 10, "choice-per-byte": rightPerByte / 10 });
  });

  test("times whole queries by the given clock, and only as many as asked", async () => {
    let ticks = 0;
    const options = { methods: ["base", "prompted"], threads: 1, now: () => ticks++ };
    const { tasks } = await tasksOf(talker, [task], { ...options, timedQueries: 3 });
    expect(tasks["say"]).toMatchObject({ base: { msPerQuery: 1 }, prompted: { msPerQuery: 1 } });
    expect(ticks).toBe(2 * 2 * (1 + 3)); // a beginning and an end, two methods, one query to warm up and three that count
    const { methods } = await tasksOf(talker, [task], { ...options, timedQueries: 0 });
    expect(methods["base"]!.msPerQuery).toBeNull();
    expect(ticks).toBe(16);
  });

  test("takes over what other logs answer to the very same questions, and asks anew what it times and what differs", async () => {
    const options = { methods: ["base", "prompted"], ...timesNothing, controls: false };
    const { lines: others } = await evaluate(talker, [task, other], options);
    const changed = { ...other, systemPrompt: "Say nothing else." };
    const appended: string[] = [];
    const asked: number[] = [];
    const { lines } = await evaluate(
      talker,
      [task, changed],
      { ...options, timedQueries: 3, others, onProgress: ({ done }) => void asked.push(done) },
      {
        lines: [],
        append: async ({ task: name, sample, method }) => void appended.push(`${name} ${method} ${sample}`),
      },
    );
    expect(lines).toHaveLength(2 * 24 + 2);
    expect(asked[0]).toBe(2 * (24 - 3));
    expect(new Set(appended).size).toBe(2 * 24 + 2); // its own log is whole
    expect(lines.filter(({ task: name, ms }) => name === "say" && ms !== null).map(({ sample }) => sample)).toEqual([
      0, 1, 2, 0, 1, 2,
    ]);
    const answerOf = (from: typeof lines) =>
      new Map(from.map((line) => [`${line.task} ${line.method} ${line.sample}`, line.answer]));
    const [first, again] = [answerOf(others), answerOf(lines)];
    for (const [key, answer] of first) if (key.startsWith("say")) expect(again.get(key)).toBe(answer);

    const elsewhere = others.map((line) => ({ ...line, sha256: { ...line.sha256, model: "another" } }));
    asked.length = 0;
    await evaluate(talker, [task], { ...options, others: elsewhere, onProgress: ({ done }) => void asked.push(done) });
    expect(asked[0]).toBe(0);
  });

  test("that goes on from its log times no more queries than one that was not stopped", async () => {
    const options = { methods: ["base"], threads: 1, timedQueries: 3 };
    const { lines } = await evaluate(talker, [task], options);
    const half = { lines: lines.slice(0, 12), append: async () => undefined };
    const again = await evaluate(talker, [task], options, half);
    expect(again.lines.filter(({ ms }) => ms !== null)).toHaveLength(3);
  });

  test("tells how far it is, and stops when asked to", async () => {
    const seen: string[] = [];
    const controller = new AbortController();
    const onProgress = ({ done, total, method }: { done: number; total: number; method: string }) => {
      seen.push(`${method} ${done}/${total}`);
      if (done === 7) controller.abort();
    };
    const methods = ["base", "prompted", "specialized"];
    const options = { methods, limit: 5, onProgress, signal: controller.signal, ...timesNothing };
    await expect(evaluate(talker, [task], options)).rejects.toMatchObject({ code: "E_INTERRUPTED" });
    expect(seen[0]).toBe("base 0/15");
    expect(seen).toContain("base 5/15");
    expect(seen).not.toContain("specialized 11/15");
  });

  test("logs a sample that does not fit as such, counts it as 0 and goes on", async () => {
    const long = { ...other, samples: [{ input: "n ".repeat(200), target: "a" }, other.samples[0]!] };
    const { lines } = await evaluate(talker, [long, task], { methods: ["base"], ...timesNothing });
    expect(lines).toHaveLength(26);
    expect(lines[0]).toMatchObject({
      finish: "failed",
      answer: null,
      error: { code: "E_LIMIT", message: expect.stringContaining("context of 160") },
      scores: { exact: { score: 0, reason: expect.stringContaining("context of 160") } },
    });
    expect(lines[1]!.finish).not.toBe("failed");
    expect(summarize(lines).strata["tasks"]!.methods["base"]).toMatchObject({ n: 26, failed: 1 });
  });

  test("logs a prompt that is too long for the cloud model, and goes on with the next task", async () => {
    const { AppError } = await import("../base/errors.ts");
    const strict: Subject = {
      ...talker,
      async specialize(prompt) {
        if (prompt === other.systemPrompt) throw new AppError("E_PROMPT", "too long");
        return talker.specialize(prompt);
      },
    };
    const { lines } = await evaluate(strict, [other, task], { methods: ["specialized"], ...timesNothing });
    expect(lines.map(({ error }) => error?.code).slice(0, 2)).toEqual(["E_PROMPT", undefined]);
    expect(lines).toHaveLength(25);
  });

  test("leaves methods out where a task does not allow them, and refuses what leaves nothing", async () => {
    const { lines, leftOut } = await evaluate(talker, [task, other], {
      methods: ["base", "prompted-2shot", "sibling-prompt"],
      ...timesNothing,
    });
    expect(leftOut).toEqual([{ method: "prompted-2shot", tasks: ["other"], reason: "needs 2 examples, found 0" }]);
    expect(new Set(lines.filter(({ task: name }) => name === "other").map(({ method }) => method))).toEqual(
      new Set(["base", "sibling-prompt"]),
    );
    const refused = (tasks: readonly EvalTask[], options: Partial<EvalOptions>) =>
      expect(evaluate(talker, tasks, { methods: ["prompted-5shot"], ...timesNothing, ...options })).rejects;
    await refused([task], {}).toMatchObject({ code: "E_DATA", message: expect.stringContaining("needs 5 examples") });
    await refused([], {}).toMatchObject({ code: "E_DATA" });
    await refused([task], { only: /nothing/ }).toMatchObject({ code: "E_DATA" });
    await refused([{ ...task, scorer: "exakt" }], {}).toMatchObject({ code: "E_DATA" });
  });

  test("with seeds asks each task once for each, drawing samples anew, or the variants that have those seeds", async () => {
    const run = (tasks: readonly EvalTask[], seeds?: number[]) =>
      evaluate(talker, tasks, { methods: ["base"], limit: 4, seeds, ...timesNothing });
    const { lines } = await run([task], [1, 2]);
    const drawn = (seed: number) => lines.filter((line) => line.seed === seed).map(({ sample }) => sample);
    expect(drawn(1)).toHaveLength(4);
    expect(drawn(1)).not.toEqual(drawn(2));
    expect(summarize(lines).strata["tasks"]!.methods["base"]).toMatchObject({ tasks: 1, n: 8 });
    const variants = [1, 2, 3].map((seed) => ({ ...task, seed }));
    expect(new Set((await run(variants, [2, 3])).lines.map(({ seed }) => seed))).toEqual(new Set([2, 3]));
    expect((await run([task])).lines.map(({ sample }) => sample)).toEqual([0, 1, 2, 3]);
  });
});

describe("an evaluation of a pair on disk", () => {
  let folder: string;
  const choices = ["yes", "no", "perhaps"];
  const tasks: EvalTask[] = ["alpha", "beta"].map((name, index) => ({
    ...blank,
    name,
    kind: name,
    systemPrompt: `Decide about ${name}: ${choices.join(", ")}.`,
    examples: choices.map((target, i) => ({ input: `${name} example ${i}`, target })),
    samples: Array.from({ length: 9 }, (_, i) => ({
      input: `${name} question ${i}`,
      target: choices[(i + index) % 3]!,
      choices,
    })),
  }));
  const methods = [
    "base",
    "prompted",
    "prompted-3shot",
    "specialized",
    "specialized-3shot",
    "far-prompt",
    "shuffled-prompt",
  ];
  const files = () => tasks.map(({ name }) => join(folder, `${name}.json`));
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "run-eval-"));
    await writeTinyPair(join(folder, "pair"));
    for (const [i, path] of files().entries()) await writeJsonFile(path, tasks[i]);
  });
  afterAll(() => rm(folder, { recursive: true }));
  const run = (options: Partial<Parameters<typeof runEval>[0]> = {}) =>
    runEval({ pairDirectory: join(folder, "pair"), taskFiles: files(), methods, ...timesNothing, ...options });

  test("specialised models that are swapped in one session answer as merged ones do", async () => {
    const own = { methods: ["specialized", "far-prompt"], written: (task: { name: string }) => task.name === "alpha" };
    const [log, swapped] = [join(folder, "merged.jsonl"), join(folder, "swapped.jsonl")];
    await run({ ...own, log });
    await run({ ...own, log: swapped, swap: true, timedQueries: 1 });
    const said = async (path: string) =>
      (await readLogs([path])).map((line) => [questionKey(line), line.answer] as const);
    expect(await said(swapped)).toEqual(await said(log));
    await expect(run({ ...own, log, swap: true })).rejects.toMatchObject({ code: "E_MISMATCH" });
    await expect(run({ ...own, log: swapped })).rejects.toMatchObject({ code: "E_MISMATCH" });
    expect(new Set((await said(log)).map(([, answer]) => answer)).size).toBeGreaterThan(3);
  });

  test("asks merged weights of each task's own and of the control's prompt", async () => {
    const report = await run();
    const pair = await loadPair(join(folder, "pair"));
    for (const task of withControls(tasks)) {
      expect(task.farPrompt).not.toBe(task.systemPrompt);
      const asked = [
        ["base", undefined, undefined],
        ["prompted", task.systemPrompt, undefined],
        ["specialized", undefined, task.systemPrompt],
        ["far-prompt", undefined, task.farPrompt],
      ] as const;
      for (const [method, context, specializeBy] of asked) {
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
        expect(report.strata["tasks"]!.tasks[task.name]![method]!.score, `${task.name} ${method}`).toBe(right / 9);
      }
    }
  });

  test("is the same when done again, and is plain JSON", async () => {
    const [first, second] = [await run({ limit: 4 }), await run({ limit: 4 })];
    expect(second).toEqual(first);
    expect(JSON.parse(JSON.stringify(first))).toEqual(first);
    const { tasks: byTask, methods: byMethod } = first.strata["tasks"]!;
    expect(Object.keys(byTask)).toEqual(["alpha", "beta"]);
    expect(Object.keys(byTask["alpha"]!)).toEqual(methods);
    expect(byMethod["specialized"]).toMatchObject({ tasks: 2, n: 8 });
  });

  test("that was stopped goes on from its log, asks nothing twice, and reports as if it had not been stopped", async () => {
    const log = join(folder, "answers.jsonl");
    const controller = new AbortController();
    const stopAt = (count: number) => ({
      signal: controller.signal,
      onProgress: ({ done }: { done: number }) => {
        if (done === count) controller.abort();
      },
    });
    await expect(run({ log, ...stopAt(30) })).rejects.toMatchObject({ code: "E_INTERRUPTED" });
    const before = (await readFile(log, "utf8")).trimEnd().split("\n");
    expect(before.length).toBeGreaterThanOrEqual(30);
    await writeFile(log, `${before.join("\n")}\n${before[0]!.slice(0, 40)}`); // killed while it wrote
    const counts: number[] = [];
    const report = await run({ log, onProgress: ({ done }) => counts.push(done) });
    expect(counts[0]).toBe(before.length);
    const lines = await readLogs([log]);
    expect(lines).toHaveLength(2 * 9 * methods.length);
    expect(report).toEqual(await run());
    const again = await Promise.all(lines.map((line) => rescored(line)));
    expect(summarize(again)).toEqual({ strata: report.strata });
    expect(again).toEqual(lines);
    const asked: number[] = [];
    await run({ log, onProgress: ({ done }) => asked.push(done) });
    expect(asked).toEqual([]);
  });

  test("keeps a second process out of its log while it writes", async () => {
    const path = join(folder, "shared.jsonl");
    const open = await openLog(path);
    await expect(run({ log: path, limit: 1 })).rejects.toMatchObject({
      code: "E_IO",
      message: expect.stringContaining(`process ${process.pid} is writing to it`) as unknown,
    });
    await open[Symbol.asyncDispose]();
    await run({ log: path, limit: 1, methods: ["base"] });
    expect(await readLogs([path])).toHaveLength(2);
    expect((await readdir(folder)).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });

  test("refuses the log of another model or of a task that has changed since, and leaves it as it is", async () => {
    const log = join(folder, "other.jsonl");
    await run({ log, limit: 1, methods: ["base"] });
    const text = await readFile(log, "utf8");
    const changed = join(folder, "changed.json");
    await writeJsonFile(changed, { ...tasks[0], systemPrompt: "Another prompt." });
    const refused = { code: "E_MISMATCH", message: expect.stringContaining('"alpha" has changed') };
    await expect(run({ log, taskFiles: [changed] })).rejects.toMatchObject(refused);
    const [first, ...others] = tasks[0]!.samples;
    await writeJsonFile(changed, { ...tasks[0], samples: [{ ...first, input: "another row" }, ...others] });
    const another = { code: "E_MISMATCH", message: expect.stringContaining('question 0 of the task "alpha"') };
    await expect(run({ log, taskFiles: [changed, ...files().slice(1)] })).rejects.toMatchObject(another);
    await writeTinyPair(join(folder, "pair-2"), { seed: 1 });
    await expect(run({ log, pairDirectory: join(folder, "pair-2") })).rejects.toMatchObject({ code: "E_MISMATCH" });
    expect(await readFile(log, "utf8")).toBe(text);
    await appendFile(log, '{"log":1,"task":3}\n');
    await expect(run({ log })).rejects.toMatchObject({ code: "E_FORMAT", message: expect.stringContaining("jsonl:3") });
  });
});
