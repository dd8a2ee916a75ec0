/** @file Items of the manifest that are tests: what the data and the documents' own numbers say. */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readJsonFile } from "../../src/base/json-file.ts";
import { compressionRatio } from "../../src/eval/compression.ts";
import { gpt4tools } from "../../src/eval/tasks/gpt4tools.ts";
import { readSplit } from "../../src/eval/tasks/rows.ts";
import { type BenchmarkName, benchmarks } from "../../src/eval/tasks/table.ts";
import { readJsonl } from "../../src/files/jsonl.ts";
import { openModel } from "../../src/models/model-file.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import type { SvdFile } from "../../src/svf/svd-file.ts";
import type { Adaptation } from "../../src/train/adapted-step.ts";
import { loraAdaptation } from "../../src/train/lora-step.ts";
import { svfAdaptation } from "../../src/train/svf-step.ts";
import { ToolsFile } from "./agent.ts";
import { contradictions, wrongAverages } from "./contradictions.ts";
import { countRows, type RowCounts } from "./data-counts.ts";
import { headlines } from "./headlines.ts";
import { keptTable } from "./kept-answers.ts";
import { demoTools, paperTasks, table11, table23 } from "./paper.ts";
import { shippedModel } from "./shipped-pair.ts";

const data = resolve(import.meta.dirname, "../../../shared/data");
const missing = !existsSync(data);

test("contradictions: seventeen, and those of arithmetic are shown by the documents' own numbers", () => {
  expect(contradictions).toHaveLength(17);
  const computed = contradictions.filter(({ holds }) => holds !== undefined);
  expect(computed.length).toBeGreaterThanOrEqual(8);
  expect(computed.filter(({ holds }) => !holds)).toEqual([]);
  expect(wrongAverages).toEqual([]);
});

test("headlines: each claim follows from the cells within their rounding", () => {
  const wrong = headlines.filter(({ said, found, tolerance }) => !(Math.abs(said - found) <= tolerance + 1e-9));
  expect(wrong).toEqual([]);
});

test("rv-8: a ratio of tokens is no speed-up; the paper's CPU times have both", () => {
  for (const { instruction, residual, input, ms, ratio } of Object.values(table23)) {
    expect(compressionRatio({ prompt: instruction, input, residual })).toBeCloseTo(ratio, 2);
    if (ratio > 1) expect(table23.baseline.ms / ms).toBeLessThan(ratio / 1.5);
  }
});

const pages = join(import.meta.dirname, "pages");
test("rv-8: every page that prints a compression ratio prints a speed-up beside it", async () => {
  const names = (await readdir(pages)).filter((name) => name.endsWith(".ts"));
  const texts = await Promise.all(names.map((name) => readFile(join(pages, name), "utf8")));
  const printing = names.filter((_, i) => /compression ratio/i.test(texts[i]!));
  expect(printing.length).toBeGreaterThanOrEqual(6);
  // A column of a table, or what a sentence with figures says of them.
  const printsSpeedUp = /"(?:speed-up|times as fast)[^"]*",|`[^`]*\$\{[^`]*(?<!no )speed-up[^`]*`/i;
  const without = printing.filter((name) => !printsSpeedUp.test(texts[names.indexOf(name)]!));
  expect(without).toEqual([]);
  expect(printsSpeedUp.test(`\`\${ratio} in tokens, which is no speed-up.\``)).toBe(false);
});

test("headlines: the pair's row of rules is what docs/accuracy.md says of it", async () => {
  const accuracy = await readFile(join(import.meta.dirname, "../../docs/accuracy.md"), "utf8");
  const printed = /\| rules in new wordings and combinations \| (\d+) \|.*\| \*\*([\d.]+)\*\* \|/.exec(accuracy)!;
  const row = /\| rules +\|([^\n]*)/
    .exec(await keptTable())![1]!
    .split("|")
    .map((cell) => cell.trim());
  expect([row[0], row[2]]).toEqual([printed[1], printed[2]]);
});

test("t2-params: a skill on all maps of SmolLM2's feed-forward blocks has less than a tenth of rank-16 LoRA's numbers", async () => {
  const { config } = await openModel(shippedModel, { keepBlocks: true });
  const targets = ["gate", "up", "down"] as const;
  const count = ({ parameters }: Pick<Adaptation, "parameters">) =>
    [...parameters.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const maps = [...parameterShapes(config)].filter(([name]) => /\.mlp\.(gate|up|down)_proj\.weight$/.test(name));
  const basis = new Map(
    maps.map(([weight, [outputs, inputs]]) => [
      weight,
      { weight, outputs: outputs!, inputs: inputs!, rank: Math.min(outputs!, inputs!) } as SvdFile,
    ]),
  );
  const svf = count(svfAdaptation({ basis, rank: null, form: "free" }));
  const lora = count(loraAdaptation({ edge: config, rank: 16, alpha: 16, targets: [...targets] }));
  expect(svf).toBe(51_840);
  expect(lora).toBe(90 * 16 * (576 + 1536));
  expect(svf / lora).toBeLessThan(0.1);
});

describe.skipIf(missing)(missing ? `data (skipped: ${data} is absent)` : "data", () => {
  let counts: Record<(typeof paperTasks)[number], RowCounts>;
  beforeAll(async () => {
    const found = await countRows(data);
    counts = Object.fromEntries(paperTasks.map((name, i) => [name, found[i]!])) as typeof counts;
  });

  test("table11: sizes are the paper's but for these", () => {
    const differing = paperTasks.flatMap((name, i) => {
      const { train, test: tested } = counts[name];
      const [said, saidTest] = [table11.train[i]!, table11.test[i]!];
      return [
        ...(train === undefined || train === said ? [] : [`${name}: train ${train}, not ${said}`]),
        ...(tested === saidTest ? [] : [`${name}: test ${tested}, not ${saidTest}`]),
      ];
    });
    expect(differing).toEqual([
      "ARC-c: train 1119, not 1120",
      "ARC-c: test 1172, not 1171",
      "ARC-e: train 2251, not 2250",
      "ARC-e: test 2376, not 2380",
      "HellaS: test 3243, not 10042",
    ]);
  });

  test.each<[string, (typeof paperTasks)[number], RowCounts]>([
    ["data-arc-c", "ARC-c", { train: 1119, test: 1172 }],
    ["data-arc-e", "ARC-e", { train: 2251, test: 2376 }],
    ["data-obqa", "OBQA", { train: 4957, test: 500 }],
    ["data-boolq", "BoolQ", { train: 9427, test: 3270 }],
    ["data-siqa", "SIQA", { train: undefined, test: 1954 }],
    ["data-hellaswag", "HellaS", { train: undefined, test: 3243 }],
    ["data-winogrande", "WinoG", { train: undefined, test: 1267 }],
    ["data-piqa", "PIQA", { train: undefined, test: 1838 }],
  ])("%s: rows, and the training set of an unseen task is refused", async (_, name, wanted) => {
    expect(counts[name]).toEqual(wanted);
    const names: Record<string, BenchmarkName> = {
      SIQA: "social-iqa",
      HellaS: "hellaswag",
      WinoG: "winogrande",
      PIQA: "piqa",
    };
    const own = names[name];
    if (own !== undefined)
      await expect(readSplit(own, benchmarks[own], "train", data)).rejects.toMatchObject({ code: "E_DATA" });
  });

  test("data-gpt4tools: 602 items with a tool and 50 without; 23 seen tools and 8 new ones, which the items use", async () => {
    const rows = (await readSplit("gpt4tools", gpt4tools, "test", data)) as { instruction: string; output: string }[];
    const { seen_tools, unseen_tools } = await readJsonFile(join(data, "gpt4tools/tools.json"), ToolsFile);
    const used = rows.flatMap(({ output }) => /^Action: (.*)$/m.exec(output)?.[1]?.trim() ?? []);
    expect([rows.length, used.length]).toEqual([652, 602]);
    expect([seen_tools.length, unseen_tools.length]).toEqual([23, 8]);
    expect([...new Set(used)].sort()).toEqual(unseen_tools.map(({ name }) => name).sort());
  });

  test("table15-17: 26 descriptions are 23 tools, 8 of them new, and 3 said twice; all in GPT4Tools' files", async () => {
    const { seen_tools, unseen_tools } = await readJsonFile(join(data, "gpt4tools/tools.json"), ToolsFile);
    const letters = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
    const shown = new Set(demoTools.map(letters));
    const within = (tools: readonly { name: string }[]) => tools.filter(({ name }) => shown.has(letters(name))).length;
    expect([demoTools.length, shown.size, within(unseen_tools), within(seen_tools)]).toEqual([26, 23, 8, 15]);
  });

  const sizesOf = async (paths: readonly string[]) => {
    const sizes: number[] = [];
    for (const path of paths) {
      let lines = 0;
      for await (const _ of readJsonl(join(data, `${path}.jsonl.gz`))) lines++;
      sizes.push(lines);
    }
    return sizes;
  };

  test("t2-data-reasoning: GSM8K 7,473 and 1,319, MATH 5,000 and no training set", async () => {
    expect(await sizesOf(["gsm8k/train", "gsm8k/test", "math/test"])).toEqual([7473, 1319, 5000]);
    expect(benchmarks.math.files).not.toHaveProperty("train");
  });

  test("t2-data-code: MBPP 474 and 500, HumanEval 164; both run programs, which has to be allowed", async () => {
    expect(await sizesOf(["mbpp/train", "mbpp/test", "humaneval/test"])).toEqual([474, 500, 164]);
    for (const name of ["mbpp", "humaneval"] as const)
      expect(benchmarks[name].forms.written!.scorers).toEqual(["code-run"]);
  });
});
