/** @file Arms of an ablation: generators of one run with other keys, trained where they are not yet, asked the same questions. */
import { AppError } from "../../src/base/errors.ts";
import type { LogLine } from "../../src/eval/log.ts";
import { trainings } from "../reasoning/trainings.ts";
import { ask } from "./ask.ts";
import type { Budget, Context } from "./row.ts";
import { generatorRun } from "./seen-tasks.ts";
import {
  asConfigured,
  generatorOf,
  isTrainedVariant,
  type Trained,
  trainedPair,
  type Variant,
} from "./trained-pair.ts";

export type Keys = Variant["generator"];

export const ablationTasks = ["arc-c", "arc-e", "openbookqa", "social-iqa", "winogrande", "piqa"] as const;
/** Of the tasks that the paper trains on, those that have examples beside their validation rows. */
export const seenTasks: readonly string[] = ["arc-c", "arc-e", "openbookqa"];
export const testItems: Readonly<Record<Budget, number>> = { minutes: 8, hours: 200, full: 500 };
export const validationItems: Readonly<Record<Budget, number>> = { minutes: 5, hours: 50, full: 50 };
const method = "specialized-1shot";
export const base = "base";

/** One training of an arm: its answers to rows of test and of validation, and how the training ended. The base model has no seed and no end. */
export type ArmRun = {
  readonly seed?: number;
  readonly test: readonly LogLine[];
  readonly validation: readonly LogLine[];
  readonly end?: Omit<Trained, "pair">;
};
export type Arm = { readonly name: string; readonly runs: readonly ArmRun[] };

export type Arms = {
  /** The base model's first. */
  readonly arms: readonly Arm[];
  /** What is left out where nothing is to be trained. */
  readonly missing: readonly string[];
};

export type Wanted = {
  readonly keys: Keys;
  /** Whether it is trained with several seeds, or with one. */
  readonly repeated?: true;
};

const seeds: Readonly<Record<Budget, number>> = { minutes: 1, hours: 3, full: 3 };

/** Seeds of an arm. */
export const seedsOf = ({ repeated }: Wanted, { budget }: Context): number => (repeated ? seeds[budget] : 1);

/** Of every arm: those of the generator that other pages have, so that it is one of them. */
export const stepsOf = ({ budget }: Context): number => trainings.generator.steps[budget];

/** The run whose keys the arms change. */
export const runOf = (context: Context): string | Promise<string> => context.train ?? generatorRun(context);

/**
 * The arms behind the base model, each trained with its seeds.
 * @throws E_NOT_FOUND where nothing is to be trained and no arm is there; and as `trainedPair` and `ask`
 */
export async function answersOf(wanted: Readonly<Record<string, Wanted>>, context: Context): Promise<Arms> {
  const run = await runOf(context);
  const own = await generatorOf(run);
  const variants = Object.entries(wanted).flatMap(([arm, one]) => {
    const generator = otherKeys(one.keys, own);
    const variant = { name: folderOf(generator), generator, steps: stepsOf(context) };
    return Array.from({ length: seedsOf(one, context) }, (_, i) => ({ arm, ...variant, seed: i + 1 }));
  });
  const isThere = (variant: Variant) => context.noTraining !== true || isTrainedVariant(variant, context);
  // First seeds first, so that what is stopped has one run of every arm.
  const there = variants.filter(isThere).sort((a, b) => a.seed - b.seed);
  const missing = variants.filter((variant) => !isThere(variant)).map(shownRun);
  if (there.length === 0)
    throw new AppError("E_NOT_FOUND", `expected ${missing.join("; ")} trained, found none; nothing is to be trained`);
  // The base model is asked beside the same generator on every page, so that its log has it once.
  const beside = there.find(({ generator }) => Object.keys(generator).length === 0) ?? there[0]!;
  const runs = new Map<string, ArmRun[]>([[base, []]]);
  for (const variant of there) {
    const { pair, ...end } = await trainedPair(variant, run, context);
    const withBase = variant === beside;
    const answers = await askGenerator({ ...variant, pair, withBase }, context);
    const { arm, seed } = variant;
    runs.set(arm, [...(runs.get(arm) ?? []), { seed, ...answers.own, end }]);
    if (withBase) runs.set(base, [answers.base]);
  }
  return { arms: [...runs].map(([name, all]) => ({ name, runs: all })), missing };
}

const shownRun = ({ name, steps, seed }: Omit<Variant, "generator">): string => `${name}-${steps}-${seed}`;

type Answers = { readonly own: ArmRun; readonly base: ArmRun };

/** What a generator answers to test rows and to validation rows, and perhaps the base model. Asked once, whichever page wants it. */
export async function askGenerator(
  { pair, withBase, ...variant }: Omit<Variant, "generator"> & { readonly pair: string; readonly withBase: boolean },
  context: Context,
): Promise<Answers> {
  const question = {
    id: `ablation-${shownRun(variant)}`,
    methods: withBase ? [base] : [],
    pairMethods: [method],
  };
  const chosenBy = { id: `${question.id}-validation`, split: "validation", items: validationItems } as const;
  const test = await ask({ ...question, suites: [...ablationTasks], items: testItems }, { ...context, pair });
  const validation = await ask({ ...question, ...chosenBy, suites: [...seenTasks] }, { ...context, pair });
  const of = (name: string): ArmRun => ({
    test: test.filter((line) => line.method === name),
    validation: validation.filter((line) => line.method === name),
  });
  return { own: of(method), base: of(base) };
}

/** Without what the run has anyway: so the same generator is trained once, whatever a page calls it. */
export const otherKeys = (keys: Keys, own: Readonly<Record<string, unknown>>): Keys =>
  Object.fromEntries(Object.entries(keys).filter(([key, value]) => JSON.stringify(own[key]) !== JSON.stringify(value)));

/** "experts-4", or that nothing differs from the run. */
const folderOf = (keys: Keys): string =>
  Object.entries(keys)
    .map(([key, value]) => `${key}-${value}`)
    .join("-") || asConfigured.name;
