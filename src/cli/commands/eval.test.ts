import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeBenchmarkData } from "../../../test/support/benchmark-data.ts";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { writeTinyPair } from "../../../test/support/tiny-pair.ts";
import { sha256 } from "../../base/hash.ts";
import type { CalibrationReport } from "../../eval/calibration.ts";
import type { LogLine } from "../../eval/log.ts";
import type { LeftOut } from "../../eval/plan.ts";
import type { EvalReport } from "../../eval/report.ts";
import { openModel, saveModel } from "../../models/model-file.ts";
import { parameterShapes } from "../../models/parameters.ts";
import { loadPair } from "../../pair/pair-file.ts";
import { readWeight } from "../../runtime/read-weight.ts";
import { runCli } from "../program.ts";

const folder = mkdtempSync(join(tmpdir(), "eval-command-"));
afterAll(() => rmSync(folder, { recursive: true }));
const pair = join(folder, "pair");
beforeAll(() => writeTinyPair(pair));

const sample = { input: "is it open", target: "yes", choices: ["yes", "no"] };
const example = { input: "is it far", target: "no" };

function writeTask(name: string, changes: object = {}): string {
  const path = join(folder, `${name}.json`);
  const task = { name, systemPrompt: `Answer yes or no about ${name}.`, samples: [sample, sample] };
  writeFileSync(path, JSON.stringify({ ...task, ...changes }));
  return path;
}

async function run(...args: string[]) {
  const { context, written } = recordingContext();
  const status = await runCli(args, context);
  return { status, ...written };
}

async function evaluate(...args: string[]) {
  const { status, stdout, stderr } = await run("eval", "--pair", pair, "--threads", "1", "--json", "--suite", ...args);
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(1);
  return { status, stderr, value: JSON.parse(lines[0]!) as EvalReport & { leftOut: LeftOut[] } };
}

const linesOf = (log: string) =>
  readFileSync(log, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as LogLine);

test("a task without examples is asked by the methods that it allows; the others are named once, with reasons", async () => {
  const { status, stderr, value } = await evaluate(writeTask("shop"));
  expect(status).toBe(0);
  expect(Object.keys(value.strata["tasks"]!.methods)).toEqual(["base", "prompted", "specialized"]);
  expect(value.leftOut.map(({ method }) => method)).toEqual(["prompted-5shot", "sibling-prompt", "far-prompt"]);
  expect(stderr.match(/^left out: .*$/gm)).toEqual([
    expect.stringMatching(/prompted-5shot on "shop" \(needs 5 examples/),
  ]);
});

test("nothing is left out of tasks that allow every default method", async () => {
  const controls = { siblingPrompt: "Answer up or down.", farPrompt: "Sing." };
  const files = ["alpha", "beta"].map((name) => writeTask(name, { examples: Array(5).fill(example), ...controls }));
  const { status, stderr, value } = await evaluate(...files);
  expect(status).toBe(0);
  expect(Object.keys(value.strata["tasks"]!.methods)).toHaveLength(6);
  expect(value.leftOut).toEqual([]);
  expect(stderr).not.toContain("left out");
});

test("a suite is found by its name in the pair's folder, and chosen from by --only, --limit and --methods", async () => {
  const { mkdirSync } = await import("node:fs");
  mkdirSync(join(pair, "suites"));
  const lines = ["one", "two"].map((name) => ({ name, systemPrompt: `Prompt ${name}.`, samples: [sample, sample] }));
  writeFileSync(join(pair, "suites", "small.jsonl"), lines.map((line) => JSON.stringify(line)).join("\n"));
  const { value } = await evaluate("small", "--only", "^t", "--limit", "1", "--methods", "base,far-prompt");
  expect(Object.keys(value.strata["tasks"]!.tasks)).toEqual(["two"]);
  expect(value.strata["tasks"]!.tasks["two"]).toMatchObject({ base: { n: 1 }, "far-prompt": { n: 1 } });
  expect((await evaluate("absent")).value).toMatchObject({ error: { code: "E_NOT_FOUND" } });
});

test("what eval logs, report turns into the same numbers, by other scorers too, and into Markdown", async () => {
  const log = join(folder, "answers.jsonl");
  const files = ["x", "y"].map((name) => writeTask(name, { stratum: `stratum ${name}` }));
  const { value } = await evaluate(
    ...files,
    "--log",
    log,
    "--methods",
    "base,prompted,specialized",
    "--against",
    "prompted",
  );
  const report = await run("report", log, "--json", "--against", "prompted");
  expect((JSON.parse(report.stdout) as EvalReport).strata).toEqual(value.strata);
  expect(Object.keys(value.strata)).toEqual(["stratum x", "stratum y"]);
  const letters = await run("report", log, "--json", "--scorer", "letter");
  expect((JSON.parse(letters.stdout) as EvalReport).strata["stratum x"]!.methods["base"]!.score).toBe(0);
  const { stdout } = await run("report", log, "--markdown", "--against", "prompted");
  expect(stdout).toMatch(/^stratum x: 1 task, 2 questions a method$/m);
  expect(stdout).toMatch(/^\| base - prompted|^\| base − prompted/m);
  const unknown = await run("report", log, "--scorer", "exakt");
  expect(unknown.status).toBe(1);
  expect(unknown.stderr).toContain('"exakt"');
});

test("a model alone is asked by its own chat template, as it is and prompted, and by nothing else", async () => {
  const folder = join(pair, "alone");
  cpSync(join(pair, "edge"), folder, { recursive: true });
  cpSync(join(pair, "tokenizer"), folder, { recursive: true });
  const evaluateModel = async () => {
    const args = [
      "--model",
      folder,
      "--threads",
      "1",
      "--json",
      "--suite",
      writeTask("alone", { examples: [example] }),
    ];
    const { status, stdout } = await run("eval", ...args);
    return { status, value: JSON.parse(stdout) as EvalReport & { leftOut: LeftOut[]; error?: { code: string } } };
  };
  expect((await evaluateModel()).value.error).toMatchObject({ code: "E_CONFIG" });
  const template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:";
  writeFileSync(join(folder, "chat_template.jinja"), template);
  const { status, value } = await evaluateModel();
  expect(status).toBe(0);
  const { base, prompted } = value.strata["tasks"]!.methods;
  expect(prompted!.inputTokens!).toBeGreaterThan(base!.inputTokens!);
  expect(value.leftOut.map(({ method }) => method)).toEqual(
    expect.arrayContaining(["specialized", "sibling-prompt", "far-prompt"]) as string[],
  );
  rmSync(join(folder, "tokenizer.json"));
  expect((await evaluateModel()).value.error).toMatchObject({ code: "E_NOT_FOUND" });
});

test("--exact asks a quantised model in fp32, as a model of the same values that no code stands for; without it inputs are rounded", async () => {
  const at = (name: string) => join(folder, `exact-${name}`);
  cpSync(join(pair, "edge"), at("dense"), { recursive: true });
  cpSync(join(pair, "tokenizer"), at("dense"), { recursive: true });
  const template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:";
  writeFileSync(join(at("dense"), "chat_template.jinja"), template);
  expect(await run("quantize", "--model", at("dense"), "--bits", "8", "--out", at("int8"))).toMatchObject({
    status: 0,
  });
  const { config, weights } = await openModel(at("int8"), { exact: true });
  const values = new Map<string, Float32Array>();
  for (const name of parameterShapes(config).keys()) values.set(name, await readWeight(weights[name]!));
  cpSync(at("dense"), at("widened"), { recursive: true });
  await saveModel(at("widened"), config, values);
  const task = writeTask("rounding", { samples: [sample, { ...sample, input: "is it far from here" }] });
  const likelihoods = async (name: string, ...flags: string[]) => {
    const log = `${at(name)}${flags.join("")}.jsonl`;
    const args = ["--model", at(name), "--suite", task, "--methods", "base,prompted", "--timed", "0", "--threads", "1"];
    expect(await run("eval", ...args, "--log", log, ...flags)).toMatchObject({ status: 0 });
    return linesOf(log).flatMap(({ logLikelihoods }) => logLikelihoods!);
  };
  const [exact, rounded, widened] = [
    await likelihoods("int8", "--exact"),
    await likelihoods("int8"),
    await likelihoods("widened"),
  ];
  expect(exact).toHaveLength(8);
  const apart = (some: readonly number[]) => Math.max(...some.map((value, i) => Math.abs(value - widened[i]!)));
  expect(apart(exact)).toBeLessThan(1e-6);
  expect(apart(rounded)).toBeGreaterThan(1e-4);
});

test("a specialisation made before answers as `run` does with it, in the form that it demands", async () => {
  const made = join(folder, "made");
  const labels = ["red", "green", "blue"];
  const prompt = ["--prompt", "Name the colour.", "--labels", labels.join(",")];
  expect(await run("specialize", "--pair", pair, ...prompt, "--out", made)).toMatchObject({ status: 0 });
  const inputs = ["grass", "the sky"];
  const samples = inputs.map((input) => ({ input, target: "green" }));
  const [task, log] = [writeTask("colours", { samples }), join(folder, "made.jsonl")];
  const methods = ["--methods", `base,specialization:${made}`, "--timed", "0"];
  expect((await evaluate(task, ...methods, "--log", log)).status).toBe(0);
  const lines = linesOf(log);
  for (const { input, answer } of lines.filter(({ method }) => method === `specialization:${made}`)) {
    const args = ["--pair", pair, "--threads", "1", "--json", "--specialization", made, "--input", input];
    const { text } = JSON.parse((await run("run", ...args)).stdout) as { text: string };
    expect(labels).toContain(text);
    expect(answer).toBe(text);
  }
  for (const { answer } of lines.filter(({ method }) => method === "base")) expect(labels).not.toContain(answer);
  expect((await evaluate(task, ...methods, "--log", log)).status).toBe(0); // goes on: nothing is left
  const other = ["--prompt", "Name another colour.", "--no-constraint"];
  expect(await run("specialize", "--pair", pair, ...other, "--out", made)).toMatchObject({ status: 0 });
  expect((await evaluate(task, ...methods, "--log", log)).value).toMatchObject({ error: { code: "E_MISMATCH" } });
});

test("--log-prompts keeps the prompt and all that the model read; without it the log has the prompt's hash alone", async () => {
  const task = writeTask("kept");
  const [short, long] = [join(folder, "short.jsonl"), join(folder, "long.jsonl")];
  const methods = ["--methods", "base,prompted,specialized", "--timed", "0", "--log"];
  expect((await evaluate(task, ...methods, short)).status).toBe(0);
  expect((await evaluate(task, ...methods, long, "--log-prompts")).status).toBe(0);
  expect(readFileSync(short, "utf8")).not.toContain("Answer yes or no");
  const prompt = "Answer yes or no about kept.";
  for (const { method, prompt: kept, asked, sha256: hashes } of linesOf(long)) {
    expect(kept).toBe(method === "base" ? undefined : prompt);
    expect(hashes.prompt).toBe(kept === undefined ? null : sha256(kept));
    const before = method === "prompted" ? `<|system|>${prompt}` : "";
    expect(asked).toBe(`<s>${before}<|user|>is it open<|assistant|>`);
  }
});

test("report --calibration holds confidence against accuracy, with a temperature from other logs", async () => {
  const log = join(folder, "chosen.jsonl");
  await evaluate(writeTask("chosen"), "--log", log, "--methods", "base");
  const { stdout } = await run("report", log, "--json", "--calibration", "--fit-on", log);
  const { temperatures, strata } = JSON.parse(stdout) as CalibrationReport;
  expect(temperatures["base"]).toBeGreaterThan(0);
  expect(strata["tasks"]!["base"]!.plain).toMatchObject({ n: 2 });
  const table = await run("report", log, "--calibration");
  expect(table.stdout).toMatch(/^tasks +base +2 /m);
  const alone = await run("report", log, "--fit-on", log);
  expect(alone).toMatchObject({ status: 1, stderr: expect.stringContaining("expected --calibration") as string });
});

test("--written has labels written, free or as the prompt demands; their temperature is fitted and kept in the pair", async () => {
  const labels = { systemPrompt: "Answer with one of these labels: yes, no.", labels: ["yes", "no"] };
  const samples = ["yes", "no", "no", "yes"].map((target, i) => ({ input: `is ${i} open`, target }));
  const path = writeTask("labels", { ...labels, samples });
  const written = ["--written", "--timed", "0", "--methods", "base,specialized"];
  const log = (name: string) => join(folder, `written-${name}.jsonl`);
  await evaluate(path, "--log", log("free"), ...written);
  await evaluate(path, "--log", log("kept"), "--find-constraint", ...written);
  const linesOf = (name: string): LogLine[] =>
    readFileSync(log(name), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as LogLine);
  for (const { scorer, finish, choices, confidence } of linesOf("free"))
    expect([scorer, finish === "choice", choices, confidence]).toEqual(["exact", false, undefined, undefined]);
  for (const { answer, confidence } of linesOf("kept")) {
    expect(["yes", "no"]).toContain(answer);
    expect(confidence).toBeGreaterThanOrEqual(0.5); // the likelier of two
  }
  const own = join(folder, "tempered");
  await writeTinyPair(own);
  const fit = ["--calibration", "--fit-on", log("kept"), "--set-temperature", own];
  const { stdout } = await run("report", log("kept"), "--json", ...fit);
  const { confidenceTemperature } = await loadPair(own);
  expect(confidenceTemperature).toBe((JSON.parse(stdout) as CalibrationReport).temperatures["specialized"]);
  expect(confidenceTemperature).toBeGreaterThan(0);
  const free = await run("report", log("free"), "--calibration", "--fit-on", log("free"), "--set-temperature", own);
  expect(free).toMatchObject({ status: 1, stderr: expect.stringContaining("expected labels written") as string });
  const chosen = join(folder, "written-not.jsonl");
  await evaluate(path, "--log", chosen, "--timed", "0", "--methods", "specialized");
  const likely = await run("report", chosen, "--calibration", "--fit-on", chosen, "--set-temperature", own);
  expect(likely).toMatchObject({ status: 1, stderr: expect.stringContaining("expected labels written") as string });
});

test("--among-labels has a task's labels written among themselves, other tasks as they are, and asks for the same constraint again", async () => {
  const labels = ["left", "right", "straight on"];
  const closed = writeTask("closed", {
    systemPrompt: "Where to?", // names no label: nothing could be found in it
    labels,
    samples: labels.map((target) => ({ input: `go ${target}`, target })),
  });
  const own = { labels: ["a", "b"], samples: [{ input: "which", target: "c", choices: ["c", "d"] }] };
  const suite = [closed, writeTask("open", own)]; // the choices of a sample come before the labels
  const log = join(folder, "among.jsonl");
  const asked = ["--among-labels", "--timed", "0", "--methods", "base,specialized", "--log", log];
  await evaluate(closed, suite[1]!, ...asked);
  const lines = linesOf(log);
  for (const { task, answer, confidence, finish } of lines) {
    expect(finish === "choice").toBe(task === "open");
    expect(confidence !== undefined).toBe(task === "closed");
    if (task === "closed") expect(labels).toContain(answer);
  }
  expect(new Set(lines.map(({ task }) => task))).toEqual(new Set(["closed", "open"]));
  const { status, stderr } = await run("eval", "--suite", ...suite, "--pair", pair, "--written", "--log", log);
  expect([status, stderr]).toEqual([1, expect.stringContaining("asked under another constraint")]);
  const odd = { labels: ["a\nb", "c"], samples: [{ input: "which", target: "c" }] };
  const refused = await run("eval", "--pair", pair, "--suite", writeTask("odd", odd), "--among-labels");
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining('task "odd": labels')]);
});

test("--check refuses tasks whose answers the prompt does not say, all at once, and asks nothing", async () => {
  const choices = { samples: [{ input: "x", target: "up" }], labels: ["up", "down"] };
  const files = [writeTask("fine"), writeTask("blind", choices), writeTask("odd", { scorer: "exakt" })];
  const { status, stderr } = await run("eval", "--check", ...files);
  expect(status).toBe(1);
  expect(stderr).toMatch(/E_DATA: 2 of 3 tasks refused/);
  expect(stderr).toContain('task "blind": the label "up" is not in the prompt; the label "down"');
  expect(stderr).toContain('"exakt"');
  const { status: fine, stdout } = await run("eval", "--json", "--check", files[0]!);
  expect({ fine, value: JSON.parse(stdout) as unknown }).toEqual({ fine: 0, value: { tasks: 1 } });
});

test("a question that no method can ask is logged as failed, not the end of the evaluation", async () => {
  const long = { ...sample, input: "open ".repeat(400) };
  const { status, value } = await evaluate(writeTask("long", { samples: [long, sample] }), "--methods", "base");
  expect(status).toBe(0);
  expect(value.strata["tasks"]!.tasks["long"]!["base"]).toMatchObject({ n: 2, failed: 1 });
});

test("a published task is asked by its name over a folder of data, and more items go on from fewer", async () => {
  const data = join(folder, "data");
  writeBenchmarkData(data);
  const log = join(folder, "published.jsonl");
  const options = ["--methods", "base,prompted-3shot", "--log", log, "--timed", "0"];
  const few = await evaluate("winogrande", "piqa-letters", "--data", data, "--limit", "2", ...options);
  expect(few.status).toBe(0);
  expect(Object.keys(few.value.strata)).toEqual(["unseen", "unseen, letters"]);
  const more = await evaluate("winogrande", "piqa-letters", "--data", data, "--limit", "3", ...options);
  expect(more.value.strata["unseen"]!.tasks["winogrande"]).toMatchObject({
    base: { n: 3 },
    "prompted-3shot": { n: 3 },
  });
  const { value } = await evaluate("arc-e");
  expect(value).toMatchObject({ error: { code: "E_USAGE", message: expect.stringContaining("--data") as unknown } });
  const twice = await evaluate(writeTask("boolq", { seed: 1 }), "boolq", "--data", data);
  expect(twice.value).toMatchObject({ error: { code: "E_DATA" } });
});
