/**
 * @file Prompts by other hands, for each of which it is known from data whether it states a closed set of answers: definitions of
 * Super-NaturalInstructions by their authors, about 200 wordings of each task by Text-to-LoRA's, and role plays, which leave answers open.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { instruct, readInstructions } from "../../runs/smollm2/instructions.ts";
import { readRows } from "../../runs/sources/rows.ts";
import { readNiDescriptions, readNiRows, readNiTasks } from "../../runs/sources/super-ni.ts";
import { AppError } from "../../src/base/errors.ts";
import { sha256 } from "../../src/base/hash.ts";
import { createRng } from "../../src/base/rng.ts";

/** In the order of tables. `listed`: wordings with a list behind them, as `runs/smollm2` trains on. */
export const kinds = ["definitions", "wordings", "listed", "role plays"] as const;
/** The rules may be mended on the first half. No prompt of the second is ever shown. */
export const halves = ["to look at", "held out"] as const;

export type StatedSet = {
  readonly kind: (typeof kinds)[number];
  readonly half: (typeof halves)[number];
  /** The task's data set. All its tasks are in one half: their prompts are alike. */
  readonly family: string;
  readonly task: string;
  readonly prompt: string;
  /** All answers of the task, once each. Those of a role play are not known. */
  readonly answers: readonly string[];
  /** The same where they are few. */
  readonly labels?: readonly string[];
  /** Whether the prompt names all of them. */
  readonly isStated: boolean;
};

const mostLabels = 20;
/** Prompts with a list that are drawn of each task. */
const listedOfEach = 10;

/** Tasks that `runs/smollm2` trains on, and no other: those of its tests are not for mending rules. */
export async function readStatedSets(data: string): Promise<StatedSet[]> {
  if (!existsSync(join(data, "super_ni")))
    throw new AppError(
      "E_DATA",
      `${data}: expected data sets, one of them super_ni, found none; --data names their folder`,
    );
  const instructions = new Map((await readInstructions(data, "train")).map((one) => [one.name, one]));
  const tasks = (await readNiTasks(data)).filter(({ task }) => instructions.has(task));
  const [rows, wordings] = await Promise.all([readNiRows(data, "train"), readNiDescriptions(data)]);
  const ofTasks = tasks.flatMap(({ task, definition }): StatedSet[] => {
    const answers = (rows.get(task) ?? []).map(({ output }) => output[0]!.trim());
    const all = [...new Set(answers)];
    const set = closedSet(answers);
    if (set === "neither") return [];
    const family = task.split("_")[1]!;
    const made = (kind: StatedSet["kind"], prompt: string): StatedSet => {
      const isStated = set?.every((label) => names(prompt, label)) ?? false;
      return { kind, half: halfOf(family), family, task, prompt, answers: all, ...(set && { labels: set }), isStated };
    };
    const instruction = instructions.get(task)!;
    const rng = createRng(`listed ${task}`);
    const listed = instruction.labels === undefined ? 0 : listedOfEach;
    return [
      made("definitions", definition),
      ...(wordings.get(task) ?? []).filter((_, i) => i % 10 !== 8).map((text) => made("wordings", text)), // kept for tests
      ...Array.from({ length: listed }, (_, i) =>
        made("listed", instruct(rng.split(`${i}`), instruction).wordings.train[0]!),
      ),
    ];
  });
  return [...ofTasks, ...(await readRolePlays(data))];
}

async function readRolePlays(data: string): Promise<StatedSet[]> {
  const Row = z.object({ instruction: z.string() });
  const texts = await readRows(join(data, "gpteacher_roleplay", "train.jsonl.gz"), Row);
  return [...new Set(texts.map(({ instruction }) => instruction))].map((prompt) => ({
    ...{ kind: "role plays", half: halfOf(prompt), family: prompt, task: prompt, prompt, answers: [], isStated: false },
  }));
}

const halfOf = (text: string): StatedSet["half"] => halves[Number.parseInt(sha256(text).slice(0, 2), 16) % 2]!;

/** Answers that are few, each given again and again; undefined where they are many. */
function closedSet(answers: readonly string[]): readonly string[] | undefined | "neither" {
  const counts = new Map<string, number>();
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  if (counts.size > mostLabels) return undefined;
  return counts.size > 1 && [...counts.values()].every((count) => count > 1) ? [...counts.keys()].sort() : "neither";
}

/** Whether a label stands in a prompt as words of its own. A single letter is one in its own case: "a" is an article. */
function names(prompt: string, label: string): boolean {
  const literal = label.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, label.length === 1 ? "u" : "iu").test(prompt);
}
