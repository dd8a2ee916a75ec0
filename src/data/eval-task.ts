/** @file A task of an evaluation: a system prompt, what it may be compared with, and inputs with known answers. */
import { z } from "zod";
import { hasOneBlank, TEXT_LAYOUTS } from "./text-question.ts";

/** Limits for untrusted files. */
export const evalTaskLimits = {
  nameChars: 100,
  textChars: 2 ** 20,
  citationChars: 2000,
  examples: 100,
  samples: 100_000,
  choices: 1000,
  scorers: 16,
  maxTokens: 4096,
} as const;

const text = z
  .string()
  .max(evalTaskLimits.textChars)
  .refine((value) => value.trim() !== "", "expected text, found none");
const word = z
  .string()
  .min(1)
  .max(evalTaskLimits.nameChars)
  .regex(/^\P{C}+$/u, "expected printable characters");
const choices = z
  .array(text)
  .min(2)
  .max(evalTaskLimits.choices)
  .refine((list) => new Set(list).size === list.length, "expected different choices, found one twice");
const pair = { input: text, target: text };

/** As it stands in a file. What most tasks do not need may be left out. */
const EvalTaskFields = z.strictObject({
  name: word,
  /** Tells variants of one task apart: other wordings and inputs, drawn by this seed. */
  seed: z.exactOptional(z.int().min(0)),
  /** Tasks of different strata are never averaged. */
  stratum: word.default("tasks"),
  /** Tasks of one kind ask for the same sort of thing, such as routing or sentiment. */
  kind: word.default("task"),
  systemPrompt: text,
  /** Controls: a prompt of the same kind with other answers, and one of another kind. Drawn from the other tasks where absent. */
  siblingPrompt: z.exactOptional(text),
  farPrompt: z.exactOptional(text),
  /** Shots, from training data. */
  examples: z.array(z.strictObject(pair)).max(evalTaskLimits.examples).default([]),
  /** A closed list of answers: every method chooses among them by likelihood. A sample's own `choices` come first. */
  labels: z.exactOptional(choices),
  /** Plain text instead of the model's own layout: a choice continues the input, or fills its blank `_`. */
  layout: z.exactOptional(z.enum(TEXT_LAYOUTS)),
  /** Names of scorers; the first one counts, the others are reported beside it. */
  scorer: z.exactOptional(word),
  scorers: z.exactOptional(z.array(word).min(1).max(evalTaskLimits.scorers)),
  /** Longest answer in tokens; without it a little more than the longest target. */
  maxTokens: z.exactOptional(z.int().min(1).max(evalTaskLimits.maxTokens)),
  citation: z.exactOptional(z.string().max(evalTaskLimits.citationChars)),
  version: z.exactOptional(z.union([word, z.int().min(0)])),
  samples: z
    .array(z.strictObject({ ...pair, choices: z.exactOptional(choices) }))
    .min(1)
    .max(evalTaskLimits.samples),
});

/** Parses a task, and checks that each target is among the answers that may be chosen, and that plain text has choices and its blank. */
export const EvalTask = EvalTaskFields.superRefine(
  ({ labels, samples, examples, layout, scorer, scorers }, context) => {
    for (const [i, { choices = labels }] of samples.entries())
      if (layout !== undefined && choices === undefined)
        context.addIssue({
          code: "custom",
          path: ["samples", i],
          message: `expected choices for layout ${layout}, found none`,
        });
    if (layout === "blank")
      for (const [key, rows] of Object.entries({ samples, examples }))
        for (const [i, { input }] of rows.entries())
          if (!hasOneBlank(input))
            context.addIssue({ code: "custom", path: [key, i, "input"], message: 'expected one blank "_"' });
    for (const [i, { target, choices = labels }] of samples.entries())
      if (choices !== undefined && !choices.includes(target))
        context.addIssue({ code: "custom", path: ["samples", i, "target"], message: "not among the choices" });
    if (scorer !== undefined && scorers !== undefined)
      context.addIssue({ code: "custom", path: ["scorer"], message: "expected scorer or scorers, found both" });
  },
);
export type EvalTask = z.output<typeof EvalTask>;
/** What a task may be written as: fields with defaults may be left out. */
export type EvalTaskInput = z.input<typeof EvalTask>;
export type EvalSample = EvalTask["samples"][number];

/** The answers that may be chosen; undefined where the answer is written freely. */
export const choicesOf = ({ labels }: Pick<EvalTask, "labels">, sample: EvalSample): readonly string[] | undefined =>
  sample.choices ?? labels;
