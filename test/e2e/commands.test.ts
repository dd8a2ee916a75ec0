/** @file Every command on a tiny pair, as a user runs it: what it prints and what it writes. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { loragen, loragenHere, start } from "../support/loragen.ts";
import { testTokenizer, writeTinyPair } from "../support/tiny-pair.ts";

let folder: string;
let pair: string;
let specialization: string;

const prompt = "Find the intent of the message. Give the bare label.";
const ms = z.number().min(0);
const hash = z.string().regex(/^[0-9a-f]{64}$/);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "loragen-commands-"));
  pair = join(folder, "pair");
  specialization = join(folder, "specialization");
  await writeTinyPair(pair, { context: 256 });
  await json(["specialize", "--pair", pair, "--prompt", prompt, "--out", specialization]);
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs with --json: stdout must be one JSON object, the status 0. Each command runs as a process of its own once; the rest run here, which saves a second each. */
async function json(args: readonly string[], { stdin = "", run = loragen } = {}): Promise<unknown> {
  const { status, stdout, stderr } = await run([...args, "--json"], { stdin });
  expect(status, stderr).toBe(0);
  expect(stdout.trimEnd().split("\n")).toHaveLength(1);
  return JSON.parse(stdout);
}

/** The same in this process. */
const jsonHere = (args: readonly string[]): Promise<unknown> => json(args, { run: loragenHere });

test("specialize writes under 1 kB and says what it wrote", async () => {
  const out = join(folder, "written");
  const promptFile = join(folder, "prompt.txt");
  await writeFile(promptFile, `${prompt}\n`);
  const result = z
    .strictObject({
      gates: z.array(z.array(z.number()).length(4)).length(2),
      topK: z.literal(2),
      layers: z.literal(2),
      experts: z.literal(4),
      promptTokens: z.int().min(5),
      promptHmac: hash,
      truncated: z.literal(false),
      unlike: z.literal(false),
      bytes: z.int().max(999),
      constraintBytes: z.literal(0),
      ms: z.strictObject({ load: ms, cloud: ms, assemble: ms }),
      file: z.literal(join(out, "specialization.json")),
    })
    .parse(await json(["specialize", "--pair", pair, "--prompt-file", promptFile, "--out", out]));
  expect((await stat(result.file)).size).toBe(result.bytes);
  expect(await readdir(out)).toEqual(["specialization.json"]);
  // A prompt file's last line end is not part of the prompt.
  expect(await readFile(result.file, "utf8")).toBe(await readFile(join(specialization, "specialization.json"), "utf8"));
});

test("labels of a prompt travel in its specialisation and are kept by answers, unless told otherwise", async () => {
  const out = join(folder, "labelled");
  const labelled = ["specialize", "--pair", pair, "--prompt", "Classify the text as weather, sports or music."];
  const { status, stdout, stderr } = await loragenHere([...labelled, "--out", out]);
  expect([status, stderr]).toEqual([
    0,
    'found 3 labels: weather, sports, music; behind "Classify the text as"; --no-constraint leaves answers free\n',
  ]);
  expect(stdout).toContain("answers  3 labels: weather, sports, music");
  const ask = (...args: string[]) =>
    jsonHere(["run", "--pair", pair, "--input", "it rains", "--specialization", out, ...args]);
  expect(["weather", "sports", "music"]).toContain(((await ask()) as { label: string }).label);
  expect(await ask("--no-constraint")).not.toHaveProperty("label");
  expect(await ask("--labels", "x,y", "--abstain", "1")).toMatchObject({ text: "none", abstained: true });
  const inspected = (await jsonHere(["inspect", out])) as { constraintBytes: number; bytes: number };
  expect(inspected.constraintBytes).toBeGreaterThan(40);
  const anonymous = join(folder, "anonymous");
  expect(await jsonHere([...labelled, "--no-constraint", "--anonymous", "--out", anonymous])).not.toHaveProperty(
    "promptHmac",
  );
  expect(await readFile(join(anonymous, "specialization.json"), "utf8")).not.toMatch(/promptHmac|weather/);
});

test("run answers as base, prompted and specialised model; only the prompted one reads the prompt", async () => {
  const Result = z.strictObject({
    text: z.string().min(1),
    inputTokens: z.int(),
    outputTokens: z.int().min(1).max(12),
    finish: z.enum(["stop", "length"]),
    role: z.string(),
    ms: z.strictObject({ load: ms, prefill: ms, decode: ms }),
  });
  const ask = async (...args: string[]) =>
    Result.parse(await jsonHere(["run", "--pair", pair, "--input", "is my table free", "--max-tokens", "12", ...args]));
  const base = await ask();
  const prompted = await ask("--prompt", prompt);
  const specialized = await ask("--specialization", specialization);
  expect([base.role, prompted.role, specialized.role]).toEqual(["base", "prompted", "specialized"]);
  expect(specialized.inputTokens).toBe(base.inputTokens);
  expect(prompted.inputTokens).toBeGreaterThan(base.inputTokens + 5);
  expect(new Set([base.text, prompted.text, specialized.text]).size).toBe(3);
});

test("run streams the text alone to stdout, reads input from a pipe, and the same seed draws the same answer", async () => {
  const args = ["run", "--pair", pair, "--input", "-", "--max-tokens", "6", "--temperature", "1", "--seed", "7"];
  const first = await loragen(args, { stdin: "hello\n" });
  const again = (await json(args, { stdin: "hello\n", run: loragenHere })) as { text: string };
  expect(first.status).toBe(0);
  expect(first.stdout).toBe(`${again.text}\n`);
  expect(first.stderr).toMatch(/^base: \d+ tokens in, 6 out .*prefill/);
});

test("chat answers line by line until /exit", async () => {
  const lines = "hello\n\nwhat is new\n/exit\nnever read\n";
  const chat = await loragen(["chat", "--pair", pair, "--prompt", prompt, "--max-tokens", "4"], { stdin: lines });
  const alone = (await jsonHere([
    "run",
    "--pair",
    pair,
    "--prompt",
    prompt,
    "--max-tokens",
    "4",
    "--input",
    "hello",
  ])) as {
    text: string;
  };
  expect(chat.status).toBe(0);
  expect(chat.stdout.split("\n")[0]).toBe(alone.text);
  expect(chat.stdout.trimEnd().split("\n")).toHaveLength(2);
  expect(chat.stderr).toContain("prompted");
});

test("eval reports every method on every task", async () => {
  const sample = { input: "is it open", target: "yes", choices: ["yes", "no"] };
  const task = (name: string, systemPrompt: string) => ({ name, systemPrompt, samples: [sample, sample] });
  const files = [join(folder, "one.json"), join(folder, "two.json")];
  await writeFile(files[0]!, JSON.stringify(task("one", prompt)));
  await writeFile(files[1]!, JSON.stringify(task("two", "Reply with yes or no.")));
  const Cell = z.looseObject({
    n: z.int(),
    score: z.number().min(0).max(1),
    inputTokens: z.number(),
    msPerQuery: ms,
  });
  const PerMethod = z.strictObject({
    base: Cell,
    prompted: Cell,
    specialized: Cell,
    "shuffled-prompt": Cell,
  });
  const methods = ["--methods", "base,prompted,specialized,shuffled-prompt"];
  const Stratum = z.looseObject({ tasks: z.strictObject({ one: PerMethod, two: PerMethod }), methods: PerMethod });
  const Report = z.looseObject({ strata: z.strictObject({ tasks: Stratum }) });
  const log = join(folder, "answers.jsonl");
  const { strata } = Report.parse(await json(["eval", "--pair", pair, ...methods, "--log", log, "--suite", ...files]));
  expect(strata.tasks.tasks.one.base.n).toBe(2);
  expect(strata.tasks.methods.specialized.inputTokens).toBe(strata.tasks.methods.base.inputTokens);
  expect(Report.parse(await json(["report", log])).strata).toEqual(strata);
  const text = await loragenHere(["eval", "--pair", pair, "--methods", "base", "--limit", "1", "--suite", ...files]);
  expect(text.stdout).toMatch(/one +1 /);
  expect(text.stdout).toContain("tasks: 2 tasks, 2 questions a method");
});

test("inspect explains a pair, its parts, a specialisation and a safetensors file", async () => {
  const kinds = {
    [pair]: "pair",
    [join(pair, "edge")]: "model",
    [join(pair, "generator")]: "generator",
    [join(pair, "generator", "model.safetensors")]: "safetensors",
    [specialization]: "specialization",
    [join(specialization, "specialization.json")]: "specialization",
  };
  for (const [path, kind] of Object.entries(kinds)) {
    const { status, stdout } = await loragenHere(["inspect", path, "--json"]);
    expect([status, JSON.parse(stdout)]).toMatchObject([0, { kind }]);
    expect((await loragenHere(["inspect", path])).stdout).toContain("sha256");
  }
  const text = await loragen(["inspect", specialization]);
  expect(text.stdout).toMatch(/layer 0 .*[░▒▓█]{2}/);
  expect(text.stdout).not.toContain("\u001b"); // no colours in a pipe
  const coloured = await loragen(["inspect", specialization], { env: { FORCE_COLOR: "1", NO_COLOR: "" } });
  expect(coloured.stdout).toContain("\u001b[");
});

test("train, resume after Ctrl-C, plot", async () => {
  const samples = Array.from({ length: 20 }, (_, i) => ({ input: `say ${i}`, target: String(i) }));
  const task = {
    name: "echo",
    kind: "extraction",
    seen: true,
    paraphrases: { train: ["Repeat the number."], validation: ["Which number is it?"], test: [] },
    train: samples.slice(0, 15),
    validation: samples.slice(15),
    test: [],
  };
  const [tasks, config, output] = [join(folder, "tasks.jsonl"), join(folder, "run.json"), join(folder, "run")];
  await writeFile(tasks, `${JSON.stringify(task)}\n`);
  const run = {
    kind: "language-model",
    output,
    tokenizer: testTokenizer,
    model: { hidden: 16, ffn: 16, layers: 1, heads: 2, kvHeads: 1, context: 256 },
    tasks: { files: [tasks], limits: { prompt: 40 } },
    batch: 1,
    rowTokens: 64,
    steps: 100_000,
    optimizer: { scheduleSteps: 100_000 },
    checkpointEvery: 100_000,
    validateEvery: 100_000,
    logEvery: 1,
    threads: 1,
  };
  await writeFile(config, JSON.stringify(run));
  const { child, finished } = start(["train", "--config", config, "--json"]);
  child.stderr.once("data", () => child.kill("SIGINT")); // the first line of progress
  const stopped = await finished;
  expect(stopped.status).toBe(1);
  expect(JSON.parse(stopped.stdout)).toMatchObject({ error: { code: "E_INTERRUPTED" } });
  const [checkpoint] = await readdir(join(output, "checkpoints"));
  const done = Number(/step-(\d+)/.exec(checkpoint!)![1]);
  expect(done).toBeGreaterThan(0);

  await writeFile(config, JSON.stringify({ ...run, steps: done + 3 }));
  const refused = await loragenHere(["train", "--config", config]);
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringMatching(/^error E_USAGE: .*--resume/)]);
  await writeFile(config, JSON.stringify({ ...run, steps: done + 3, seed: 1 }));
  const other = await loragenHere(["train", "--config", config, "--resume"]);
  expect([other.status, other.stderr]).toEqual([1, expect.stringMatching(/^error E_MISMATCH: .*seed 0, now 1/)]);
  await writeFile(config, JSON.stringify({ ...run, steps: done + 3 }));
  const resumed = z
    .strictObject({
      output: z.string(),
      steps: z.int(),
      best: z.strictObject({ metric: z.literal("loss"), value: z.number(), step: z.int() }),
      ms,
    })
    .parse(await json(["train", "--config", config, "--resume"]));
  expect(resumed.steps).toBe(done + 3);
  expect(await readdir(join(output, "model"))).toContain("model.safetensors");

  expect(await json(["plot", output])).toMatchObject({ file: join(output, "chart.svg"), steps: done + 3 });
  expect(await readFile(join(output, "chart.svg"), "utf8")).toMatch(/^<svg [\s\S]*<\/svg>\s*$/);
  const html = join(folder, "chart.html");
  for (let times = 0; times < 2; times++) await jsonHere(["plot", output, "--out", html]);
  expect(await readFile(html, "utf8")).not.toMatch(/<script|<link|src=/); // self-contained
  const mine = join(folder, "mine.html");
  await writeFile(mine, "<html>my page</html>");
  expect((await loragenHere(["plot", output, "--out", mine])).stderr).toMatch(
    /E_USAGE: --out: .*mine.html is no chart/,
  );
  expect(await readFile(mine, "utf8")).toBe("<html>my page</html>");
});

test("demo reports what the models really answer", async () => {
  const answer = z.strictObject({
    text: z.string(),
    isRight: z.boolean(),
    inputTokens: z.int(),
    outputTokens: z.int(),
    ms,
  });
  const demo = join(import.meta.dirname, "../../runs/smollm2/demo-prompts.json");
  const { scenarios, summary } = z
    .looseObject({
      scenarios: z.array(
        z.looseObject({
          prompt: z.string(),
          bytes: z.int().max(999),
          rows: z.array(
            z.looseObject({
              expected: z.string(),
              answers: z.strictObject({ base: answer, prompted: answer, specialized: answer }),
            }),
          ),
        }),
      ),
      summary: z.looseObject({
        n: z.int(),
        right: z.record(z.string(), z.int()),
        savedTokens: z.number(),
        breakEvenQueries: z.int().nullable(),
      }),
    })
    .parse(await json(["demo", "--pair", pair, "--prompts", demo, "--no-constraint"]));
  const rows = scenarios.flatMap((scenario) => scenario.rows);
  expect(summary.n).toBe(rows.length);
  for (const { expected, answers } of rows)
    for (const { text, isRight } of Object.values(answers)) expect(isRight).toBe(text.trim() === expected);
  expect(summary.savedTokens).toBeGreaterThan(40);
});

test("bench lists the benchmarks of the checkout and refuses others", async () => {
  const list = await loragenHere(["bench"]);
  expect([list.status, list.stdout]).toEqual([0, expect.stringContaining("train-30m")]);
  const { status, stdout } = await loragenHere(["bench", "no-such-benchmark", "--json"]);
  expect([status, JSON.parse(stdout)]).toMatchObject([1, { error: { code: "E_RUNTIME" } }]);
});
