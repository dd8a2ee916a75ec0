/** @file `parity-lm-eval`: the same questions to the same weights by lm-evaluation-harness, choice by choice. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../../../src/base/errors.ts";
import { readJsonFile } from "../../../src/base/json-file.ts";
import type { LogLine } from "../../../src/eval/log.ts";
import { mean } from "../../../src/eval/statistics.ts";
import { ask } from "../ask.ts";
import { HARNESS_SHOTS, HARNESS_TASKS, HarnessAnswers, harnessAnswersFile, writeHarnessRows } from "../lm-eval.ts";
import { number, paragraphs, table } from "../markdown.ts";
import type { Budget, Context, Page } from "../row.ts";

const items: Readonly<Record<Budget, number>> = { minutes: 60, hours: 500, full: 500 };

/** What the manifest demands: the choice of as many items, and accuracies as near. */
const demanded = { same: 0.995, points: 0.2 } as const;

type Compared = {
  readonly n: number;
  /** Share of items with the same choice, by likelihood and by likelihood per character. */
  readonly same: number;
  readonly sameNormed: number;
  /** Accuracies in %. */
  readonly ours: number;
  readonly theirs: number;
  /** Largest difference of a log-likelihood. */
  readonly distance: number;
};

const best = (values: readonly number[]): number => values.indexOf(Math.max(...values));

/** Of one task: our lines, and the harness's log-likelihoods by item. */
export function compare(lines: readonly LogLine[], theirs: readonly (readonly number[])[]): Compared {
  const pairs = lines.map(({ sample, logLikelihoods, choices, target }) => {
    const other = theirs[sample];
    if (other === undefined || other.length !== logLikelihoods!.length)
      throw new AppError(
        "E_MISMATCH",
        `item ${sample}: expected ${logLikelihoods!.length} choices of the harness, found ${other?.length ?? "none"}`,
      );
    const normed = (values: readonly number[]) => best(values.map((value, i) => value / choices![i]!.length));
    const right = choices!.indexOf(target);
    return {
      same: best(logLikelihoods!) === best(other) ? 1 : 0,
      sameNormed: normed(logLikelihoods!) === normed(other) ? 1 : 0,
      ours: best(logLikelihoods!) === right ? 100 : 0,
      theirs: best(other) === right ? 100 : 0,
      distance: Math.max(...other.map((value, i) => Math.abs(value - logLikelihoods![i]!))),
    };
  });
  const of = (key: "same" | "sameNormed" | "ours" | "theirs") => mean(pairs.map((pair) => pair[key]));
  return {
    n: pairs.length,
    same: of("same"),
    sameNormed: of("sameNormed"),
    ours: of("ours"),
    theirs: of("theirs"),
    distance: Math.max(...pairs.map(({ distance }) => distance)),
  };
}

export async function parityPage(context: Context): Promise<Page> {
  const folder = join(context.work, `lm-eval-${items[context.budget]}`);
  const path = join(folder, harnessAnswersFile);
  if (!existsSync(path)) {
    await mkdir(folder, { recursive: true });
    await writeHarnessRows(folder, { data: context.data, items: items[context.budget] });
    throw new AppError(
      "E_DATA",
      `parity-lm-eval: expected ${path}, found none; its questions are there now: python bench/peers/lm_eval_answers.py ${folder} ${context.model}, then this command again`,
    );
  }
  const { version, answers } = await readJsonFile(path, HarnessAnswers);
  const all = HARNESS_SHOTS.flatMap((count) => HARNESS_TASKS.map((name) => ({ name, count })));
  const isAnswered = ({ name, count }: (typeof all)[number]) => answers[name]?.[count] !== undefined;
  const answered = all.filter(isAnswered);
  const methodOf = (count: number) => (count === 0 ? "base" : `prompted-${count}shot`);
  const lines = await ask(
    {
      id: "parity-lm-eval",
      suites: [...HARNESS_TASKS],
      only: new RegExp(`^(${answered.map(({ name }) => name).join("|")})$`),
      items,
      methods: [...new Set(answered.map(({ count }) => methodOf(count)))],
      exact: true,
    },
    { ...context, methods: [], pair: undefined },
  );
  const rows = answered.map(({ name, count }) => {
    const own = lines.filter(({ task, method }) => task === name && method === methodOf(count));
    return { name, count, ...compare(own, answers[name]![count]!) };
  });
  const missed = rows.filter(
    ({ same, ours, theirs }) => same < demanded.same || Math.abs(ours - theirs) > demanded.points + 1e-9,
  );
  const left = all.filter((one) => !isAnswered(one)).map(({ name, count }) => `${name} with ${count} shots`);
  return {
    text: paragraphs(
      `lm-evaluation-harness ${version} with its own task files over the same rows and examples, on the same weights in fp32; transformers runs the model there, ONNX Runtime here.`,
      table(
        [
          "task, shots",
          "n",
          "same choice, %",
          "same per character, %",
          "acc, ours",
          "acc, harness",
          "largest difference of a log-likelihood",
        ],
        rows.map(({ name, count, n, same, sameNormed, ours, theirs, distance }) => [
          `${name}, ${count}`,
          n,
          number(100 * same, 1),
          number(100 * sameNormed, 1),
          number(ours, 2),
          number(theirs, 2),
          distance.toExponential(1),
        ]),
      ),
      `Demanded: the same choice on at least ${100 * demanded.same} % of the items, accuracies within ${demanded.points} points. ${missed.length === 0 ? "Met by every row." : `Not met by: ${missed.map(({ name, count }) => `${name}, ${count} shots`).join("; ")}.`}`,
      ...(left.length === 0 ? [] : [`Not run yet: ${left.join(", ")}.`]),
      "Where likelihoods differ by more than rounding, tokens differ: transformers reads a GGUF file's `smollm` tokenizer without its splitting of digits, which shows where several spaces stand before a digit (2 of PIQA's 60 items). `lm_eval_answers.py` puts that back.",
      "The examples are five fixed ones, the same for each item: the harness's `first_n` sampler.",
    ),
  };
}
