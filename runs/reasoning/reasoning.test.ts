/** @file What is trained on the seen tasks is what an evaluation asks: the same tokens, of other rows. */
import { appendFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/base/rng.ts";
import { readEpisodes } from "../../src/data/episode.ts";
import { encodeQuery } from "../../src/eval/ask.ts";
import { benchmarkTasks, suites } from "../../src/eval/tasks/suites.ts";
import { BENCHMARKS } from "../../src/eval/tasks/table.ts";
import { shotsPrompt } from "../../src/methods/shots.ts";
import { openModel } from "../../src/models/model-file.ts";
import { encodeCloudPrompt, TEXT_LAYOUT } from "../../src/text/prompt.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import type { Row } from "../../src/train/batch.ts";
import { TrainConfig } from "../../src/train/recipes/table.ts";
import { behindRows, cloudRow, promptedRows, type TaskSource, unpromptedRows } from "../../src/train/task-batches.ts";
import { writeBenchmarkData } from "../../test/support/benchmark-data.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { shippedModel } from "../reproduce/shipped-pair.ts";
import { drawEpisodes, longest, readSeen, SEEN, type SeenTask } from "./draw.ts";
import { episodeFiles, writeInstructed } from "./episodes.ts";
import { behindLayout, configOf, folderOf, planOf, seedsOf } from "./trainings.ts";

const folder = mkdtempSync(join(tmpdir(), "reasoning-"));
const published = resolve(import.meta.dirname, "../../../shared/data");
const missing = !existsSync(published);

/** An edge model with the tokenizer of the pair that ships; its weights do not matter here. */
async function openEdge() {
  await writeTinyPair(join(folder, "pair"), { context: 2048 });
  return { model: await openModel(join(folder, "pair/edge")), tokenizer: await loadTokenizer(shippedModel) };
}
const read = new Map<string, ReturnType<typeof readSeen>>();
/** Read once for all tasks. */
function rowsOf(data: string): ReturnType<typeof readSeen> {
  const found = read.get(data) ?? readSeen(data);
  read.set(data, found);
  return found;
}
let edge: Awaited<ReturnType<typeof openEdge>>;
beforeAll(async () => {
  writeBenchmarkData(join(folder, "data"));
  edge = await openEdge();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A row as an evaluation has it: what is read, then what counts. */
const split = ({ ids, answers: [[from, to] = [0, 0]] }: Row) => ({
  read: ids.slice(0, from),
  counted: ids.slice(from, to),
});

/** Compares what an evaluation feeds of a task with what a training does, for a drawn prompt and its questions. */
async function compare(task: SeenTask, data: string): Promise<number> {
  const { tokenizer } = edge;
  const source: TaskSource = {
    draw: () => [],
    tokenizer,
    layout: TEXT_LAYOUT,
    cloud: { tokenizer, layout: TEXT_LAYOUT },
  };
  const [asked] = await benchmarkTasks(suites.get(task)!, { data, items: 2 });
  const rows = await rowsOf(data);
  const episodes = drawEpisodes(rows, createRng(1), { tasks: [task], split: "train", prompts: 20, questions: 6 });
  const textOf = ({ input, target }: { input: string; target: string }) => `${input} ${target}`;
  // The wording of examples is that of an evaluation's: of the short ones it draws from the very same rows.
  const known = new Map(rows[task].train.map((example) => [textOf(example), example]));
  const short = asked!.examples.filter((example) => textOf(example).length <= longest.question);
  for (const example of short) expect(known.has(textOf(example))).toBe(true);
  let [compared, rebuilt] = [0, 0];
  for (const { prompt, queries } of episodes) {
    // The prompt is what `specialized-Nshot` reads of these examples; one with an empty line within is not taken apart again.
    const examples = prompt.split("\n\n").flatMap((text) => known.get(text) ?? []);
    const whole = examples.map(textOf).join("\n\n") === prompt;
    if (whole) expect(shotsPrompt({ ...asked!, examples }, examples.length)).toBe(prompt);
    rebuilt += whole ? 1 : 0;
    // Compressors are told in a layout of their own; the prompt is the same in both.
    expect(encodeCloudPrompt(tokenizer, behindLayout, prompt)).toEqual(
      encodeCloudPrompt(tokenizer, TEXT_LAYOUT, prompt),
    );
    expect(cloudRow(source, { prompt, queries }, 3)).toEqual(
      encodeCloudPrompt(tokenizer, TEXT_LAYOUT, prompt, { metaTokens: 3 }),
    );
    const fed = (how: { context?: string; behind?: string }) =>
      queries.map((query) => {
        const { context, ...rest } = how;
        const subject = { ...edge, layout: TEXT_LAYOUT, ...rest };
        const choices = [query.target];
        const {
          prompt: read,
          answers,
          given,
        } = encodeQuery(subject, query, {
          choices,
          context,
          textLayout: asked!.layout,
        });
        expect(given).toEqual([0]);
        return { read: [...read], counted: [...answers[0]!] };
      });
    const questions = { prompt, queries };
    expect(unpromptedRows(source, questions, "response").map(split)).toEqual(fed({}));
    expect(promptedRows(source, questions).map(split)).toEqual(fed({ context: prompt }));
    expect(behindRows({ ...source, layout: behindLayout }, questions, "response").map(split)).toEqual(
      fed({ behind: prompt }),
    );
    compared += queries.length;
  }
  expect(rebuilt).toBeGreaterThan(15);
  return compared;
}

describe.each(SEEN)("%s", (task) => {
  test("a training row has the tokens that an evaluation feeds, alone, behind its prompt and in its place", async () => {
    expect(await compare(task, join(folder, "data"))).toBeGreaterThan(60);
  });
  test.skipIf(missing)(`the same of published rows${missing ? ` (skipped: ${published} is absent)` : ""}`, async () => {
    expect(await compare(task, published)).toBe(120);
  });
});

test("prompts show one to five examples, none of them a question; long ones are left out, and validation asks other rows", async () => {
  const rows = await rowsOf(join(folder, "data"));
  const drawn = (part: "train" | "validation") =>
    drawEpisodes(rows, createRng(part), { tasks: SEEN, split: part, prompts: 80, questions: 2 });
  const asked = (part: "train" | "validation") =>
    new Set(drawn(part).flatMap(({ queries }) => queries.map((q) => q.input)));
  const train = drawn("train");
  expect(new Set(train.slice(0, 4).map(({ family }) => family)).size).toBe(4); // a batch mixes tasks
  const counts = train.map(({ prompt }) => prompt.split("Answer:").length - 1).filter((count) => count > 0);
  expect([Math.min(...counts), Math.max(...counts)]).toEqual([1, 5]);
  for (const { prompt, queries } of train) {
    expect(prompt.length).toBeLessThanOrEqual(longest.prompt + 10);
    for (const { input } of queries) expect(prompt).not.toContain(`${input} `);
  }
  for (const input of asked("validation")) expect(asked("train")).not.toContain(input);
});

test("a question that a test asks with other answers to choose from is not learnt from, nor one to choose by", async () => {
  const data = join(folder, "twice");
  writeBenchmarkData(data);
  const addTo = (file: string, rows: readonly object[]) =>
    appendFileSync(join(data, file), rows.map((row) => `\n${JSON.stringify(row)}`).join(""));
  const choices = { choices: ["a stone", "another stone"], label: 0 };
  addTo("openbookqa/train.jsonl", [
    { id: "t", question: "Which OPEN number follows 3", ...choices },
    { id: "v", question: "Which opened number follows 4?", ...choices },
    { id: "own", question: "Which stone is one?", ...choices },
  ]);
  addTo("arc_challenge/train.jsonl", [{ id: "e", question: "Which easy number follows 5?", ...choices }]); // ARC-e's test
  addTo("openbookqa/dev.jsonl", [{ id: "d", question: "Which open number follows 6?", ...choices }]);
  const seen = await readSeen(data);
  const { train, validation } = seen.openbookqa;
  const asked = [...train, ...validation].map(({ input }) => input);
  expect(train.filter(({ target }) => target === "a stone").map(({ input }) => input)).toEqual(["Which stone is one?"]);
  expect(asked).not.toContain("Which open number follows 6?");
  expect(validation).toHaveLength(30);
  const others = [...seen["arc-c"].train, ...seen["arc-c"].validation];
  expect(others.filter(({ target }) => target === "a stone")).toEqual([]);
});

test("every fourth prompt becomes an instruction that is short enough, each as often as the others", async () => {
  const drawn = join(folder, "instructed");
  await writeInstructed(join(folder, "data"), drawn);
  const [plain, mixed] = await Promise.all(
    (["prompts", "instructed"] as const).map((set) => readEpisodes(episodeFiles(drawn, set).train)),
  );
  expect(episodeFiles(drawn, "instructed").validation).toBe(episodeFiles(drawn, "prompts").validation);
  expect(mixed).toHaveLength(plain!.length);
  const counts = new Map<string, number>();
  for (const [i, episode] of mixed!.entries()) {
    if (i % 4 !== 3) expect(episode).toEqual(plain![i]);
    else {
      expect(episode.prompt).toMatch(/^You are clerk \d+\.$/);
      counts.set(episode.prompt, (counts.get(episode.prompt) ?? 0) + 1);
    }
  }
  expect(counts.size).toBe(29); // one has a long answer
  expect(counts.has("You are clerk 7.")).toBe(false);
  expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
});

test("only tasks with a training set of their own are drawn: no row of an unseen task can be", () => {
  for (const name of SEEN) expect(BENCHMARKS).toContain(name);
  for (const unseen of ["social-iqa", "hellaswag", "winogrande", "piqa"]) expect(SEEN).not.toContain(unseen);
});

test("every training has a name of its own and a configuration that is accepted as it stands", () => {
  for (const budget of ["minutes", "hours", "full"] as const) {
    const plan = planOf(budget);
    const names = plan.map((training) => folderOf(training, budget));
    expect(new Set(names).size).toBe(names.length);
    for (const training of plan) {
      const place = { cloud: "cloud", edge: "edge", data: "data", output: "out" };
      const { seed, layout, kind } = TrainConfig.parse(configOf(training, budget, place)) as TrainConfig & {
        layout: unknown;
      };
      const wanted = kind === "compressor" ? behindLayout : TEXT_LAYOUT;
      expect({ seed, layout }).toEqual({ seed: training.seed, layout: wanted });
      expect(kind).not.toBe("language-model");
    }
  }
  expect(seedsOf("generator", "full")).toHaveLength(3);
  expect(seedsOf("mixlora", "minutes", 2)).toHaveLength(2);
});
