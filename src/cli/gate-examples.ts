/** @file `specialize --examples`: flags of a search, or a training, for gates; and what is said of it. */
import { Option } from "commander";
import type { ConstraintSpec } from "../constraint/spec.ts";
import { firstExamples, readExamples } from "../data/examples-file.ts";
import {
  type FromExamples,
  fromExamplesDefaults,
  type GateWay,
  gateWays,
  specializeFromExamples,
  splitExamples,
} from "../dispatch/gates.ts";
import type { Pair } from "../pair/pair-file.ts";
import type { Specialization } from "../pair/specialization-file.ts";
import { type RewardName, rewardNames } from "../train/rollout.ts";
import type { CliContext } from "./context.ts";
import { formatMs, formatShare, plural } from "./format.ts";
import { decimal, type PairFlags, wholeNumber } from "./options.ts";

export type ExampleFlags = {
  readonly examples?: string;
  readonly shots?: number;
  readonly way: GateWay;
  readonly perLayer?: boolean;
  readonly generations: number;
  readonly population: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly scorer?: RewardName;
  readonly seed: number;
};

const defaults = fromExamplesDefaults;

export const exampleOptions = (): Option[] => [
  new Option(
    "--examples <file>",
    'JSON lines of "input" and "target": gates are found from the predicted ones on; a quarter is set aside to choose by',
  ),
  new Option("--shots <n>", "--examples: only the first n").argParser(wholeNumber(2)),
  new Option("--way <how>", "--examples: searched without gradients, or learnt with them")
    .choices(gateWays)
    .default(defaults.way),
  new Option("--per-layer", "searched: gates of each layer are moved by themselves, not all alike"),
  new Option("--generations <n>", "searched: generations").argParser(wholeNumber(1)).default(defaults.generations),
  new Option("--population <n>", "searched: candidates of a generation")
    .argParser(wholeNumber(2, 10_000))
    .default(defaults.population),
  new Option("--steps <n>", "learnt: steps").argParser(wholeNumber(1)).default(defaults.steps),
  new Option("--learning-rate <x>", "learnt: step size").argParser(decimal(0, 100)).default(defaults.learningRate),
  new Option("--scorer <name>", "--examples: what answers are scored by")
    .choices(rewardNames)
    .default(undefined, "exact; with labels: the likeliest one counts"),
  new Option("--seed <n>", "--examples: of what is set aside and drawn")
    .argParser(wholeNumber(0))
    .default(defaults.seed),
];

export type SplitExamples = ReturnType<typeof splitExamples>;

/** Undefined where no examples were given. Throws E_DATA for fewer than asked for or than two, and as `readExamples`. */
export async function readSplitExamples({
  examples: path,
  shots,
  seed,
}: ExampleFlags): Promise<SplitExamples | undefined> {
  if (path === undefined) return undefined;
  return splitExamples(firstExamples(path, await readExamples(path), shots), seed);
}

export async function findGates(
  { stderr }: Pick<CliContext, "stderr">,
  pair: Pair,
  start: Specialization,
  examples: SplitExamples,
  constraint: ConstraintSpec | undefined,
  { scorer, ...flags }: ExampleFlags & Pick<PairFlags, "threads" | "device"> & { readonly signal: AbortSignal },
): Promise<FromExamples> {
  const labels = constraint?.kind === "labels" ? constraint.labels : undefined;
  const { way, perLayer = false, generations, population, steps, learningRate, seed, threads, device, signal } = flags;
  return specializeFromExamples(pair, start, examples, {
    ...{ way, perLayer, generations, population, steps, learningRate, seed, threads, device, signal },
    scorer: scorer ?? (labels === undefined ? "exact" : "choice"),
    ...(labels === undefined ? {} : { labels }),
    onState: ({ at, heldOut }) =>
      void stderr.write(`${names[way]} ${at}: ${formatShare(heldOut.accuracy)} of the examples set aside\n`),
  });
}

const names = { searched: "generation", learnt: "step" } as const satisfies Readonly<Record<GateWay, string>>;

/** What is kept of it for `loragen plot`. */
export const historyOfGates = ({ way, tried, heldOut }: FromExamples) => ({
  of: "gates" as const,
  by: way,
  counts: names[way],
  examples: heldOut,
  beside: { "predicted gates": tried[0]!.heldOut.accuracy },
  points: tried.map(({ at, heldOut: { accuracy } }) => ({ at, accuracy })),
});

/** Lines for people. */
export function describeFound({
  way,
  kept,
  tried,
  fitted,
  heldOut,
  evaluations,
  steps,
  ms,
}: Omit<FromExamples, "specialization">): string[] {
  const predicted = tried[0]!.heldOut.accuracy;
  const what = kept.at === 0 ? "the predicted gates, none were better" : `${way}, ${names[way]} ${kept.at}`;
  return [
    `kept     ${what}: ${formatShare(kept.heldOut.accuracy)} of ${plural(heldOut, "example")} set aside; predicted ${formatShare(predicted)}`,
    ...(tried.length === 1
      ? []
      : [`         best of ${plural(tried.length, "state")} on those very examples: on others expect less`]),
    `search   ${plural(fitted, "example")} to fit, asked ${plural(evaluations, "time")}${steps === 0 ? "" : `, ${plural(steps, "step")}`}, ${formatMs(ms)}`,
  ];
}
