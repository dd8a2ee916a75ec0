import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeBenchmarkData } from "../../../test/support/benchmark-data.ts";
import { recordingContext } from "../../../test/support/cli-context.ts";
import { writeTinyPair } from "../../../test/support/tiny-pair.ts";
import type { CalibrationReport } from "../../eval/calibration.ts";
import type { LeftOut } from "../../eval/plan.ts";
import type { EvalReport } from "../../eval/report.ts";
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
