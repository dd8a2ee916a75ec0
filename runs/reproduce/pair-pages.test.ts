/** @file Pages of a pair alone, that train nothing: each is made over a tiny one, from data in the form of the published. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRng } from "../../src/base/rng.ts";
import { writeBenchmarkData } from "../../test/support/benchmark-data.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { withToolsShuffled } from "./agent.ts";
import { compressedQuestions, figure1 } from "./pages/baselines.ts";
import { promptKindTasks } from "./pages/prompt-kinds.ts";
import { propertiesOf } from "./pages/table1.ts";
import { costRows, table12Page } from "./pages/table12.ts";
import { demoTools, table1 } from "./paper.ts";
import { reproduce } from "./reproduce.ts";
import type { Context } from "./row.ts";
import type { Id } from "./table.ts";
import { testContext } from "./test-context.ts";

const folder = mkdtempSync(join(tmpdir(), "pair-pages-"));
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  writeBenchmarkData(at("data"));
  const tools = demoTools.map((name) => ({ name, description: "useful." }));
  writeFileSync(at("data/gpt4tools/tools.json"), JSON.stringify({ seen_tools: tools, unseen_tools: [] }));
  const PROMPT_FORMAT = "TOOLS:\n{tool_descriptions}\nPrevious conversation:\n{chat_history}\nNew input: {input}";
  writeFileSync(at("data/gpt4tools/templates.json"), JSON.stringify({ PROMPT_FORMAT }));
  mkdirSync(at("data/clinc150"));
  const intents = Array.from({ length: 9 }, (_, i) => `book_thing_${i}`);
  for (const split of ["train", "test"]) {
    const rows = intents.flatMap((intent, i) =>
      [1, 2, 3].map((n) => ({ text: `${split} ${n} of ${intent}`, intent, domain: i % 2 === 0 ? "travel" : "work" })),
    );
    const text = [...rows, { text: "hi", intent: "greeting", domain: "small_talk" }].map((row) => JSON.stringify(row));
    writeFileSync(at(`data/clinc150/${split}.jsonl.gz`), gzipSync(text.join("\n")));
  }
  await writeTinyPair(at("pair"), { context: 2048 });
});
afterAll(() => rmSync(folder, { recursive: true }));

const context = (changes: Partial<Context> = {}): Context => testContext(folder, changes);

async function pageOf(id: Id, changes: Partial<Context> = {}): Promise<string> {
  const outcome = await reproduce(id, context(changes), at("pages"));
  return readFileSync((outcome as { path: string }).path, "utf8").replaceAll(/(?<!\|)\n(?!\|)/g, " "); // prose unwrapped
}

/** What each page has of ours, then of the paper's. */
const wanted = {
  table1: [/\| LoRA-Gen +\| `specialized-5shot` +\| ✓ +\| ✓ +\| ✓ +\| ✓ /, /paper's second mark of LoraHub/],
  table2: [/\| mean over tasks +\|.*\| specialized-5shot +\| +\d.*10,000 resamples/s, /\| Gemma-2B \+ LoRA-Gen +\|/],
  table3: [/\| specialized, tools in the weights \| +\d+\.\d ± \d/, /\| LoRA-Gen, untrained +\| +94\.1 /],
  table14: [/\*\*specialised\*\*, drawn, seed 3:/, /A whisper in the wind, a touch so light,/],
  fig1: [
    /\| specialized-5shot +\| +\d+.*\| 5 +\|( +[\d−.]+ \|){3} +(never|\d+) \|/s,
    /\| TinyLLaMA-1\.1B +\| +34\.2 \| +44\.5 \|/,
  ],
  fig4: [/\| specialized +\| +\d of 1 /, /the paper: 3\.2×/],
  "prompt-kinds": [/\| conversation format +\| +2 \|.*\d× \| +\d+\.\d× \|/, /The paper says that task descriptions/],
  "gpt4tools-repeats": [/\| order 4 \|.*\| specialized +\| +\d/s, /± 0\.65 points/],
  baselines: [/\| prompted-3shot +\| +\d/, /\(table 6\)/],
  "s0-table20": [/\| llmlingua-4x +\| +\d.*\| specialized +\| +\d/s, /\| OPT-2\.7B, LoRA-Gen +\| +46\.3 /],
  "rv-6": [/\| specialized-general +\| +nothing \| +no \|/, /The paper has no such table/],
} as const satisfies Partial<Record<Id, readonly [RegExp, RegExp]>>;

test.each(Object.entries(wanted))(
  "%s: rows of the pair, the paper's beside them, and that one training seed stands behind",
  async (id, [ours, theirs]) => {
    const text = await pageOf(id as Id);
    expect(text).toMatch(ours);
    expect(text).toMatch(theirs);
    expect(text).toContain("one training seed");
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  },
);

test("what another page's log holds is not asked again, and comes to the same page", async () => {
  const work = at("shared");
  const told: string[] = [];
  const tell = (text: string) => void told.push(text);
  await pageOf("baselines", { work, tell });
  const once = await pageOf("rv-6", { work, tell });
  // Eight tasks of two items: of seven methods three were asked before.
  expect(told.find((text) => text.startsWith("rv-6"))).toContain(`: ${8 * 2 * 3} of ${8 * 2 * 7} questions`);
  expect(once).toBe(await pageOf("rv-6", { work: at("alone") }));
});

test("s0-table20: every method has the same five examples as its prompt", async () => {
  const tasks = await compressedQuestions(context());
  expect(tasks.map(({ name }) => name)).toEqual(["hellaswag", "winogrande", "piqa"]);
  for (const { systemPrompt, examples } of tasks) {
    expect(systemPrompt.split("\n\n")).toHaveLength(5);
    for (const { target } of examples.slice(0, 5)) expect(systemPrompt).toContain(target);
  }
});

test("rv-12: each way of answering is seen in a process of its own", async () => {
  const text = await pageOf("rv-12");
  const cells = [
    ...text.matchAll(/^\| (base|prompted|specialised here: gates|the cloud pass, once a prompt) +\|(.*)\|$/gm),
  ];
  expect(cells).toHaveLength(4);
  for (const [, , row] of cells) expect(Number(row!.split("|")[3])).toBeGreaterThan(20); // peak MB
  expect(text).toMatch(/\| LoRA-Gen +\| +10932 \| +0\.11 \|/);
});

test("table12: a step and a batch of questions are counted and seen in processes of their own", async () => {
  const wanted = ["base, the input alone", "prompted", "MixLoRA", "gist tokens", "LoRA-Gen"];
  const others = ["prompted, its keys and values kept", "LLMLingua's kind, 1/2", "LoraHub"];
  const rows = costRows.filter(({ name }) => [...wanted, ...others].includes(name));
  cpSync(at("pair/edge"), at("model"), { recursive: true });
  cpSync(at("pair/tokenizer"), at("model"), { recursive: true });
  const { text } = await table12Page(context({ model: at("model") }), rows);
  const [training, inference, made] = text.split(/## (?:Inference|What an instruction)/) as [string, string, string];
  const cells = (part: string, name: string): number[] => {
    const [, row = ""] = new RegExp(`^\\| ${name} +\\|(.*)\\|$`, "m").exec(part) ?? [];
    return row === "" ? [] : row.split("|").map((cell) => Number(cell.replaceAll(",", "")));
  };
  expect(cells(training, "prompted")).toEqual([]); // trains nothing
  for (const name of wanted.slice(2)) {
    expect(cells(training, name)).toHaveLength(4);
    for (const cell of cells(training, name)) expect(cell).toBeGreaterThan(0);
  }
  // Three times the tokens are more than three times the operations; experts come on top, and a LoRA beside the weights.
  const [base, prompted, mixlora, , generated] = wanted.map((name) => cells(inference, name)[1]!) as number[];
  expect(prompted! / base!).toBeGreaterThan(3);
  expect(mixlora).toBeGreaterThan(prompted!);
  expect(generated).toBe(base); // merged into plain weights
  expect(generated).toBeLessThan(prompted!);
  const [kept, shorter, lorahub] = others.map((name) => cells(inference, name)[1]!) as number[];
  expect(kept).toBeGreaterThan(base!); // attends to the prompt, and does not read it
  for (const fewer of [kept!, shorter!]) expect(fewer).toBeLessThan(prompted!);
  expect(lorahub).toBe(base);
  expect(made).toMatch(/\| LoraHub +\| +once \| +nothing \| +0 \| +5 \|/);
  expect(made).toMatch(/\| LLMLingua's kind, 1\/2 +\| +nothing \| +each prompt \| +100 \| +0 \|/);
  expect(made).toMatch(/\| MixLoRA +\| +once \| +each question \| +200 \|/);
});

test("s0-table21 and s0-table24: intervals from table 2's log; without it they say what to run", async () => {
  for (const id of ["s0-table21", "s0-table24"] as const)
    await expect(pageOf(id, { work: at("empty") })).rejects.toMatchObject({ code: "E_DATA" });
  await pageOf("baselines", { work: at("some") }); // asks some of what table 2 asks
  renameSync(at("some/baselines.jsonl"), at("some/table2.jsonl"));
  expect(await pageOf("s0-table21", { work: at("some") })).toMatch(/\| specialized-5shot − base +\| +8 \| +[+−]\d/);
  const text = await pageOf("s0-table24", { work: at("some") });
  expect(text).toMatch(/\| specialized-5shot − prompted-5shot +\| +hellaswag \| +2 \| +[+−]\d.*\[[+−]/);
  expect(text).toContain("[+0.63, +3.38]");
});

test("pages of a pair refuse a model alone", async () => {
  await expect(pageOf("rv-6", { pair: undefined })).rejects.toMatchObject({
    code: "E_DATA",
    message: "rv-6: expected a pair (--pair FOLDER), found a model alone",
  });
});

test("the poet that was stopped goes on from its log, and answers of other weights are none of it", async () => {
  const stop = new AbortController();
  const tell = (text: string) => void (text.endsWith("poem 2 of 4, specialised") && stop.abort());
  const work = at("poet");
  await expect(pageOf("table14", { work, tell, signal: stop.signal })).rejects.toMatchObject({ code: "E_INTERRUPTED" });
  const told: string[] = [];
  await pageOf("table14", { work, tell: (text) => void told.push(text) });
  expect(told).toHaveLength(6); // of twelve: six were there
  await writeTinyPair(at("other"), { seed: 1, context: 2048 });
  told.length = 0;
  await pageOf("table14", { work, pair: at("other"), tell: (text) => void told.push(text) });
  expect(told).toHaveLength(12);
});

test("table1: the marks that follow from what methods need are the paper's, wherever those can be read", () => {
  expect(propertiesOf("prompted-5shot")).toEqual(table1.ICL);
  expect(propertiesOf("lora:FOLDER")).toEqual(table1.LoRA);
  expect(propertiesOf("loramoe:FILE")).toEqual(table1["LoRA-MoE"]);
  expect(propertiesOf("lorahub-5shot:FOLDER")).toEqual([false, true, false, false]);
  expect(propertiesOf("specialized-5shot")).toEqual(table1["LoRA-Gen"]);
});

test("prompt-kinds: the same inputs under each kind, fewer are the first of more, and every task has one without its topics", async () => {
  const tasks = await promptKindTasks(at("data"), "minutes");
  expect(new Set(tasks.map(({ kind }) => kind)).size).toBe(5);
  const ofFirst = tasks.filter(({ name }) => name.endsWith(" 1"));
  expect(new Set(ofFirst.map(({ samples }) => JSON.stringify(samples))).size).toBe(1);
  const [first, second] = tasks.filter(({ kind }) => kind === "role");
  const topics = (task: typeof first) => new Set(task!.samples.map(({ target }) => target));
  expect([...topics(first)].filter((topic) => topics(second).has(topic))).toEqual([]);
  const more = (await promptKindTasks(at("data"), "hours")).find(({ name }) => name === "role 1")!;
  expect(more.samples.slice(0, 1)).toEqual(first!.samples);
});

test("tools in another order are the same tools, and the list of their names follows", () => {
  const system = "Tools:\n> A: one.\n> B: two.\n> C: three.\nAction: should be one of [A, B, C]\nEnd.";
  const shuffled = withToolsShuffled(system, createRng("any"));
  const order = [...shuffled.matchAll(/^> (\w)/gm)].map(([, name]) => name!);
  expect([...order].sort()).toEqual(["A", "B", "C"]);
  expect(shuffled).toContain(`should be one of [${order.join(", ")}]\nEnd.`);
  expect(new Set(Array.from({ length: 20 }, (_, i) => withToolsShuffled(system, createRng(i)))).size).toBeGreaterThan(
    1,
  );
});

test("fig1: points to the right take longer, and points above are more often right", () => {
  const svg = figure1([
    { method: "base", ms: 10, percent: 20 },
    { method: "prompted-1shot", ms: 30, percent: 30 },
  ]);
  const [base, prompted] = [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="12"/g)].map(([, x, y]) => [
    +x!,
    +y!,
  ]);
  expect(prompted![0]).toBeGreaterThan(base![0]!);
  expect(prompted![1]).toBeLessThan(base![1]!);
});
