/** @file Pages of Transformer² over a tiny model: what they need is trained where it is not yet, and all of it stands on the page. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openModel } from "../../src/models/model-file.ts";
import { readExpert } from "../../src/svf/expert-file.ts";
import { writeBenchmarkData } from "../../test/support/benchmark-data.ts";
import { pretendTraining } from "../../test/support/pretend-training.ts";
import { writeGsm8k, writeSkillData } from "../../test/support/skill-data.ts";
import { writeTinyPair } from "../../test/support/tiny-pair.ts";
import { nameOf, TRAININGS, type Training } from "../transformer2/trainings.ts";
import { reproduce } from "./reproduce.ts";
import type { Context } from "./row.ts";
import { baseScores } from "./skills/base-scores.ts";
import { lastState } from "./skills/last-state.ts";
import { trained } from "./skills/trained.ts";
import type { Id } from "./table.ts";
import { testContext } from "./test-context.ts";

const folder = mkdtempSync(join(tmpdir(), "skill-pages-"));
const at = (name: string) => join(folder, name);
const context = (changes: Partial<Context> = {}): Context => testContext(folder, { noTraining: false, ...changes });

/** Without a result, as where no reward ever differed. */
const hopeless: Training = { task: "intents", adapter: "lora", by: "rewards", rate: "second" };

beforeAll(async () => {
  writeSkillData(at("data"));
  writeGsm8k(at("data"));
  writeBenchmarkData(at("published"));
  for (const name of ["math", "mbpp", "humaneval"])
    cpSync(at(`published/${name}`), at(`data/${name}`), { recursive: true });
  await writeTinyPair(at("pair"), { context: 1024 });
  const model = await openModel(at("pair/edge"));
  for (const training of TRAININGS) await pretendTraining(at("work/transformer2/runs"), training, model);
  writeFileSync(at(`work/transformer2/runs/${nameOf(hopeless)}-2.failed`), "all rewards alike");
});
afterAll(() => rmSync(folder, { recursive: true }));

async function pageOf(id: Id): Promise<string> {
  const outcome = await reproduce(id, context(), at("pages"));
  return readFileSync((outcome as { path: string }).path, "utf8").replaceAll(/(?<!\|)\n(?!\|)/g, " "); // prose unwrapped
}

/** What each page has of ours, then of the paper's. */
const wanted = {
  "t2-table1": [
    /\| best constant answer +\|.*\| SVF by rewards +\| +science +\| [+−]\d.*\[/s,
    /\| 79\.15 \|.*\| math +\| +1 \|.*mbpp and humaneval are not in it/s,
  ],
  "t2-table2": [/\| oracle choice +\|.*\| uniform mixture +\| +open-book +\| [+−]\d/s, /82\.61.*at 24\.46/s],
  "t2-table3": [/\| amortised over 10 \|.*\| arc-challenge \(n 3\) +\| +\d+\.\d/s, /\| MATH +\| +42\.64/],
  "t2-table4": [/\| SVF, attention, policy gradient +\|.*\| LoRA, next token +\|/s, /print no cell/],
  "t2-table6-lora": [
    /\| intents: LoRA, policy gradient +\| +0\.0005 \|[^|]*\|[^|]*\| +\d+\.\d ± \d.*− base model \|.*\| LoRA, policy gradient, 0\.0005 +\| +intents +\| +[+−]\d.*all rewards alike/s,
    /\| DoRA +\| +78\.09/,
  ],
  "t2-table6-shots": [/\| cem, 20 shots +\|/, /82\.18/],
  "t2-table7": [/\| IA³ on answers +\|/, /\| IA³ +\| +78\.01/],
  "t2-table8": [
    /\| − IA³ on the same shots \| − IA³, ten times the steps \|.*\| cem, 3 shots +\| arc-challenge \| +[+−]\d.*\| IA³ on 3 shots, 20 steps +\|/s,
    /\| IA³, 1,000 steps +\| +79\.01/,
  ],
  "t2-fig4": [
    /\| format +\| +2 \| +2 \|.*− last \|.*\| chosen \| +format \| +[+−]\d/s,
    /overfit without early stopping/,
  ],
  "t2-fig7": [/\| open-book: cem by layer, 10 shots +\| +\d\.\d\d/, /near uniform/],
  "t2-fig10-11": [/\| SVF, rank 16, policy gradient +\| +\d/, /without numbers/],
  "t2-app-d": [/\| arc-challenge: cem, 5 shots +\|/, /ten generations are enough/],
  "t2-random-shooting": [/\| arc-challenge: random, 10 shots +\|/, /The public code has it/],
  "t2-second-pass": [/\| IA³, by prompt +\|/, /print no numbers/],
  "t2-mixture-of-loras": [/\| LoRA: uniform mixture +\|.*\| LoRAs of the pair: learnt +\| +\d/s, /promise this/],
  "t2-stability": [/\| intents: LoRA +\| +0\.0005 \|/, /few oscillations/],
  "t2-forgetting": [/\| science \(LoRA\) +\|.*none of the 35 is corrected/s, /continual learning/],
  "t2-cls": [/by classifier, trained on answers: \d+\.\d ± \d.*\| other +\|.*\| +− by prompt \|/s, /8 B parameters/],
  "t2-transfer": [
    /\| shuffled +\| +format +\| [+−]\d.*− shuffled \|.*\| in order \| +format +\| +[+−]\d/s,
    /shuffled ones do worse/,
  ],
  "rv-19": [/\| +16 +\| +\d/, /grows with the number/],
} as const satisfies Partial<Record<Id, readonly [RegExp, RegExp]>>;

test.each(Object.entries(wanted))("%s: our rows, and what the documents have of it", async (id, [ours, theirs]) => {
  const text = await pageOf(id as Id);
  expect(text).toMatch(ours);
  expect(text).toMatch(theirs);
  expect(text).not.toMatch(/NaN|undefined|Infinity/);
});

test("where programs may be run the base model's are, and their tasks have rows", async () => {
  const ran: string[] = [];
  const runCode = async (program: string) => ({ passed: ran.push(program) > 1, reason: "by turns" });
  const [, scores] = await baseScores(context({ work: at("programs"), runCode }));
  expect(scores).toMatch(/\| mbpp +\| +1 \| +0\.0 \|\n\| humaneval +\| +1 \| +100\.0 \|/);
  expect(ran).toHaveLength(2);
});

test("a training that a page needs is stopped, gone on with, and not begun again when it is done", async () => {
  const training: Training = { task: "numbers", adapter: "svf", by: "rewards" };
  const stop = new AbortController();
  const work = at("stopped");
  const tell = (text: string) => void (/1 of 2 steps/.test(text) && stop.abort());
  await expect(trained(training, context({ work, tell, signal: stop.signal }))).rejects.toMatchObject({
    code: "E_INTERRUPTED",
  });
  const told: string[] = [];
  const done = await trained(training, context({ work, tell: (text) => void told.push(text) }));
  expect(told.filter((text) => text.includes("of 2 steps"))).toEqual(["numbers-svf-rewards: 2 of 2 steps"]);
  expect(existsSync(join(done.folder, "expert.safetensors"))).toBe(true);
  expect(done.seconds).toBeGreaterThan(0);
  const last = (await lastState(done.folder))!;
  expect((await readExpert(last)).madeBy).toMatchObject({ by: "reinforce", state: "step 2" });
  told.length = 0;
  expect(await trained(training, context({ work, tell: (text) => void told.push(text) }))).toEqual(done);
  expect(told).toEqual([]);
});

test("a model alone is refused: the pair says how questions are laid out", async () => {
  await expect(reproduce("t2-table1", context({ pair: undefined }), at("pages"))).rejects.toMatchObject({
    code: "E_DATA",
  });
});
