/** @file The log of an evaluation: one line per question, with all that a table needs. Logs may be joined line by line. */
import { z } from "zod";
import { sha256 } from "../base/hash.ts";
import type { ConstraintSpec } from "../constraint/spec.ts";
import type { EvalTask } from "../data/eval-task.ts";

export const LOG_VERSION = 1;

const Score = z.strictObject({
  /** 0 to 1. */
  score: z.number().min(0).max(1),
  reason: z.string(),
});

const Cost = z.looseObject({ seconds: z.number(), flops: z.number(), bytes: z.number(), examples: z.number() });

/** Programs beside this one may add keys of their own. */
export const LogLine = z.looseObject({
  log: z.literal(LOG_VERSION),
  task: z.string().min(1),
  seed: z.exactOptional(z.int()),
  stratum: z.string(),
  kind: z.string(),
  /** The sample's place in its task, from 0. */
  sample: z.int().min(0),
  method: z.string().min(1),
  /** What was adapted. */
  subject: z.string(),
  input: z.string(),
  target: z.string(),
  choices: z.exactOptional(z.array(z.string()).min(2)),
  /** The text that decided how the model behaves, where the evaluation was to keep it: its hash is always there. */
  prompt: z.exactOptional(z.string()),
  /** All that the model read before it answered, special tokens included; where the evaluation was to keep it. */
  asked: z.exactOptional(z.string()),
  /** Tokens read before the answer: prompt and input. */
  inputTokens: z.int().min(0).nullable(),
  /** null where the question failed. */
  answer: z.string().nullable(),
  finish: z.enum(["choice", "stop", "length", "failed"]),
  /** Of the choices, in their order. */
  logLikelihoods: z.exactOptional(z.array(z.number())),
  /** The model's probability of a label that it wrote under a constraint, at temperature 1. */
  confidence: z.exactOptional(z.number().min(0).max(1)),
  /** The scorer that counts; `scores` may have others beside it. */
  scorer: z.string(),
  scores: z.record(z.string(), Score),
  /** Floating-point operations of reading the question once, counted in the graph; of the second pass where there are two. */
  flops: z.exactOptional(z.number()),
  /** Of the question asked alone; null where it was not timed. */
  ms: z.number().nullable(),
  /** The first of two passes: the skill that it chose for this question, how long that took where it was timed, and what it read. */
  dispatch: z.exactOptional(
    z.looseObject({
      skill: z.string(),
      ms: z.exactOptional(z.number()),
      tokens: z.exactOptional(z.int().min(0)),
      flops: z.exactOptional(z.number()),
    }),
  ),
  /** What it took to adapt the model to this task. */
  cost: z.exactOptional(Cost),
  error: z.exactOptional(z.strictObject({ code: z.string(), message: z.string() })),
  sha256: z.looseObject({
    model: z.string(),
    /** Of the text that decided how the model behaves; null where there was none. */
    prompt: z.string().nullable(),
    task: z.string(),
    /** Of the files that the method's name names; absent where it names none. */
    method: z.exactOptional(z.string()),
    /** Of the form that the evaluation demanded of answers; absent where it demanded none. */
    constraint: z.exactOptional(z.string()),
  }),
  versions: z.looseObject({}),
});
export type LogLine = z.infer<typeof LogLine>;

/** What tells one question from all others of a log. */
export const questionKey = ({ task, seed, sample, method, sha256: { model } }: QuestionId): string =>
  JSON.stringify([task, seed ?? null, sample, method, model]);

type QuestionId = Pick<LogLine, "task" | "sample" | "method"> & {
  readonly seed?: number | undefined;
  readonly sha256: { readonly model: string };
};

export const constraintHash = (constraint: ConstraintSpec): string => sha256(JSON.stringify(constraint));

/** The identity of all that a task asks, but for its samples. */
export function taskHash({ samples: _, citation: __, ...task }: EvalTask): string {
  return sha256(JSON.stringify(Object.entries(task).sort(([a], [b]) => (a < b ? -1 : 1))));
}
