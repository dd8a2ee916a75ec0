/** @file What a published task says of itself: where its rows lie, who may read which, and how a row becomes a question. */
import type { z } from "zod";
import type { EvalSample } from "../../data/eval-task.ts";
import type { TextLayout } from "../../data/text-question.ts";
import type { Example } from "../../text/prompt.ts";
import type { ScorerName } from "../scorers/table.ts";

/** Files in a folder of data sets, each `NAME.jsonl` or `NAME.jsonl.gz`. */
export type BenchmarkFiles = {
  readonly folder: string;
  /** Rows that are asked. */
  readonly test: string;
  /** Absent where methods are never trained on the task: nothing in this program can then name its training set. */
  readonly train?: string;
  /** Absent: a tenth of `train`, or a fifth of `test` that is then not asked, by the rows' hashes. null: none, and no examples. */
  readonly validation?: string | null;
};

/**
 * `continuation`: lm-evaluation-harness, the summed log-likelihood of each answer's own text. `letters`: MixLoRA, answers with letters in the
 * prompt, the likeliest letter. `written`: the model writes.
 */
export const FORMS = ["continuation", "letters", "written"] as const;
export type Form = (typeof FORMS)[number];

export type FormOf<Row> = {
  /** What a specialised or a prompted model is told; the harness itself tells it nothing. A function: each row has its own. */
  readonly systemPrompt: string | ((row: Row) => string);
  readonly layout?: TextLayout;
  readonly scorers: readonly ScorerName[];
  readonly maxTokens?: number;
  /** undefined for a row that cannot be asked, such as one whose passage is missing. */
  readonly sampleOf: (row: Row) => EvalSample | undefined;
  /** Where a shown answer is not what a sample's target is: a target that tests answers is none itself. */
  readonly exampleOf?: (row: Row) => Example | undefined;
};

type BenchmarkOf<Row> = {
  /** One line, for help. */
  readonly summary: string;
  readonly citation: string;
  /** Changes when numbers would. */
  readonly version: number;
  /** Tasks of one kind ask for the same sort of thing. */
  readonly kind: string;
  /** In the place of "seen" or "unseen": tasks of different strata are never averaged. */
  readonly stratum?: string;
  readonly files: BenchmarkFiles;
  /** Where the rows may be had. */
  readonly source: string;
  readonly row: z.ZodType<Row>;
  /** The first one is what the task's plain name means. */
  readonly forms: { readonly [F in Form]?: FormOf<Row> };
};

/** One whose rows only it knows the form of. */
export type Benchmark = Omit<BenchmarkOf<never>, "row"> & { readonly row: z.ZodType };

/** Hides the type of the rows: what `row` parses, `sampleOf` takes. */
export const benchmark = <Row>(one: BenchmarkOf<Row>): Benchmark => one as unknown as Benchmark;

/** `acc` first, then `acc_norm` by bytes (`acc_bytes`) and by characters (`acc_norm` of lm-evaluation-harness 0.4). */
export const continuationScorers = ["choice", "choice-per-byte", "choice-per-character"] as const;

const letterOf = (index: number): string => String.fromCharCode(65 + index);

/** Options as MixLoRA marks them: "(A) first", … */
export const lettered = (options: readonly string[]): string[] =>
  options.map((option, i) => `(${letterOf(i)}) ${option}`);

/** A question whose answer is one of the options' letters. */
export const letterSample = (input: string, options: readonly string[], label: number): EvalSample => ({
  input,
  target: letterOf(label),
  choices: options.map((_, i) => letterOf(i)),
});

/** The same of a question, as MixLoRA asks it of ARC and OpenBookQA. */
export const letterQuestion = (question: string, options: readonly string[], label: number): EvalSample =>
  letterSample(
    `Please choose the correct answer to the question: ${[question, ...lettered(options)].join(" ")}\nAnswer:`,
    options,
    label,
  );

/** A question whose answer is one of the options' texts. An option that stands twice counts once. */
export const continuationSample = (input: string, options: readonly string[], label: number): EvalSample => ({
  input,
  target: options[label]!,
  choices: [...new Set(options)],
});
