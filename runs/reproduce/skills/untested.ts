/** @file A choice is never made by questions that are reported: by the test split a choice always looks good (C15 of the specification). */
import { AppError } from "../../../src/base/errors.ts";
import type { TaskFamily } from "../../../src/data/task.ts";
import { keyOf } from "../../transformer2/tasks/task.ts";

/** Throws E_DATA where a question that something is chosen by, or learnt from, is one of the task's test questions. */
export function requireUntested(
  what: string,
  questions: readonly { readonly input: string }[],
  { name, test }: Pick<TaskFamily, "name" | "test">,
): void {
  const tested = new Set(test.map(({ input }) => keyOf(input)));
  const found = questions.find(({ input }) => tested.has(keyOf(input)));
  if (found !== undefined)
    throw new AppError(
      "E_DATA",
      `${what}: expected questions beside the test split of ${name}, found one of it: ${JSON.stringify(found.input.slice(0, 60))}`,
    );
}
