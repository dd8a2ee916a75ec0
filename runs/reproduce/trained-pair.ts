/** @file A pair whose generator is trained where it is not yet: a run's configuration with other keys, which goes on where it was stopped. */
import { existsSync } from "node:fs";
import { mkdir, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { AppError } from "../../src/base/errors.ts";
import { checkSchema } from "../../src/base/json.ts";
import { readJsonFile } from "../../src/base/json-file.ts";
import { mean } from "../../src/eval/statistics.ts";
import { readJsonl } from "../../src/files/jsonl.ts";
import { GeneratorConfig } from "../../src/generator/config.ts";
import { unusedKeys } from "../../src/generator/unused-keys.ts";
import { pairFileName } from "../../src/pair/pair.ts";
import { writePairFile } from "../../src/pair/pair-file.ts";
import { PromptLayout, SPECIAL_TOKEN_LAYOUT } from "../../src/text/prompt.ts";
import { runFolder } from "../../src/train/run-folder.ts";
import type { Context } from "./row.ts";
import { trainRun } from "./trained-run.ts";

/** What is read of a generator's run; all of it is trained with. */
const Run = z.looseObject({
  kind: z.literal("generator"),
  cloud: z.string().min(1),
  edge: z.string().min(1),
  tokenizer: z.string().min(1).optional(),
  cloudTokenizer: z.string().min(1).optional(),
  layout: PromptLayout.default(SPECIAL_TOKEN_LAYOUT),
  cloudLayout: PromptLayout.optional(),
  generator: z.looseObject({}).prefault({}),
});
export type Run = z.infer<typeof Run>;

export type Variant = {
  /** Names its folder. */
  readonly name: string;
  /** In place of those of the run. */
  readonly generator: Partial<z.input<typeof GeneratorConfig>>;
  readonly steps: number;
  readonly seed: number;
};

/** A variant that changes nothing: pages that have it, whatever they call it, share its training. */
export const asConfigured = { name: "as-configured", generator: {} } as const;

/** The generator's keys of a run, all of them. Throws E_CONFIG for a run of something else. */
export const generatorOf = async (runPath: string): Promise<GeneratorConfig> =>
  GeneratorConfig.parse((await readJsonFile(runPath, Run, { code: "E_CONFIG" })).generator);

export type Trained = {
  /** The folder of the pair. */
  readonly pair: string;
  /** The last numbers over the run's validation prompts. */
  readonly validation: Validation;
  /** Mean of −log p over answers to the prompts of the last quarter of steps, without the balance loss. */
  readonly training: number;
};

const Validation = z.looseObject({
  loss: z.number(),
  /** Without the balance loss; both are absent where there is no pool. */
  answerLoss: z.number().optional(),
  /** Sum of gates by expert. */
  expertLoad: z.array(z.number()).optional(),
});
type Validation = z.infer<typeof Validation>;
const LogLine = z.looseObject({
  loss: z.number().optional(),
  answerLoss: z.number().optional(),
  validation: Validation.optional(),
});

/** The folder of a variant's run. */
const trainedFolder = (work: string, { name, steps, seed }: Omit<Variant, "generator">): string =>
  join(work, "runs", `${name}-${steps}-${seed}`);

/** Whether there is nothing left to train of it. */
export const isTrainedVariant = (variant: Omit<Variant, "generator">, { work }: Pick<Context, "work">): boolean =>
  existsSync(join(trainedFolder(work, variant), "generator"));

/**
 * Trains it, or finds it trained.
 * @throws as `trainRun`
 */
export async function trainedPair(variant: Variant, runPath: string, context: Context): Promise<Trained> {
  const { name, steps, seed } = variant;
  const { work } = context;
  const output = trainedFolder(work, variant);
  const run = await readJsonFile(runPath, Run, { code: "E_CONFIG" });
  const config = { ...run, output, steps, seed, generator: keysOf(run, variant) };
  await trainRun({ name: `${name}, seed ${seed}`, output, config, result: join(output, "generator") }, context);
  const pair = await linkPair(join(work, "pairs", `${name}-${steps}-${seed}`), run, output);
  return { pair, ...(await endOf(runFolder(output).log)) };
}

async function endOf(path: string): Promise<Omit<Trained, "pair">> {
  let last: Validation | undefined;
  const losses: number[] = [];
  for await (const value of readJsonl(path)) {
    const { validation, loss, answerLoss = loss } = checkSchema(value, LogLine, { what: path });
    last = validation ?? last;
    if (validation === undefined && answerLoss !== undefined) losses.push(answerLoss);
  }
  if (last === undefined) throw new AppError("E_DATA", `${path}: expected a validation, found none`);
  return { validation: last, training: mean(losses.slice(-Math.ceil(losses.length / 4))) };
}

/** Those of the run and of the variant, but for keys that mean nothing beside it. */
function keysOf({ generator }: Run, variant: Variant): Record<string, unknown> {
  const keys: Record<string, unknown> = { ...generator, ...variant.generator };
  const parsed = GeneratorConfig.safeParse(keys);
  const idle = parsed.success ? unusedKeys(parsed.data).map(({ key }) => key) : [];
  return Object.fromEntries(Object.entries(keys).filter(([key]) => !idle.includes(key)));
}

/** A pair of what a run was trained over and what it left in `output`: `pair.json` beside links to what it names. */
export async function linkPair(folder: string, run: Run, output: string): Promise<string> {
  if (existsSync(join(folder, pairFileName))) return folder;
  await mkdir(folder, { recursive: true });
  const link = async (name: string, target: string): Promise<string> => {
    const own = target.endsWith(".gguf") ? `${name}.gguf` : name;
    if (!existsSync(join(folder, own))) await symlink(resolve(target), join(folder, own));
    return own;
  };
  const edge = await link("edge", run.edge);
  const cloud = run.cloud === run.edge ? edge : await link("cloud", run.cloud);
  const { tokenizer, cloudTokenizer, layout, cloudLayout } = run;
  await writePairFile(folder, {
    name: "ablation",
    edge,
    cloud,
    generator: await link("generator", join(output, "generator")),
    layout,
    ...(tokenizer === undefined ? {} : { tokenizer: await link("tokenizer", tokenizer) }),
    ...(cloudTokenizer === undefined ? {} : { cloudTokenizer: await link("cloud-tokenizer", cloudTokenizer) }),
    ...(cloudLayout === undefined ? {} : { cloudLayout }),
  });
  return folder;
}
