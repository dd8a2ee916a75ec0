/** @file Every training over the paper's seen tasks that pages share, and the configuration of each: one table in the place of files. */
import type { z } from "zod";
import { TEXT_LAYOUT } from "../../src/text/prompt.ts";
import type { TrainConfig } from "../../src/train/recipes/table.ts";
import type { Budget } from "../reproduce/row.ts";
import type { SeenTask } from "./draw.ts";
import { type EpisodeSet, episodeFiles } from "./episodes.ts";

/** The shared runs of the manifest: a generator, rivals, compressors, what LoraHub and prefix tuning need, and a generator on other data. */
export const GROUPS = ["G0", "B", "P", "H", "GS"] as const;
export type Group = (typeof GROUPS)[number];

type Input = z.input<typeof TrainConfig>;
type Keys<K extends Input["kind"]> = Omit<
  Extract<Input, { kind: K }>,
  "output" | "steps" | "seed" | "edge" | "cloud" | "batch" | "episodes" | "optimizer"
>;
type RecipeKeys = { readonly [K in Input["kind"]]: Keys<K> }[Input["kind"]];

type Spec = {
  readonly group: Group;
  readonly what: string;
  readonly steps: Readonly<Record<Budget, number>>;
  /** How many seeds, from 1 on. */
  readonly seeds: Readonly<Record<Budget, number>>;
  readonly data: EpisodeSet;
  /** Prompts of a step. */
  readonly batch: number;
  /** The generators' was chosen by the loss over validation prompts; the others are guesses. */
  readonly rate: number;
  /** Of a step on two quiet processors: measured for the generator, for the others estimated from it by tokens and products. */
  readonly seconds: number;
  /** What an evaluation calls it in front of the path, without examples: "lora". */
  readonly method?: string;
  /** Whether it is one of the LoRAs that LoraHub mixes, which lie side by side. */
  readonly inPool?: true;
  /** The result within a run's folder. */
  readonly result: string;
  readonly recipe: RecipeKeys;
};

const long = { minutes: 2, hours: 75, full: 400 } as const;
const once = { minutes: 1, hours: 1, full: 1 } as const;
/** Of what pages give a spread over seeds of. */
const again = { minutes: 1, hours: 1, full: 2 } as const;

/** A step of six prompts with six questions each; of these as many as a row of so many tokens holds. */
const prompts = { data: "prompts", batch: 6 } as const;
/** A step of twelve questions, each behind its own prompt. */
const rows = { data: "rows", batch: 12 } as const;
const rowTokens = 192;
/** Tokens that stand in a prompt's place: less than a third of a prompt's own, on average. */
const tokens = 32;
const learned = "learned.safetensors";

/** Behind what stands in a prompt's place an evaluation writes the question alone, without the empty line that follows a text. */
export const behindLayout = { ...TEXT_LAYOUT, beforeInput: "" } as const;

const compressor = (form: "gist" | "autocompressor" | "icae" | "500xcompressor", full: number) =>
  ({
    group: "P",
    steps: { minutes: 2, hours: 75, full },
    seeds: once,
    ...prompts,
    rate: 0.0005,
    seconds: 9,
    method: form,
    result: learned,
    recipe: { kind: "compressor", layout: behindLayout, rowTokens, compressor: { form, tokens } },
  }) as const;

const taskLora = (task: SeenTask) =>
  ({
    group: "H",
    what: `a LoRA of ${task}, inputs alone, for LoraHub's pool`,
    steps: { minutes: 2, hours: 50, full: 100 },
    seeds: once,
    data: task,
    batch: 6,
    rate: 0.0005,
    seconds: 4,
    inPool: true,
    result: "adapter",
    recipe: { kind: "lora", rowTokens },
  }) as const;

const table = {
  generator: {
    group: "G0",
    what: "the generator in the paper's configuration",
    steps: long,
    seeds: { minutes: 1, hours: 1, full: 3 },
    ...prompts,
    rate: 0.003,
    seconds: 6.5,
    result: "generator",
    recipe: { kind: "generator", rowTokens, generator: {} },
  },
  lora: {
    group: "B",
    what: "one LoRA over all seen tasks, behind prompts",
    steps: long,
    seeds: once,
    ...rows,
    rate: 0.0005,
    seconds: 9,
    method: "lora",
    result: "adapter",
    recipe: { kind: "adapter", rowTokens: 512, prompted: true, adapter: { kind: "lora", rank: 16, alpha: 16 } },
  },
  loramoe: {
    group: "B",
    what: "LoRAMoE over all seen tasks, behind prompts",
    steps: long,
    seeds: again,
    ...rows,
    rate: 0.0005,
    seconds: 10,
    method: "loramoe",
    result: learned,
    recipe: { kind: "loramoe", rowTokens: 512, prompted: true },
  },
  mixlora: {
    group: "B",
    what: "MixLoRA over all seen tasks, behind prompts",
    steps: long,
    seeds: again,
    ...rows,
    rate: 0.0005,
    seconds: 12,
    method: "mixlora",
    result: learned,
    recipe: { kind: "mixlora", rowTokens: 512, prompted: true },
  },
  gist: { what: `gist tokens, ${tokens} of them`, ...compressor("gist", 300) },
  autocompressor: { what: `AutoCompressors, ${tokens} summary vectors`, ...compressor("autocompressor", 300) },
  icae: { what: `ICAE, ${tokens} memory tokens; not concluded`, ...compressor("icae", 200) },
  "500xcompressor": { what: `500xCompressor, ${tokens} tokens; not concluded`, ...compressor("500xcompressor", 200) },
  "lora-arc-c": taskLora("arc-c"),
  "lora-arc-e": taskLora("arc-e"),
  "lora-openbookqa": taskLora("openbookqa"),
  "lora-boolq": taskLora("boolq"),
  prefix: {
    group: "H",
    what: "prefix tuning over all seen tasks, inputs alone",
    steps: { minutes: 2, hours: 50, full: 100 },
    seeds: once,
    ...prompts,
    rate: 0.01,
    seconds: 6,
    method: "prefix",
    result: learned,
    recipe: { kind: "prefix", rowTokens },
  },
  instructed: {
    group: "GS",
    what: "the generator with instructions among the prompts",
    steps: long,
    seeds: once,
    data: "instructed",
    batch: 6,
    rate: 0.003,
    seconds: 6.5,
    result: "generator",
    recipe: { kind: "generator", rowTokens, generator: {} },
  },
} as const satisfies Readonly<Record<string, Spec>>;

/** Generators: their runs lie beside those of ablations. */
export type GeneratorName = "generator" | "instructed";
export const isGenerator = (name: TrainingName): name is GeneratorName => table[name].recipe.kind === "generator";

export type TrainingName = keyof typeof table;
export const TRAINING_NAMES = Object.keys(table) as TrainingName[];
/** In the order in which it tells most. */
export const trainings: { readonly [N in TrainingName]: Spec } = table;

export type Training = { readonly name: TrainingName; readonly seed: number };

/** All seeds of a budget, or so many. */
export const seedsOf = (name: TrainingName, budget: Budget, least = 1): Training[] =>
  Array.from({ length: Math.max(least, trainings[name].seeds[budget]) }, (_, i) => ({ name, seed: i + 1 }));

/** Everything that a budget has. */
export const planOf = (budget: Budget): Training[] => TRAINING_NAMES.flatMap((name) => seedsOf(name, budget));

/** "loramoe-400-2": what is trained, its steps and its seed. */
export const folderOf = ({ name, seed }: Training, budget: Budget): string =>
  `${name}-${trainings[name].steps[budget]}-${seed}`;

/** Where a training reads and writes; models as `loragen train` takes them. */
export type TrainingPlace = {
  readonly cloud: string;
  readonly edge: string;
  readonly tokenizer?: string | undefined;
  readonly cloudTokenizer?: string | undefined;
  /** Folder of prompts. */
  readonly data: string;
  readonly output: string;
};

/** The configuration of a run, as `loragen train` reads it. */
export function configOf({ name, seed }: Training, budget: Budget, place: TrainingPlace): Input {
  const { steps: all, data, batch, rate, recipe } = trainings[name];
  const steps = all[budget];
  const { cloud, edge, tokenizer, cloudTokenizer, output } = place;
  const hasCloud = recipe.kind === "generator";
  return {
    layout: TEXT_LAYOUT,
    ...recipe,
    output,
    seed,
    steps,
    batch,
    edge,
    ...(hasCloud ? { cloud } : {}),
    ...(tokenizer === undefined ? {} : { tokenizer }),
    ...(hasCloud && cloudTokenizer !== undefined ? { cloudTokenizer } : {}),
    episodes: episodeFiles(place.data, data),
    // The paper warms up for 50 steps; short runs for an eighth of theirs.
    optimizer: { learningRate: rate, warmupSteps: Math.min(50, Math.floor(steps / 8)) },
    validateEvery: Math.ceil(steps / 4),
    validationBatches: budget === "minutes" ? 1 : 8,
    checkpointEvery: 10,
    logEvery: 1,
  } as Input;
}
