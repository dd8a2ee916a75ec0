/** @file Pages with rows of what is trained on the seen tasks, over a tiny pair: two steps of each, stopped, gone on with and asked. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeBenchmarkData } from "../../test/support/benchmark-data.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { reproduce } from "./reproduce.ts";
import type { Context } from "./row.ts";
import type { Id } from "./table.ts";
import { testContext } from "./test-context.ts";

const folder = mkdtempSync(join(tmpdir(), "trained-pages-"));
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  writeBenchmarkData(at("data"));
  await writeTinyPair(at("pair"), { context: 2048 });
});
afterAll(() => rmSync(folder, { recursive: true }));

async function pageOf(id: Id, changes: Partial<Context> = {}): Promise<string> {
  const outcome = await reproduce(id, testContext(folder, { noTraining: false, ...changes }), at("pages"));
  return readFileSync((outcome as { path: string }).path, "utf8").replaceAll(/(?<!\|)\n(?!\|)/g, " "); // prose unwrapped
}

test("baselines: stopped while the prefix trains, the page goes on to the numbers of one that was not; a pool and a generator stand beside it", async () => {
  const stop = new AbortController();
  const tell = (text: string) => void (text.startsWith("prefix-2-1: 1 of 2") && stop.abort());
  await expect(pageOf("baselines", { work: at("stopped"), tell, signal: stop.signal })).rejects.toMatchObject({
    code: "E_INTERRUPTED",
  });
  expect(existsSync(at("pages"))).toBe(false);
  const told: string[] = [];
  const again = await pageOf("baselines", { work: at("stopped"), tell: (text) => void told.push(text) });
  expect(told.filter((text) => /of 2 steps/.test(text))).toEqual([
    "prefix-2-1: 2 of 2 steps",
    "as-configured, seed 1: 1 of 2 steps",
    "as-configured, seed 1: 2 of 2 steps",
  ]);
  expect(await pageOf("baselines")).toBe(again);
  const learnt = (work: string) => readFileSync(at(`${work}/reasoning/runs/prefix-2-1/learned.safetensors`));
  expect(learnt("stopped").equals(learnt("work"))).toBe(true);
  expect(again).toMatch(
    /\| lorahub-5shot \(2 steps each\) +\| +\d.*\| specialized-5shot \(G0, 2 steps, seed 1\) +\| +\d/s,
  );
  expect(again).toMatch(/\| prefix \(2 steps, seed 1\) +\| +\d/);
  expect(again).not.toMatch(/NaN|undefined|Infinity|Not trained yet/);
  expect(readdirSync(at("work/reasoning/pool-2")).filter((name) => !name.endsWith(".json"))).toHaveLength(4);
});

test("table1: adapters that were trained behind prompts read the examples, and the generator of other pages is not trained again", async () => {
  const told: string[] = [];
  const text = await pageOf("table1", { tell: (line) => void told.push(line) });
  expect(told.some((line) => /^as-configured, seed|^lora-(arc|open|boolq)/.test(line))).toBe(false);
  const tokens = (method: string) => Number(new RegExp(`^\\| ${method} +\\| +(\\d+) `, "m").exec(text)![1]);
  const prompted = tokens("prompted-5shot");
  for (const method of ["lora-5shot \\(2", "loramoe-5shot \\(2", "mixlora-5shot \\(2"])
    expect(tokens(`${method} steps, seed 1\\)`)).toBe(prompted);
  expect(tokens("specialized-5shot \\(G0, 2 steps, seed 1\\)")).toBe(tokens("base"));
});

test("rv-6: what was trained says what it knows of a task, under a general prompt too", async () => {
  const text = await pageOf("rv-6");
  expect(text).toMatch(/\| lora-5shot \(2 steps, seed 1\) +\| +5 examples \| +no \|/);
  expect(text).toMatch(/\| specialized-general \(G0, 2 steps, seed 1\) +\| +nothing \| +no \|/);
  expect(text).toMatch(/\| prompted-general +\| +nothing \| +yes \|/);
});

test("s0-table20 and its view table13: compressors of five examples, asked once", async () => {
  const text = await pageOf("s0-table20");
  for (const form of ["gist", "autocompressor", "icae", "500xcompressor"])
    expect(text).toMatch(new RegExp(`\\| ${form} \\(2 steps, seed 1\\) +\\| +\\d`));
  const before = readFileSync(at("work/s0-table20.jsonl"), "utf8");
  const view = await pageOf("table13");
  expect(readFileSync(at("work/s0-table20.jsonl"), "utf8")).toBe(before);
  expect(view).toMatch(
    /\| autocompressor \(2 steps, seed 1\) +\|.*\| specialized \(G0, 2 steps, seed 1\) +\|.*\| OPT-2\.7B/s,
  );
  expect(view).not.toMatch(/\| gist|LLaMA-7B/);
});

test("fig1: trained rivals and compressors have points, each with one to five examples", async () => {
  const text = await pageOf("fig1");
  for (const form of ["lora", "gist", "specialized"])
    for (const shots of [1, 3, 5])
      expect(text).toMatch(new RegExp(`\\| ${form}-${shots}shot \\(.*2 steps, seed 1\\) +\\|`));
  const svg = readFileSync(at("pages/fig1.svg"), "utf8");
  expect(svg).toContain(">mixlora 5<");
  expect(svg).toContain(">G0 5<");
});

test("s0-table26: two seeds of what has several, and intervals of s0-table24 hold the generator trained here against the others", async () => {
  const text = await pageOf("s0-table26");
  for (const method of ["loramoe-5shot", "mixlora-5shot", "specialized-5shot"])
    expect(text).toMatch(new RegExp(`\\| ${method} \\((G0, )?2 steps\\) +\\| +2 \\| +\\d+\\.\\d ± \\d`));
  expect(text).toMatch(/\| lora-5shot \(2 steps\) +\| +1 \|/);
  const intervals = await pageOf("s0-table24");
  expect(intervals).toMatch(
    /\| specialized-5shot \(G0, 2 steps, seed 1\) − loramoe-5shot \(2 steps, seed 2\) +\| +hellaswag \|/,
  );
  expect(await pageOf("table10")).toMatch(/\| mixlora-5shot \(2 steps, seed 2\) +\|/);
});

test("an ablation without a run of its own has the generator of the other pages as its default arm", async () => {
  const told: string[] = [];
  const text = await pageOf("bn-diversity", { tell: (line) => void told.push(line) });
  expect(text).toMatch(/Trained on ARC-c, ARC-e, OpenBookQA and BoolQ/);
  expect(told.filter((line) => /of 2 steps/.test(line))).toEqual(
    [1, 2].map((n) => `routerNorm-none, seed 1: ${n} of 2 steps`),
  );
});

test("alpaca-abstraction: a generator with instructions among its prompts beside the one that has none, which is not trained again", async () => {
  const told: string[] = [];
  const text = await pageOf("alpaca-abstraction", { tell: (line) => void told.push(line) });
  expect(told.filter((line) => /of 2 steps/.test(line))).toEqual(
    [1, 2].map((n) => `instructed, seed 1: ${n} of 2 steps`),
  );
  expect(text).toMatch(/30 instructions became 30 system prompts with 30 inputs/);
  for (const row of ["base", "without instructions \\(one seed\\)", "with instructions \\(one seed\\)"])
    expect(text).toMatch(new RegExp(`\\| ${row} +\\| +\\d.*on validation.*\\| ${row} +\\|`, "s"));
  expect(text).toMatch(/\| with instructions − without instructions +\| +[+−]\d/);
  expect(text).not.toMatch(/NaN|undefined|Infinity/);
  expect(await pageOf("alpaca-abstraction", { work: at("untrained"), noTraining: true })).toMatch(
    /left out \(`--no-training`\): generator, instructed\./,
  );
});

test("headlines: ours stands beside each claim, from the logs of the pages made above; what has none is named", async () => {
  const text = await pageOf("headlines");
  const ours = (claim: string) => new RegExp(`^\\| ${claim}.*\\| +([^|]+?) +\\|$`, "m").exec(text)![1];
  expect(ours("TinyLLaMA: HAR over LoRA")).toMatch(/^[−\d.]+ \(`table2`\)$/);
  expect(ours("OPT-2.7B: times as fast as AutoCompressors")).toMatch(/^\d+\.\d\d \(`s0-table20`\)$/);
  expect(ours("GPT4Tools untrained")).toBe("not run yet (`table3`)");
  expect(ours("GPT4Tools trained")).toMatch(/^out, because/);
  expect(ours("Direct generation")).toBe("not run yet (`table8`)");
  const share = Number(/^[\d.]+/.exec(ours("TinyLLaMA: share of the sequence")!)![0]);
  const ratio = Number(/^[\d.]+/.exec(ours("CPU: tokens with the instruction")!)![0]);
  expect(share * ratio).toBeCloseTo(1, 1);
  expect(text).not.toMatch(/NaN|undefined|Infinity/);
});

test("where nothing is to be trained, what is missing is left out and named", async () => {
  const text = await pageOf("baselines", { work: at("untrained"), noTraining: true });
  expect(text).toMatch(/left out \(`--no-training`\): lora-arc-c-2-1, .*prefix-2-1, generator-2-1\./);
  expect(text).toMatch(/--no-training --pair FOLDER`, edge model/);
  expect(text).not.toContain("(2 steps");
  expect(existsSync(at("untrained/runs"))).toBe(false);
  await expect(pageOf("bn-diversity", { work: at("untrained"), noTraining: true })).rejects.toMatchObject({
    code: "E_NOT_FOUND",
  });
});
