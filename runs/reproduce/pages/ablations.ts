/** @file Pages of ablations: what each compares, how often it is trained, and the paper's rows. */
import { defaultGenerator } from "../../../src/generator/config.ts";
import {
  accuracyCell,
  armDifferences,
  armTables,
  lossOf,
  rowsOf,
  seenAndUnseen,
  validationNote,
  validationTable,
} from "../arm-tables.ts";
import {
  type Arm,
  answersOf,
  base,
  type Keys,
  otherKeys,
  runOf,
  seedsOf,
  seenTasks,
  stepsOf,
  testItems,
  validationItems,
  type Wanted,
} from "../arms.ts";
import { noCell } from "../ask.ts";
import { number, paragraphs, table } from "../markdown.ts";
import { table4, table7, table8, table19, table22 } from "../paper.ts";
import type { Context, Page } from "../row.ts";
import { generatorOf } from "../trained-pair.ts";

type AllWanted = Readonly<Record<string, Wanted>>;

/** Arms of one seed whatever the budget; those that the documents compare over seeds are trained with several. */
const once = (all: Readonly<Record<string, Keys>>): AllWanted =>
  Object.fromEntries(Object.entries(all).map(([name, keys]) => [name, { keys }]));
const repeated = (all: Readonly<Record<string, Keys>>): AllWanted =>
  Object.fromEntries(Object.entries(all).map(([name, keys]) => [name, { keys, repeated: true }]));

/** What generators were trained on where no run is named. */
const trainedOn =
  "Trained on ARC-c, ARC-e, OpenBookQA and BoolQ in the words of these questions (`runs/reasoning`): not on Social IQa, which the paper trains on too, and not on its instruction data. Few steps may leave a row no better than the base model, and then the rows say nothing of each other: the loss over validation prompts says what was learnt.";
const ownData =
  "What the generator was trained on is what the run names. Where none of these tasks is among it, a row may be no better than the base model, and then the rows say nothing of each other: the loss over the run's own validation prompts says what was learnt.";

/** How often each arm is trained. */
function seedsNote(wanted: AllWanted, context: Context): string {
  const several = Object.keys(wanted).filter((name) => seedsOf(wanted[name]!, context) > 1);
  if (several.length === 0)
    return "Every row has one training seed and is marked so: differences between rows may be those of seeds.";
  const count = seedsOf(wanted[several[0]!]!, context);
  return `Trained with ${count} seeds each: ${several.join(", ")}. A row with one training seed is marked so: its differences may be those of seeds.`;
}

const note = async (wanted: AllWanted, context: Context, missing: readonly string[]): Promise<string> =>
  [
    "Accuracy by summed log-likelihood in %, ± one standard error over items; one example goes into the gates.",
    `Each row is a generator of the same run with other keys, trained for ${stepsOf(context)} steps.`,
    seedsNote(wanted, context),
    context.train === undefined ? trainedOn : ownData,
    ...(await unlikePaper(context)),
    ...(missing.length === 0 ? [] : [`Not trained yet, and left out (\`--no-training\`): ${missing.join(", ")}.`]),
  ].join(" ");

/** Where the run's generator is not that of the paper's configuration. */
async function unlikePaper(context: Context): Promise<string[]> {
  const own = Object.entries(otherKeys(await generatorOf(await runOf(context)), defaultGenerator));
  if (own.length === 0) return [];
  return [
    `The run's generator differs from the paper's in ${own.map(([key, value]) => `\`${key}\` ${value}`).join(", ")}.`,
  ];
}

/** Accuracies, spread and differences, then what one may choose by. */
const compared = (arms: readonly Arm[], against: string, more: readonly string[] = []): string[] => [
  ...armTables(arms),
  ...armDifferences(arms, against),
  ...more,
  validationNote,
  validationTable(arms),
];

type Comparison = {
  /** The arm that the others are held against. */
  readonly against: string;
  readonly paper: string;
  readonly more?: (arms: readonly Arm[]) => string[];
};

async function page(
  wanted: AllWanted,
  context: Context,
  { against, paper, more = () => [] }: Comparison,
): Promise<Page> {
  const { arms, missing } = await answersOf(wanted, context);
  return {
    text: paragraphs(
      await note(wanted, context, missing),
      ...compared(arms, against, more(arms)),
      "## The paper's rows (Qwen-1.5B)",
      paper,
    ),
  };
}

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
const usual = { experts: 8, topK: 2 } as const;
const poolSizes = once(Object.fromEntries([4, 8, 12].map((experts) => [`${experts} experts`, { ...usual, experts }])));
/** What the documents leave open of a pool of eight: no table has it. The scale α/r stays. */
const poolShapes = once({
  "1 kept": { ...usual, topK: 1 },
  "4 kept": { ...usual, topK: 4 },
  "rank 4": { ...usual, rank: 4, alpha: 4 },
  "a pool per layer": { ...usual, poolScope: "layer" },
  "a router per layer": { ...usual, routerScope: "layer" },
});

export async function table4Page(context: Context): Promise<Page> {
  const usualArm = `${usual.experts} experts`;
  const wanted = { ...poolSizes, ...poolShapes };
  const { arms, missing } = await answersOf(wanted, context);
  const those = (names: readonly string[]) => arms.filter(({ name }) => names.includes(name));
  return {
    text: paragraphs(
      await note(wanted, context, missing),
      ...compared(those([base, ...Object.keys(poolSizes)]), usualArm),
      "## The paper's rows (Qwen-1.5B)",
      averages(table4),
      "## Kept experts, rank, and a pool or a router per layer",
      `Beside ${usual.experts} experts of which ${usual.topK} are kept, of rank ${defaultGenerator.rank}, with one pool and one router for all layers. The paper has no such rows. The scale of an expert, α ÷ rank, stays.`,
      ...compared(those([base, usualArm, ...Object.keys(poolShapes)]), usualArm),
    ),
  };
}

const usualCoefficient = "0.01";

/** None and the paper's own are trained with several seeds. */
const coefficients = (values: readonly number[]): AllWanted =>
  Object.fromEntries(
    values.map((auxCoefficient) => {
      const name = auxCoefficient === 0 ? "without" : String(auxCoefficient);
      const isRepeated = auxCoefficient === 0 || name === usualCoefficient;
      return [name, { keys: { auxCoefficient }, ...(isRepeated ? { repeated: true as const } : {}) }];
    }),
  );

/** 0.001 is what a reviewer asked for, and what the authors' text calls best: no table has it. */
export const table5Page = (context: Context): Promise<Page> =>
  page(coefficients([0.1, 0.01, 0.005, 0.001, 0]), context, {
    against: usualCoefficient,
    paper: coefficientRows(["0.1", "0.01", "0.005", "without"]),
  });

export const table19Page = (context: Context): Promise<Page> =>
  page(coefficients([0.1, 0.05, 0.01, 0.005, 0]), context, {
    against: usualCoefficient,
    paper: coefficientRows(["0.1", "0.05", "0.01", "0.005", "without"]),
  });

/** Accuracy on validation rows beside that on test rows, task by task. */
export async function table22Page(context: Context): Promise<Page> {
  const wanted = coefficients([0, 0.005, 0.01]);
  const { arms, missing } = await answersOf(wanted, context);
  const [validation, test] = [rowsOf(arms, "validation"), rowsOf(arms, "test")];
  const cells = (tasks: (typeof test)[number]["tasks"]) =>
    seenTasks.map((task) => accuracyCell(tasks.find((one) => one.task === task)!));
  return {
    text: paragraphs(
      await note(wanted, context, missing),
      `Accuracy on ${validationItems[context.budget]} validation rows of a task, which nobody tested by, and on ${testItems[context.budget]} test rows. The other three tasks have no examples beside their validation rows; the paper's validation rows of them are copies of its test rows.`,
      table(
        ["coefficient", "rows", ...seenTasks, "loss"],
        validation.flatMap((row, i) => [
          [row.method, "validation", ...cells(row.tasks), lossOf(row)],
          [row.method, "test", ...cells(test[i]!.tasks), noCell],
        ]),
      ),
      "Loss: the mean of −log p over the answers to the run's validation prompts, without the balance loss. No row was chosen by it, nor by these accuracies.",
      "### Differences on validation rows",
      ...armDifferences(arms, usualCoefficient, { split: "validation" }),
      "### Differences on test rows of these tasks",
      ...armDifferences(arms, usualCoefficient, { isOf: (task) => seenTasks.includes(task) }),
      "## The paper's rows (Qwen-1.5B)",
      table(
        ["coefficient", "rows", ...seenTasks, "AVE", "HAR"],
        table22.flatMap(({ name, ...printed }) =>
          (
            [
              ["validation", printed],
              ["test", table19.find((one) => one.name === name)!],
            ] as const
          ).map(([rows, { cells: own, average, harmonic }]) => [
            name,
            rows,
            ...own.slice(0, seenTasks.length).map((cell) => number(cell)),
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
  const wanted = once({ with: { routerNorm: "batch" }, without: { routerNorm: "none" } });
  const { arms, missing } = await answersOf(wanted, context);
  return {
    text: paragraphs(
      await note(wanted, context, missing),
      "The paper says that BatchNorm behind the router makes more experts take part; it prints no number. Here: the sum of gates by expert over the run's validation prompts and all layers. Entropy is 1 where all experts carry the same. The balance loss, which wants the same, is on in both rows.",
      loadTable(arms),
      ...compared(arms, "with"),
    ),
  };
}

function loadTable(arms: readonly Arm[]): string {
  const rows = rowsOf(arms, "test").flatMap((row) => {
    const { expertLoad = [] } = row.end?.validation ?? {};
    if (expertLoad.length === 0) return [];
    const total = expertLoad.reduce((sum, one) => sum + one, 0);
    const shares = expertLoad.map((one) => one / total).filter((share) => share > 0);
    const entropy = -shares.reduce((sum, share) => sum + share * Math.log(share), 0);
    return [
      [
        row.method,
        `${shares.length} of ${expertLoad.length}`,
        number(100 * Math.max(...shares)),
        number(100 * Math.min(...shares)),
        number(entropy / Math.log(expertLoad.length), 3),
        lossOf(row),
      ],
    ];
  });
  return table(["BatchNorm", "experts used", "most, %", "least, %", "entropy", "validation loss"], rows);
}

export const table7Page = (context: Context): Promise<Page> =>
  page(repeated({ "Gumbel top-k": { strategy: "gumbel" }, "KeepTop-K": { strategy: "keepTopK" } }), context, {
    against: "KeepTop-K",
    paper: averages(table7),
  });

export const table8Page = (context: Context): Promise<Page> =>
  page(repeated({ direct: { generation: "direct" }, indirect: { generation: "pool" } }), context, {
    against: "indirect",
    paper: table(
      ["", "seen", "unseen"],
      Object.entries(table8).map(([name, means]) => [name, number(means.seen), number(means.unseen)]),
    ),
    more: (arms) => seenAndUnseen(arms, "indirect"),
  });
