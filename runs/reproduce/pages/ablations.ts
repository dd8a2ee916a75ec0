/** @file Pages of ablations: generators of one run with other keys, trained where they are not yet, asked the same questions. */
import type { LogLine } from "../../../src/eval/log.ts";
import { mean } from "../../../src/eval/statistics.ts";
import { type Accuracy, accuracies, accuracyTable, ask } from "../ask.ts";
import { number, paragraphs, table } from "../markdown.ts";
import { table4, table7, table8, table19 } from "../paper.ts";
import type { Budget, Context, Page } from "../row.ts";
import { trainedPair, type Variant } from "../trained-pair.ts";

type Training = Context & { readonly train: string };
type Keys = Variant["generator"];

const tasks = ["arc-c", "arc-e", "openbookqa", "social-iqa", "winogrande", "piqa"] as const;
const seen: readonly string[] = ["arc-c", "arc-e", "openbookqa"];
const items: Readonly<Record<Budget, number>> = { minutes: 20, hours: 200, full: 500 };
/** Of every variant. */
const steps: Readonly<Record<Budget, number>> = { minutes: 8, hours: 150, full: 400 };
const method = "specialized-1shot";

/** All answers of the variants, trained with the first `seeds` seeds, and of the base model. */
async function answersOf(
  id: string,
  variants: Readonly<Record<string, Keys>>,
  seeds: number,
  context: Training,
): Promise<Readonly<Record<string, readonly LogLine[]>>> {
  const found: Record<string, LogLine[]> = {};
  for (const [variant, generator] of Object.entries(variants))
    for (let seed = 1; seed <= seeds; seed++) {
      const name = folderOf(generator);
      const own = { name, generator, steps: steps[context.budget], seed };
      const pair = await trainedPair(own, context.train, context);
      const question = {
        id: `${id}-${name}-${own.steps}-${seed}`,
        suites: [...tasks],
        items,
        methods: Object.keys(found).length === 0 ? ["base"] : [],
        pairMethods: [method],
      };
      for (const line of await ask(question, { ...context, pair })) {
        const row = line.method === method ? variant : line.method;
        found[row] = [...(found[row] ?? []), line];
      }
    }
  return found;
}

/** "experts-4": the same keys are trained once, whatever page they are on. */
const folderOf = (keys: Keys): string =>
  Object.entries(keys)
    .map(([key, value]) => `${key}-${value}`)
    .join("-");

const rowsOf = (answers: Readonly<Record<string, readonly LogLine[]>>): Accuracy[] =>
  Object.entries(answers).map(([name, lines]) => ({ method: name, tasks: accuracies(lines)[0]!.tasks }));

const note = (context: Training, seeds: number): string =>
  [
    "Accuracy by summed log-likelihood in %, ± one standard error over items; one example goes into the gates.",
    `Each row is a generator of the same run with other keys, trained for ${steps[context.budget]} steps with ${seeds === 1 ? "one seed" : `${seeds} seeds`}: differences between rows of one seed may be those of seeds.`,
    "What the generator was trained on is what the run names, not the paper's instruction data.",
  ].join(" ");

async function page(
  id: string,
  variants: Readonly<Record<string, Keys>>,
  context: Training,
  {
    seeds = 1,
    paper,
    more = () => [],
  }: { seeds?: number; paper: string; more?: (rows: readonly Accuracy[]) => string[] },
): Promise<Page> {
  const rows = rowsOf(await answersOf(id, variants, seeds, context));
  return {
    text: paragraphs(
      note(context, seeds),
      accuracyTable(rows),
      ...more(rows),
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

export const table4Page = (context: Training): Promise<Page> =>
  page("table4", { "4 experts": { experts: 4 }, "8 experts": { experts: 8 }, "12 experts": { experts: 12 } }, context, {
    paper: averages(table4),
  });

const coefficients = (values: Readonly<Record<string, number>>): Record<string, Keys> =>
  Object.fromEntries(Object.entries(values).map(([name, auxCoefficient]) => [name, { auxCoefficient }]));

export const table5Page = (context: Training): Promise<Page> =>
  page("table5", coefficients({ "0.1": 0.1, "0.01": 0.01, "0.005": 0.005 }), context, {
    paper: coefficientRows(["0.1", "0.01", "0.005"]),
  });

export const table19Page = (context: Training): Promise<Page> =>
  page("s0-table19", coefficients({ "0.1": 0.1, "0.05": 0.05, "0.01": 0.01, "0.005": 0.005, without: 0 }), context, {
    paper: coefficientRows(["0.1", "0.05", "0.01", "0.005", "without"]),
  });

/** Rows that the documents compare over three seeds. */
const severalSeeds = ({ budget }: Training): number => (budget === "full" ? 3 : 1);

export const table7Page = (context: Training): Promise<Page> =>
  page("table7", { "Gumbel top-k": { strategy: "gumbel" }, "KeepTop-K": { strategy: "keepTopK" } }, context, {
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

export const table8Page = (context: Training): Promise<Page> =>
  page("table8", { direct: { generation: "direct" }, indirect: { generation: "pool" } }, context, {
    seeds: severalSeeds(context),
    paper: table(
      ["", "seen", "unseen"],
      Object.entries(table8).map(([name, means]) => [name, number(means.seen), number(means.unseen)]),
    ),
    more: seenAndUnseen,
  });
