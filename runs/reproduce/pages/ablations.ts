/** @file Pages of ablations: generators of one run with other keys, trained where they are not yet, asked the same questions. */
import type { LogLine } from "../../../src/eval/log.ts";
import { mean } from "../../../src/eval/statistics.ts";
import { defaultGenerator } from "../../../src/generator/config.ts";
import { trainings } from "../../reasoning/trainings.ts";
import { type Accuracy, accuracies, accuracyTable, ask, noCell, tasksOf } from "../ask.ts";
import { number, paragraphs, table } from "../markdown.ts";
import { table4, table7, table8, table19, table22 } from "../paper.ts";
import type { Budget, Context, Page } from "../row.ts";
import { generatorRun } from "../seen-tasks.ts";
import { asConfigured, generatorOf, type Trained, trainedPair, type Variant } from "../trained-pair.ts";

type Keys = Variant["generator"];

const tasks = ["arc-c", "arc-e", "openbookqa", "social-iqa", "winogrande", "piqa"] as const;
const seen: readonly string[] = ["arc-c", "arc-e", "openbookqa"];
const items: Readonly<Record<Budget, number>> = { minutes: 20, hours: 200, full: 500 };
/** Of the tasks whose examples are not validation rows themselves. */
const validationItems: Readonly<Record<Budget, number>> = { minutes: 5, hours: 50, full: 50 };
/** Of every variant: those of the generator that other pages have, so that it is one of them. */
const { steps } = trainings.generator;
const method = "specialized-1shot";
const base = "base";

/** All answers to test and to validation rows, and the last validation of each seed's training. */
export type Found = {
  readonly test: LogLine[];
  readonly validation: LogLine[];
  readonly runs: Trained["validation"][];
};
type Variants = Readonly<Record<string, Keys>>;

/** The variants, trained with the first `seeds` seeds, behind the base model. */
async function answersOf(
  variants: Variants,
  seeds: number,
  context: Context,
): Promise<Readonly<Record<string, Found>>> {
  const blank = (): Found => ({ test: [], validation: [], runs: [] });
  const found: Record<string, Found> = Object.fromEntries(
    [base, ...Object.keys(variants)].map((row) => [row, blank()]),
  );
  const run = await runOf(context);
  const own = await generatorOf(run);
  const named = Object.entries(variants).map(([variant, keys]) => [variant, otherKeys(keys, own)] as const);
  // The base model is asked beside the same generator on every page, so that its log has it once.
  const besides = named.find(([, keys]) => Object.keys(keys).length === 0) ?? named[0]!;
  for (const [variant, generator] of named)
    for (let seed = 1; seed <= seeds; seed++) {
      const name = folderOf(generator);
      const trained = { name, generator, steps: steps[context.budget], seed };
      const { pair, validation } = await trainedPair(trained, run, context);
      found[variant]!.runs.push(validation);
      const isFirst = variant === besides[0] && seed === 1;
      const answers = await askGenerator({ ...trained, pair, withBase: isFirst }, context);
      for (const split of ["test", "validation"] as const)
        for (const line of answers[split]) {
          const row = line.method === method ? variant : line.method;
          found[row] ??= blank();
          found[row][split].push(line);
        }
    }
  return found;
}

/** What a generator answers to test rows and to validation rows, and perhaps the base model. Asked once, whichever page wants it. */
export async function askGenerator(
  { name, steps, seed, pair, withBase }: Omit<Variant, "generator"> & { pair: string; withBase: boolean },
  context: Context,
): Promise<Omit<Found, "runs">> {
  const question = {
    id: `ablation-${name}-${steps}-${seed}`,
    methods: withBase ? [base] : [],
    pairMethods: [method],
  };
  const chosenBy = { id: `${question.id}-validation`, split: "validation", items: validationItems } as const;
  return {
    test: await ask({ ...question, suites: [...tasks], items }, { ...context, pair }),
    validation: await ask({ ...question, ...chosenBy, suites: [...seen] }, { ...context, pair }),
  };
}

/** Without what the run has anyway: so the same generator is trained once, whatever a page calls it. */
const otherKeys = (keys: Keys, own: Readonly<Record<string, unknown>>): Keys =>
  Object.fromEntries(Object.entries(keys).filter(([key, value]) => JSON.stringify(own[key]) !== JSON.stringify(value)));

/** "experts-4", or that nothing differs from the run. */
const folderOf = (keys: Keys): string =>
  Object.entries(keys)
    .map(([key, value]) => `${key}-${value}`)
    .join("-") || asConfigured.name;

export const rowsOf = (answers: Readonly<Record<string, Found>>, split: "test" | "validation"): Accuracy[] =>
  Object.entries(answers).map(([name, found]) => ({ method: name, tasks: tasksOf(accuracies(found[split])) }));

const accuracyCell = ({ share, error }: { readonly share: number; readonly error: number }): string =>
  `${number(100 * share)} ± ${number(100 * error)}`;

const lossOf = ({ runs }: Found): string =>
  runs.length === 0 ? noCell : number(mean(runs.map(({ loss, answerLoss = loss }) => answerLoss)), 3);

/** What may be chosen by: the rows' accuracies on validation rows, and the loss over the run's validation prompts. */
export function validationTable(answers: Readonly<Record<string, Found>>): string {
  const rows = rowsOf(answers, "validation");
  return table(
    [
      "on validation",
      ...seen.map((task) => `${task} (n ${rows[0]!.tasks.find((one) => one.task === task)!.n})`),
      "loss",
    ],
    rows.map(({ method: name, tasks: own }) => [name, ...own.map(accuracyCell), lossOf(answers[name]!)]),
  );
}

/** What generators were trained on where no run is named. */
const seenTasks =
  "Trained on ARC-c, ARC-e, OpenBookQA and BoolQ in the words of these questions (`runs/reasoning`): not on Social IQa, which the paper trains on too, and not on its instruction data. Few steps may leave a row no better than the base model, and then the rows say nothing of each other: the loss over validation prompts says what was learnt.";
const ownData =
  "What the generator was trained on is what the run names. Where none of these tasks is among it, a row may be no better than the base model, and then the rows say nothing of each other: the loss over the run's own validation prompts says what was learnt.";

const note = async (context: Context, seeds: number): Promise<string> =>
  [
    "Accuracy by summed log-likelihood in %, ± one standard error over items; one example goes into the gates.",
    `Each row is a generator of the same run with other keys, trained for ${steps[context.budget]} steps with ${seeds === 1 ? "one seed" : `${seeds} seeds`}: differences between rows of one seed may be those of seeds.`,
    context.train === undefined ? seenTasks : ownData,
    ...(await unlikePaper(context)),
  ].join(" ");

/** The run whose keys the variants change. */
const runOf = (context: Context): string | Promise<string> => context.train ?? generatorRun(context);

/** Where the run's generator is not that of the paper's configuration. */
async function unlikePaper(context: Context): Promise<string[]> {
  const own = Object.entries(otherKeys(await generatorOf(await runOf(context)), defaultGenerator));
  if (own.length === 0) return [];
  return [
    `The run's generator differs from the paper's in ${own.map(([key, value]) => `\`${key}\` ${value}`).join(", ")}.`,
  ];
}

async function page(
  variants: Variants,
  context: Context,
  {
    seeds = 1,
    paper,
    more = () => [],
  }: { seeds?: number; paper: string; more?: (rows: readonly Accuracy[]) => string[] },
): Promise<Page> {
  const answers = await answersOf(variants, seeds, context);
  const rows = rowsOf(answers, "test");
  return {
    text: paragraphs(
      await note(context, seeds),
      accuracyTable(rows),
      ...more(rows),
      validationNote,
      validationTable(answers),
      "## The paper's rows (Qwen-1.5B)",
      paper,
    ),
  };
}

export const validationNote =
  "Rows that were not tested, for whoever wants to choose: of the tasks that have examples beside their validation rows, and the mean of −log p over the answers to the run's validation prompts, without the balance loss. No row was chosen by either. The paper's validation rows of the other three tasks are copies of its test rows.";

const averages = (rows: Readonly<Record<string, readonly [number, number] | readonly number[]>>): string =>
  table(
    ["", "AVE", "HAR"],
    Object.entries(rows).map(([name, [average, harmonic]]) => [name, number(average!), number(harmonic!)]),
  );

const coefficientRows = (names: readonly string[]): string =>
  averages(
    Object.fromEntries(
      table19
        .filter(({ name }) => names.includes(name))
        .map(({ name, average, harmonic }) => [name, [average, harmonic]]),
    ),
  );

/** As in the paper two of them are kept, whatever the run keeps: four of four would be no choice. */
export const table4Page = (context: Context): Promise<Page> =>
  page(Object.fromEntries([4, 8, 12].map((experts) => [`${experts} experts`, { experts, topK: 2 }])), context, {
    paper: averages(table4),
  });

const coefficients = (values: Readonly<Record<string, number>>): Record<string, Keys> =>
  Object.fromEntries(Object.entries(values).map(([name, auxCoefficient]) => [name, { auxCoefficient }]));

/** The last one is what a reviewer asked for, and what the authors' text calls best: no table has it. */
export const table5Page = (context: Context): Promise<Page> =>
  page(coefficients({ "0.1": 0.1, "0.01": 0.01, "0.005": 0.005, "0.001": 0.001 }), context, {
    paper: coefficientRows(["0.1", "0.01", "0.005"]),
  });

export const table19Page = (context: Context): Promise<Page> =>
  page(coefficients({ "0.1": 0.1, "0.05": 0.05, "0.01": 0.01, "0.005": 0.005, without: 0 }), context, {
    paper: coefficientRows(["0.1", "0.05", "0.01", "0.005", "without"]),
  });

/** Accuracy on validation rows beside that on test rows, task by task. */
export async function table22Page(context: Context): Promise<Page> {
  const answers = await answersOf(coefficients({ without: 0, "0.005": 0.005, "0.01": 0.01 }), 1, context);
  const [validation, test] = [rowsOf(answers, "validation"), rowsOf(answers, "test")];
  const cells = (row: Accuracy | undefined) =>
    seen.map((task) => accuracyCell(row!.tasks.find((one) => one.task === task)!));
  return {
    text: paragraphs(
      await note(context, 1),
      `Accuracy on ${validationItems[context.budget]} validation rows of a task, which nobody tested by, and on ${items[context.budget]} test rows. The other three tasks have no examples beside their validation rows; the paper's validation rows of them are copies of its test rows.`,
      table(
        ["coefficient", "rows", ...seen, "loss"],
        validation.flatMap((row, i) => [
          [row.method, "validation", ...cells(row), lossOf(answers[row.method]!)],
          [row.method, "test", ...cells(test[i]), noCell],
        ]),
      ),
      "Loss: the mean of −log p over the answers to the run's validation prompts, without the balance loss. No row was chosen by it, nor by these accuracies.",
      "## The paper's rows (Qwen-1.5B)",
      table(
        ["coefficient", "rows", ...seen, "AVE", "HAR"],
        table22.flatMap(({ name, ...printed }) =>
          (
            [
              ["validation", printed],
              ["test", table19.find((one) => one.name === name)!],
            ] as const
          ).map(([rows, { cells: own, average, harmonic }]) => [
            name,
            rows,
            ...own.slice(0, seen.length).map((cell) => number(cell)),
            number(average),
            number(harmonic),
          ]),
        ),
      ),
    ),
  };
}

/** How evenly experts are used with BatchNorm behind the router and without, over the run's validation prompts. */
export async function bnDiversityPage(context: Context): Promise<Page> {
  const answers = await answersOf({ with: { routerNorm: "batch" }, without: { routerNorm: "none" } }, 1, context);
  const rows = Object.entries(answers).flatMap(([name, { runs }]) =>
    runs.map(({ expertLoad = [] }) => {
      const total = expertLoad.reduce((sum, one) => sum + one, 0);
      const shares = expertLoad.map((one) => one / total).filter((share) => share > 0);
      const entropy = -shares.reduce((sum, share) => sum + share * Math.log(share), 0);
      return [
        name,
        `${shares.length} of ${expertLoad.length}`,
        number(100 * Math.max(...shares)),
        number(100 * Math.min(...shares)),
        number(entropy / Math.log(expertLoad.length), 3),
        lossOf(answers[name]!),
      ];
    }),
  );
  return {
    text: paragraphs(
      await note(context, 1),
      "The paper says that BatchNorm behind the router makes more experts take part; it prints no number. Here: the sum of gates by expert over the run's validation prompts and all layers. Entropy is 1 where all experts carry the same. The balance loss, which wants the same, is on in both rows.",
      table(["BatchNorm", "experts used", "most, %", "least, %", "entropy", "validation loss"], rows),
      accuracyTable(rowsOf(answers, "test")),
    ),
  };
}

/** Rows that the documents compare over three seeds. */
const severalSeeds = ({ budget }: Context): number => (budget === "full" ? 3 : 1);

export const table7Page = (context: Context): Promise<Page> =>
  page({ "Gumbel top-k": { strategy: "gumbel" }, "KeepTop-K": { strategy: "keepTopK" } }, context, {
    seeds: severalSeeds(context),
    paper: averages(table7),
  });

/** Means over the tasks that are trained on in the paper, and over the others. */
function seenAndUnseen(rows: readonly Accuracy[]): string[] {
  const part = (row: Accuracy, isSeen: boolean) =>
    number(100 * mean(row.tasks.filter(({ task }) => seen.includes(task) === isSeen).map(({ share }) => share)));
  return [
    `Means over ${seen.join(", ")}, which the paper trains on, and over the other three.`,
    table(
      ["method", "seen there", "unseen there"],
      rows.map((row) => [row.method, part(row, true), part(row, false)]),
    ),
  ];
}

export const table8Page = (context: Context): Promise<Page> =>
  page({ direct: { generation: "direct" }, indirect: { generation: "pool" } }, context, {
    seeds: severalSeeds(context),
    paper: table(
      ["", "seen", "unseen"],
      Object.entries(table8).map(([name, means]) => [name, number(means.seen), number(means.unseen)]),
    ),
    more: seenAndUnseen,
  });
