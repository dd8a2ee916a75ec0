/** @file Labelled examples on disk: JSON lines of input and target. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { checkSchema } from "../base/json.ts";
import { readJsonl } from "../files/jsonl.ts";
import type { Example } from "../text/prompt.ts";
import { evalTaskLimits } from "./eval-task.ts";

/** Limits for untrusted files. */
export const examplesLimits = { examples: 10_000, fileBytes: 64 * 2 ** 20 } as const;

const text = z.string().max(evalTaskLimits.textChars);
const ExampleLine = z.strictObject({ input: text, target: text.min(1) });

/** Reads at least one example. Throws E_NOT_FOUND, E_IO, E_LIMIT; E_FORMAT naming line and key; E_DATA for a file without any. */
export async function readExamples(path: string): Promise<Example[]> {
  const examples: Example[] = [];
  for await (const value of readJsonl(path, { maxExpandedBytes: examplesLimits.fileBytes })) {
    if (examples.length === examplesLimits.examples)
      throw new AppError("E_LIMIT", `${path}: more than ${examplesLimits.examples} examples`);
    examples.push(checkSchema(value, ExampleLine, { what: `${path}: example ${examples.length + 1}` }));
  }
  if (examples.length === 0) throw new AppError("E_DATA", `${path}: expected examples, found none`);
  return examples;
}

/** The first `count` of them. Throws E_DATA where there are fewer. */
export function firstExamples(path: string, examples: readonly Example[], count = examples.length): readonly Example[] {
  if (examples.length < count)
    throw new AppError("E_DATA", `${path}: expected at least ${count} examples, found ${examples.length}`);
  return examples.slice(0, count);
}
