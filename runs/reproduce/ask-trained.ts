/** @file Rows of what was trained on the paper's seen tasks, for any page: trained where it is not yet, asked what the page asks. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { LogLine } from "../../src/eval/log.ts";
import { openLog } from "../../src/eval/log-file.ts";
import { folderOf, seedsOf, type Training, type TrainingName, trainings } from "../reasoning/trainings.ts";
import type { Asked } from "./ask.ts";
import type { Context } from "./row.ts";
import { isTrained, trainedGenerator, trainedPool, trainedRival } from "./seen-tasks.ts";
import { asConfigured } from "./trained-pair.ts";

/** How something of the table is asked: "lora-5shot" of `lora`, "specialized-5shot" of the generator; LoraHub by its pool. */
export type Wanted = {
  readonly of: Exclude<TrainingName, `lora-${string}`> | "lorahub";
  readonly forms: readonly string[];
  /** At least so many seeds, where the budget has fewer. */
  readonly seeds?: number;
};

export type TrainedAnswers = {
  /** Their methods are called by steps and seed: "lora-5shot (75 steps, seed 1)". */
  readonly lines: readonly LogLine[];
  /** What is left out, by the names of `runs/reasoning`. */
  readonly missing: readonly string[];
  /** Whether there is a row of any. */
  readonly hasAny: boolean;
};

/** Asks some methods, into the log of that id. */
export type Asking = (how: Pick<Asked, "id" | "methods" | "pairMethods">, context: Context) => Promise<LogLine[]>;

/** The rivals of the first table, behind so many examples. */
export const rivals = (shots: number, seeds = 1): Wanted[] =>
  (["lora", "loramoe", "mixlora"] as const).map((of) => ({
    of,
    forms: [`${of}-${shots}shot`],
    seeds: of === "lora" ? 1 : seeds,
  }));
/** What stands in the place of the task's prompt. */
export const compressors: readonly Wanted[] = (["gist", "autocompressor", "icae", "500xcompressor"] as const).map(
  (of) => ({ of, forms: [of] }),
);
export const generator = (form: string, seeds = 1): Wanted => ({ of: "generator", forms: [form], seeds });

const pool: readonly Training[] = (["lora-arc-c", "lora-arc-e", "lora-openbookqa", "lora-boolq"] as const).map(
  (name) => ({ name, seed: 1 }),
);
const trainingsOf = ({ of, seeds }: Wanted, { budget }: Context): readonly Training[] =>
  of === "lorahub" ? [pool[0]!] : seedsOf(of, budget, seeds);
const partsOf = ({ of }: Wanted, training: Training): readonly Training[] => (of === "lorahub" ? pool : [training]);

/** What a page calls a method: no path, and which of several trainings. */
export function shownMethod(form: string, { name, seed }: Training, { budget }: Pick<Context, "budget">): string {
  const { steps, inPool } = trainings[name];
  const of = name === "generator" ? "G0, " : "";
  return `${form} (${of}${steps[budget]} steps${inPool ? " each" : `, seed ${seed}`})`;
}

/**
 * Answers of the page's own methods, then of everything wanted, in its order. Generators are asked as pairs of their own, into logs of their
 * own.
 */
export async function askTrained(
  id: string,
  {
    methods = [],
    pairMethods = [],
    wanted,
  }: Partial<Pick<Asked, "methods" | "pairMethods">> & { readonly wanted: readonly Wanted[] },
  asking: Asking,
  all: Context,
): Promise<TrainedAnswers> {
  const context = { ...all, methods: [] };
  const own = methods.length === 0 ? [] : await asking({ id, methods, pairMethods }, all);
  const missing: string[] = [];
  const generated: LogLine[] = [];
  const shown = new Map<string, string>();
  for (const one of wanted)
    for (const training of trainingsOf(one, context)) {
      const untrained = partsOf(one, training).filter((part) => context.noTraining && !isTrained(part, context));
      missing.push(...untrained.map((part) => folderOf(part, context.budget)));
      if (untrained.length > 0) continue;
      if (one.of === "generator") {
        const { pair } = await trainedGenerator(training.seed, context);
        const log = `${id}-${asConfigured.name}-${trainings.generator.steps[context.budget]}-${training.seed}`;
        for (const line of await asking({ id: log, methods: [], pairMethods: one.forms }, { ...context, pair }))
          generated.push({ ...line, method: shownMethod(line.method, training, context) });
        continue;
      }
      const path = one.of === "lorahub" ? await trainedPool(pool, context) : await trainedRival(training, context);
      for (const form of one.forms) shown.set(`${form}:${path}`, shownMethod(form, training, context));
    }
  // The log has what was trained before, with another budget too, under the names of folders.
  const isTheirs = ({ method }: LogLine): boolean => method.includes(join(context.work, "reasoning"));
  const asked = shown.size === 0 ? [] : await asking({ id, methods: [...shown.keys()], pairMethods: [] }, context);
  const named = asked.flatMap((line) => {
    const method = shown.get(line.method);
    return method === undefined ? [] : [{ ...line, method }];
  });
  return {
    lines: [...own.filter((line) => !isTheirs(line)), ...named, ...generated],
    missing: [...new Set(missing)],
    hasAny: named.length + generated.length > 0,
  };
}

/** Of a log's lines: a path in a method's name becomes the steps and the seed of what lies there. */
export const withoutPath = (method: string): string =>
  method
    .replace(/^([^:]+):.*\/reasoning\/runs\/.*-(\d+)-(\d+)$/, "$1 ($2 steps, seed $3)")
    .replace(/^([^:]+):.*\/reasoning\/pool-(\d+)$/, "$1 ($2 steps each)");

/** All lines of a page's logs, those of generators trained here among them. */
export async function linesOfPage(id: string, work: string): Promise<LogLine[]> {
  const found: LogLine[] = [];
  for (const name of (await readdir(work)).sort()) {
    const [, steps, seed] = new RegExp(`^${id}-${asConfigured.name}-(\\d+)-(\\d+)\\.jsonl$`).exec(name) ?? [];
    if (name !== `${id}.jsonl` && steps === undefined) continue;
    await using log = await openLog(join(work, name));
    const named = (method: string) =>
      steps === undefined ? withoutPath(method) : `${method} (G0, ${steps} steps, seed ${seed})`;
    found.push(...log.lines.map((line) => ({ ...line, method: named(line.method) })));
  }
  return found;
}

/** Stands under tables with such rows. */
export const trainedNote = ({ missing, hasAny }: Pick<TrainedAnswers, "missing" | "hasAny">): string[] => [
  ...(hasAny
    ? [
        "Rows with steps and a seed were trained for this comparison on the same rows of ARC-c, ARC-e, OpenBookQA and BoolQ, in the words of these questions (`runs/reasoning`): G0 is LoRA-Gen with the paper's configuration. All had few steps; G0's learning rate is the best of four by its validation loss, the others' are guesses. `specialized` without steps is the pair that ships, trained on other prompts. A LoRA, LoRAMoE and MixLoRA read the examples with every question, as in the paper.",
      ]
    : []),
  ...(missing.length === 0 ? [] : [`Not trained yet, and left out (\`--no-training\`): ${missing.join(", ")}.`]),
];
