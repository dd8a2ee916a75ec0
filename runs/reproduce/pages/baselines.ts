/** @file `baselines`, `s0-table20` and `fig1`: prompting, and contexts made shorter without a training, beside the pair; trained rivals where they are named. */
import { groupBy } from "../../../src/base/group-by.ts";
import type { EvalTask } from "../../../src/data/eval-task.ts";
import { costsOf } from "../../../src/eval/costs.ts";
import type { LogLine } from "../../../src/eval/log.ts";
import { mean } from "../../../src/eval/statistics.ts";
import { accuracies, accuracyTable, ask, askTasks, differenceTable, toldByExamples } from "../ask.ts";
import { type Asking, askTrained, compressors, generator, type TrainedAnswers, trainedNote } from "../ask-trained.ts";
import { breakEven } from "../contradictions.ts";
import { drawing } from "../drawing.ts";
import { number, paragraphs, table } from "../markdown.ts";
import { table20 as printed, table2 } from "../paper.ts";
import type { Budget, Context, Page } from "../row.ts";
import { oneSeed, pairOf, untrainedTasks } from "../shipped-pair.ts";

const note =
  "Accuracy by summed log-likelihood in %, ± one standard error; examples are one draw; n questions of a task.";

/** Tokens and milliseconds of a question, and what runs once for a prompt. */
function costTable(lines: readonly LogLine[], against: string): string {
  const rows = costsOf(lines, against);
  const most = rows.find(({ method }) => method === against)!.question!;
  return table(
    ["method", "tokens of a question", "compression ratio", "ms of a question", "times as fast", "s once a prompt"],
    rows.map(({ method, preparing, question }) => [
      method,
      number(question?.tokens ?? 0, 0),
      `${number(most.tokens / (question?.tokens ?? 1))}×`,
      number(question?.ms ?? 0, 0),
      number((most.ms ?? 0) / (question?.ms ?? 1), 2),
      number(preparing.seconds, 2),
    ]),
  );
}

export async function baselinesPage(context: Context): Promise<Page> {
  const asked = { suites: ["reasoning"], items: { minutes: 2, hours: 200, full: 500 } };
  const asking: Asking = (how, of) => ask({ ...asked, ...how }, of);
  const rows = {
    methods: ["base", "prompted-1shot", "prompted-3shot", "prompted-5shot"],
    pairMethods: ["specialized-5shot"],
    wanted: [
      { of: "lorahub", forms: ["lorahub-5shot"] } as const,
      { of: "prefix", forms: ["prefix"] } as const,
      generator("specialized-5shot"),
    ],
  };
  const { lines, ...trained } = await askTrained("baselines", rows, asking, context);
  return {
    text: paragraphs(
      note,
      accuracyTable(accuracies(lines)),
      ...differenceTable(lines, "base"),
      ...trainedNote(trained),
      "LoraHub mixes one LoRA of each seen task by the five examples; on a seen task its own is among them. The prefix was trained for all seen tasks at once. Both read inputs alone.",
      "The paper names these baselines and has their properties in table 1; it prints no accuracy for them but that of few-shot prompting (table 6).",
      untrainedTasks,
      oneSeed,
    ),
  };
}

const instructionShots = 5;
const compressedTasks = ["hellaswag", "winogrande", "piqa"] as const;
const compressedItems: Readonly<Record<Budget, number>> = { minutes: 2, hours: 300, full: 500 };

/** The tasks with five examples as their prompt, as the paper has them: what one method reads whole, the others shorten. */
export const compressedQuestions = (context: Context): Promise<EvalTask[]> =>
  toldByExamples(compressedTasks, instructionShots, compressedItems[context.budget], context);

async function table20Answers(context: Context): Promise<TrainedAnswers> {
  const tasks = await compressedQuestions(context);
  const timed = context.budget === "minutes" ? 1 : 20;
  const asking: Asking = (how, of) => askTasks(tasks, { ...how, timed, controls: false }, of);
  const rows = {
    methods: ["base", "prompted", "truncated-4x", "llmlingua-4x"],
    pairMethods: ["specialized"],
    wanted: [...compressors, generator("specialized")],
  };
  return askTrained("s0-table20", rows, asking, context);
}

/** AutoCompressors and LoRA-Gen alone, of the rows of `s0-table20`. */
export async function table13Page(context: Context): Promise<Page> {
  const { lines, missing, hasAny } = await table20Answers(context);
  const own = lines.filter(({ method }) => /^(base|prompted|autocompressor .*|specialized( .*)?)$/.test(method));
  return {
    text: paragraphs(
      `${note} A view of \`s0-table20\`, whose answers these are: the five examples are read whole (\`prompted\`), not at all (\`base\`), as summary vectors, or are in the weights.`,
      accuracyTable(accuracies(own)),
      ...differenceTable(own, "prompted"),
      costTable(own, "prompted"),
      ...trainedNote({ missing: missing.filter((name) => /^(autocompressor|generator)/.test(name)), hasAny }),
      "OPT-2.7B is out: too large for two cores. `--pair FOLDER` makes the page with a pair over it.",
      untrainedTasks,
      oneSeed,
      "## The paper's rows (OPT-2.7B)",
      printedTable(/^OPT/),
    ),
  };
}

/** The paper's rows of some models. */
const printedTable = (models: RegExp): string =>
  table(
    ["", "HellaS", "WinoG", "PIQA", "mean", "ms"],
    Object.entries(printed).flatMap(([name, { cells, average, ms }]) =>
      models.test(name)
        ? [
            [
              name,
              ...cells.map((cell) => number(cell)),
              Math.abs(mean(cells) - average) < 0.1
                ? number(average)
                : `${number(average)} (cells: ${number(mean(cells))})`,
              String(ms),
            ],
          ]
        : [],
    ),
  );

export async function table20Page(context: Context): Promise<Page> {
  const { lines, ...trained } = await table20Answers(context);
  return {
    text: paragraphs(
      `${note} Unseen tasks of the paper. The prompt of a task is ${instructionShots} examples, the same ones for all methods: \`prompted\` reads them whole with every question, \`base\` reads none, \`specialized\` has them in its weights. \`truncated-4x\` keeps the first quarter of their tokens, \`llmlingua-4x\` the quarter that surprises the model most (the kind of Selective-Context and LLMLingua): neither is trained.`,
      accuracyTable(accuracies(lines)),
      ...differenceTable(lines, "prompted"),
      "With the instruction (`prompted`) and without it (`base`), on this CPU, the whole prompt read for each question:",
      costTable(lines, "prompted"),
      "Seconds once a prompt: `llmlingua-4x` opens the model anew for each prompt, and its seconds hold that; those of `specialized` do not.",
      ...trainedNote(trained),
      "ICAE and 500xCompressor are not concluded: they were not trained on other text first, as their authors do. Models of 7 B and a V100 are out: there are none here.",
      untrainedTasks,
      oneSeed,
      "## The paper's rows",
      printedTable(/./),
    ),
  };
}

const shots = [1, 3, 5] as const;
const figure1Items: Readonly<Record<Budget, number>> = { minutes: 2, hours: 300, full: 1172 };
/** Questions of a prompt over which the figure's last line spreads the cloud pass. */
const spreadOver = 10;

/** A point of the figure. */
type Point = { readonly method: string; readonly ms: number; readonly percent: number };

async function figure1Answers(context: Context): Promise<TrainedAnswers> {
  const asked = { suites: ["arc-c"], items: figure1Items };
  const timed = context.budget === "minutes" ? 1 : 50;
  const asking: Asking = (how, of) => ask({ ...asked, ...how, timed }, of);
  const forms = (kind: string) => shots.map((count) => `${kind}-${count}shot`);
  const rows = {
    methods: ["base", ...forms("prompted")],
    pairMethods: forms("specialized"),
    wanted: [
      ...(["lora", "loramoe", "mixlora"] as const).map((of) => ({ of, forms: forms(of) })),
      { of: "generator", forms: forms("specialized") } as const,
    ],
  };
  const found = await askTrained("fig1", rows, asking, context);
  const lines = [...found.lines];
  const missing = [...found.missing];
  for (const count of shots) {
    const tasks = await toldByExamples(["arc-c"], count, figure1Items[context.budget], context);
    const askingTold: Asking = (how, of) => askTasks(tasks, { ...how, timed, controls: false }, of);
    const told = await askTrained(`fig1-compressed-${count}`, { wanted: compressors }, askingTold, context);
    lines.push(...told.lines.map((line) => ({ ...line, method: line.method.replace(" ", `-${count}shot `) })));
    missing.push(...told.missing);
  }
  const ofFirst = lines.filter(({ method }) => !/seed ([2-9]|\d\d)/.test(method));
  return { lines: ofFirst, missing: [...new Set(missing)], hasAny: found.hasAny };
}

export async function figure1Page(context: Context): Promise<Page> {
  pairOf("fig1", context);
  const { lines, ...trained } = await figure1Answers(context);
  const rows = accuracies(lines);
  const costs = new Map(costsOf(lines, "prompted-5shot").map((row) => [row.method, row]));
  const points = rows.map(({ method, tasks }) => ({
    method,
    shown: method.replace(/^specialized-(.*) \(.*/, "G0-$1").replace(/ \(.*/, ""),
    ms: costs.get(method)!.question?.ms ?? 0,
    percent: 100 * tasks[0]!.share,
  }));
  const spread = points.flatMap(({ method, shown, ms, percent }) => {
    const [kind, count] = shown.split("-") as [string, string?];
    const once = 1000 * costs.get(method)!.preparing.seconds;
    return kind === "specialized" ? [{ method: `spread-${count}`, ms: ms + once / spreadOver, percent }] : [];
  });
  return {
    text: paragraphs(
      "![Accuracy and milliseconds of a question of ARC-c](fig1.svg)",
      `${note} Milliseconds of a question asked alone, its whole prompt read, on this CPU. Grey: examples in the context. Green: examples in the weights, the cloud pass left out as in the paper; beside it, with a +, the same with the cloud pass spread over ${spreadOver} questions of a prompt. White: none. Orange: trained for this comparison, by name; G0 is LoRA-Gen in the paper's configuration.`,
      accuracyTable(rows),
      costTable(lines, "prompted-5shot"),
      "What the cloud pass costs, once for a prompt, and after how many questions it is paid back: against the same examples in the context, read anew with every question. A model that keeps them in its cache pays for them once too.",
      payBackTable(lines),
      `The paper: ${Math.ceil(breakEven)} questions, in MACs. Opening the cloud model is not counted. Cloud and edge model are the same here: a larger cloud model takes longer to pay back.`,
      ...trainedNote(trained),
      untrainedTasks,
      oneSeed,
      "## The paper's points (ARC-c, 5 shots, an A100; table 2)",
      table(
        ["", "ARC-c", "ms"],
        table2.map(({ name, cells, ms }) => [name, number(cells[0]!), number(ms!)]),
      ),
    ),
    pictures: {
      "fig1.svg": figure1([...points.map(({ shown, ...point }) => ({ ...point, method: shown })), ...spread]),
    },
  };
}

/** Of each number of examples: milliseconds of the cloud pass and of questions, and after how many of these it is paid back. */
function payBackTable(lines: readonly LogLine[]): string {
  const rows = shots.map((count) => {
    const against = `prompted-${count}shot`;
    const costs = costsOf(lines, against);
    const of = (method: string) => costs.find((row) => row.method === method)!;
    const { preparing, question, paysBackAfter } = of(`specialized-${count}shot`);
    const [once, own, theirs] = [1000 * preparing.seconds, question?.ms ?? 0, of(against).question?.ms ?? 0];
    return [
      String(count),
      number(once, 0),
      number(own, 0),
      number(theirs, 0),
      own < theirs ? String(Math.ceil(once / (theirs - own))) : "never",
      paysBackAfter === null ? "never" : String(paysBackAfter),
    ];
  });
  return table(
    [
      "examples",
      "ms once a prompt",
      "ms of a question",
      "ms with them in the context",
      "paid back after, in ms",
      "in operations",
    ],
    rows,
  );
}

const looks = { base: "plain", prompted: "frozen", specialized: "made", spread: "made" } as const;
/** Where a name stands, from its point: points of different kinds lie close together. */
const besides = { base: [0, 24], prompted: [0, -12], specialized: [-38, 5], spread: [44, 5] } as const;
const kindOf = ({ method }: Point) => method.split("-")[0] as keyof typeof looks;

/** Points over milliseconds to the right and percent upwards. */
export function figure1(points: readonly Point[]): string {
  const [width, height, left, bottom] = [720, 360, 70, 310];
  const most = 1.1 * Math.max(1, ...points.map(({ ms }) => ms));
  const [low, high] = [
    Math.min(...points.map(({ percent }) => percent)) - 2,
    Math.max(...points.map(({ percent }) => percent)) + 2,
  ];
  const at = ({ ms, percent }: Point) =>
    [left + (ms / most) * (width - left - 90), bottom - ((percent - low) / (high - low)) * (bottom - 50)] as const;
  const dots = points.map((point) => {
    const [x, y] = at(point);
    return { x: x - 6, y: y - 6, width: 12, height: 12, text: [], look: looks[kindOf(point)] ?? "trained" } as const;
  });
  const names = points.map((point) => {
    const [x, y] = at(point);
    const [right, down] = besides[kindOf(point)] ?? [0, -12];
    return {
      x: x + right,
      y: y + down,
      text: point.method
        .replace(/^(prompted|specialized)-/, "")
        .replace(/^spread-/, "+ ")
        .replace(/^(.*)-(\d+)shot$/, "$1 $2"),
    };
  });
  const lines = [...groupBy(points, ({ method }) => method.split("-")[0]!)].flatMap(([, own]) =>
    own.slice(1).map((point, i) => ({ from: at(own[i]!), to: at(point) })),
  );
  const axes = [
    { from: [left, bottom], to: [width - 20, bottom] },
    { from: [left, bottom], to: [left, 30] },
  ] as const;
  return drawing(
    { title: "Accuracy on ARC-c over milliseconds of a question", width, height },
    {
      boxes: dots,
      arrows: [...axes, ...lines],
      captions: [
        ...names,
        { x: width / 2, y: height - 12, text: `ms of a question, from 0 to ${number(most, 0)}` },
        { x: 60, y: 22, text: `%, ${number(low, 0)} to ${number(high, 0)}` },
      ],
    },
  );
}
