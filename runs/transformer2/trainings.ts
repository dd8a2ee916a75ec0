/** @file Every training of Transformer² here, and the configuration of each: one table in the place of files that differ in a line. */
import type { z } from "zod";
import { classifierName } from "../../src/dispatch/skill-pool-file.ts";
import type { MapGroup } from "../../src/models/decomposable.ts";
import type { PromptLayout } from "../../src/text/prompt.ts";
import type { Adapter } from "../../src/train/learner.ts";
import type { TrainConfig } from "../../src/train/recipes/table.ts";
import type { Budget } from "../reproduce/row.ts";
import { classifierAnswer } from "./classifier.ts";
import { type FamilyName, familyFile } from "./families.ts";
import { SKILLS, type SkillName, tasks } from "./tasks.ts";

const adapters = {
  svf: { kind: "svf" },
  "svf-attention": { kind: "svf", maps: "attention" },
  "svf-both": { kind: "svf", maps: "both" },
  "svf-16": { kind: "svf", rank: 16 },
  "svf-64": { kind: "svf", rank: 64 },
  "svf-256": { kind: "svf", rank: 256 },
  lora: { kind: "lora", rank: 16, alpha: 16 },
  dora: { kind: "dora", rank: 16, alpha: 16 },
  ia3: { kind: "ia3" },
} as const satisfies Readonly<Record<string, z.input<typeof Adapter>>>;
export type AdapterName = keyof typeof adapters;
export type AdapterKind = (typeof adapters)[AdapterName]["kind"];

export const kindOf = (adapter: AdapterName): AdapterKind => adapters[adapter].kind;

/** Which maps factors of singular values are of. */
export function mapsOf(name: AdapterName): MapGroup {
  const adapter = adapters[name];
  return "maps" in adapter ? adapter.maps : "feed-forward";
}

/** By rewards, as the paper; on answers, as others do; on the few examples that a search reads too. */
export type Way = "rewards" | "answers" | "shots";

export type Training = {
  readonly task: FamilyName;
  readonly adapter: AdapterName;
  readonly by: Way;
  /** The first of the two learning rates, or the second. */
  readonly rate?: "first" | "second";
  readonly seed?: number;
  /** Of a training on shots. */
  readonly shots?: number;
  /** Ten times the steps. */
  readonly isLong?: boolean;
};

/** The two rates that each is tried with. Those of factors by rewards: twice the paper's, since there are few steps, and the paper's. */
const rates: { readonly [W in Way]: { readonly [K in AdapterKind]: readonly [number, number] } } = {
  rewards: { svf: [0.004, 0.002], lora: [0.0005, 0.0001], dora: [0.0005, 0.0001], ia3: [0.004, 0.001] },
  answers: { svf: [0.004, 0.001], lora: [0.001, 0.0002], dora: [0.001, 0.0002], ia3: [0.01, 0.002] },
  shots: { svf: [0.004, 0.001], lora: [0.001, 0.0002], dora: [0.001, 0.0002], ia3: [0.01, 0.002] },
};

export const rateOf = ({ by, adapter, rate = "first" }: Training): number =>
  rates[by][kindOf(adapter)][rate === "first" ? 0 : 1];

const steps: { readonly [W in Way]: Readonly<Record<Budget, number>> } = {
  rewards: { minutes: 2, hours: 60, full: 100 },
  answers: { minutes: 2, hours: 40, full: 100 },
  shots: { minutes: 2, hours: 100, full: 100 },
};

export const stepsOf = ({ by, isLong = false }: Training, budget: Budget): number =>
  steps[by][budget] * (isLong ? 10 : 1);

/** Questions of a step: fewer where they are long, so that steps cost about the same. */
const batches: Readonly<Partial<Record<FamilyName, number>>> = { science: 16, reading: 16, classifier: 16 };
const usualBatch = 32;
/** Questions of a validation. */
const validated = 64;

/** Of the first rate, the first seed and the usual steps nothing is said: "science-svf-rewards", "intents-lora-answers-second-rate". */
export const nameOf = ({ task, adapter, by, rate = "first", seed = 1, shots, isLong = false }: Training): string =>
  [
    task,
    adapter,
    ...(shots === undefined ? [by] : [`${shots}-shots`]),
    ...(rate === "first" ? [] : ["second-rate"]),
    ...(seed === 1 ? [] : [`seed-${seed}`]),
    ...(isLong ? ["long"] : []),
  ].join("-");

/** What a training reads and where it writes. */
export type TrainingPlace = {
  readonly edge: string;
  readonly tokenizer?: string | undefined;
  readonly layout: PromptLayout;
  /** Folder of families. */
  readonly data: string;
  readonly output: string;
};

/** The configuration of a run, as `loragen train` reads it. */
export function configOf(training: Training, budget: Budget, place: TrainingPlace): z.input<typeof TrainConfig> {
  const { task, adapter, by, seed = 1, shots } = training;
  const { edge, tokenizer, layout, data, output } = place;
  const count = stepsOf(training, budget);
  const isClassifier = task === classifierName;
  const batch = shots === undefined ? (batches[task] ?? usualBatch) : Math.min(shots, 8);
  const common = {
    output,
    seed,
    steps: count,
    batch,
    edge,
    ...(tokenizer === undefined ? {} : { tokenizer }),
    layout,
    adapter: adapters[adapter],
    tasks: {
      files: [familyFile(data, task, shots)],
      queriesPerPrompt: 1,
      shotProbability: 0,
      shotsOnlyProbability: 0,
    },
    validateEvery: Math.max(1, Math.floor(count / 6)),
    validationBatches: shots === undefined ? validated / batch : 1,
    checkpointEvery: 10,
    logEvery: 1,
  };
  const optimizer = {
    learningRate: rateOf(training),
    schedule: "constant" as const,
    warmupSteps: 0,
    weightDecay: 0,
  };
  if (by !== "rewards") return { ...common, kind: "adapter", prompted: isClassifier, optimizer };
  const { scorer, maxTokens } = isClassifier ? classifierAnswer : tasks[task];
  return {
    ...common,
    kind: "reinforce",
    // The published code's bound; what it bounds, Adam scales up again.
    optimizer: { ...optimizer, maxGradientNorm: 0.001 },
    reward: { scorer, maxTokens, prompted: isClassifier },
  };
}

/** Two skills that adapters beside factors of singular values are trained for, and one of them by which choices are compared. */
export const compared = ["science", "intents"] as const satisfies readonly SkillName[];
export const ablated = "intents" satisfies SkillName;
/** The task of which examples are few. */
export const fewShot = "arc-challenge";
export const shotCounts = [3, 5, 10, 20] as const;
export const rivals = ["lora", "ia3", "dora"] as const satisfies readonly AdapterName[];
export const ranks = ["svf-16", "svf-64", "svf-256"] as const satisfies readonly AdapterName[];

const bothRates = (training: Training): Training[] => [training, { ...training, rate: "second" }];
const rewarded = (task: FamilyName, adapter: AdapterName = "svf"): Training => ({ task, adapter, by: "rewards" });

/** Everything that pages need, in the order in which it tells most. */
export const plan = {
  skills: SKILLS.map((task) => rewarded(task)),
  classifier: [{ task: classifierName, adapter: "svf", by: "answers" }],
  "other adapters": compared.flatMap((task) =>
    [...rivals, "svf" as const].flatMap((adapter) => bothRates({ task, adapter, by: "answers" })),
  ),
  "a LoRA by rewards": compared.flatMap((task) => bothRates(rewarded(task, "lora"))),
  "few examples": [
    ...shotCounts.map((shots): Training => ({ task: fewShot, adapter: "ia3", by: "shots", shots })),
    { task: fewShot, adapter: "svf", by: "shots", shots: 10 },
    { task: fewShot, adapter: "ia3", by: "shots", shots: 3, isLong: true },
  ],
  "other maps": (["svf-attention", "svf-both"] as const).flatMap((adapter): Training[] => [
    rewarded(ablated, adapter),
    { task: ablated, adapter, by: "answers" },
  ]),
  "other ranks": ranks.map((adapter) => rewarded(ablated, adapter)),
  again: [
    ...(["format", ablated] as const).flatMap((task): Training[] => [
      { ...rewarded(task), rate: "second" },
      { ...rewarded(task), seed: 2 },
    ]),
    rewarded(classifierName),
  ],
} as const satisfies Readonly<Record<string, readonly Training[]>>;

export const TRAININGS: readonly Training[] = Object.values(plan).flat();
