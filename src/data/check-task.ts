/** @file Whether a task's answers can be derived: what an answer must spell has to stand in the prompt. */
import type { JsonValue } from "../base/json.ts";
import { choicesOf, type EvalTask } from "./eval-task.ts";
import { type Call, callOf, jsonOf } from "./function-call.ts";

/**
 * What the prompt fails to say, each fault once; none for a task that can be solved by reading. A closed list needs all its labels in the
 * prompt, or in the input where a sample has choices of its own; answers in JSON need their keys, calls their functions and parameters.
 */
export function underivable(task: EvalTask): string[] {
  const prompt = task.systemPrompt;
  const isSaid = (text: string, where = prompt): boolean => containsWord(where, text);
  const faults = new Set<string>();
  for (const label of task.labels ?? [])
    for (const part of spelled(label))
      if (!isSaid(part)) faults.add(`the label ${JSON.stringify(part)} is not in the prompt`);
  for (const sample of task.samples) {
    if (sample.choices === undefined) continue;
    for (const part of sample.choices.flatMap(spelled))
      if (!isSaid(part) && !isSaid(part, sample.input))
        faults.add(`the choice ${JSON.stringify(part)} is neither in the prompt nor in the input`);
  }
  const written = task.samples.filter((sample) => choicesOf(task, sample) === undefined).map(({ target }) => target);
  for (const call of whereAll(written, callOf, task, ["function-name", "function-call"])) {
    if (!isSaid(call.name)) faults.add(`the function ${JSON.stringify(call.name)} is not in the prompt`);
    for (const name of Object.keys(call.arguments))
      if (!/^\d+$/.test(name) && !isSaid(name))
        faults.add(`the parameter ${JSON.stringify(name)} is not in the prompt`);
  }
  if (faults.size === 0)
    for (const value of whereAll(written, objectOf, task, ["json-equal"]))
      for (const key of keysOf(value))
        if (!isSaid(key)) faults.add(`the key ${JSON.stringify(key)} is not in the prompt`);
  return [...faults];
}

type JsonObject = { readonly [key: string]: JsonValue };

const objectOf = (text: string): JsonObject | undefined => {
  const value = jsonOf(text);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
};

/** What `read` makes of the targets, where the task's scorers ask for it or every target can be read so. */
function whereAll<T extends Call | JsonObject>(
  targets: readonly string[],
  read: (text: string) => T | undefined,
  { scorer, scorers = [] }: EvalTask,
  askedBy: readonly string[],
): T[] {
  const values = targets.map(read);
  const isAsked = [scorer, ...scorers].some((name) => name !== undefined && askedBy.includes(name));
  return isAsked || values.every((value) => value !== undefined) ? values.filter((value) => value !== undefined) : [];
}

function keysOf(value: JsonValue | JsonObject): string[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(keysOf);
  return Object.entries(value).flatMap(([key, inner]) => [key, ...keysOf(inner)]);
}

/**
 * What has to be spelled: the quoted values and keys of a label in JSON or of a call, else the label itself; of `[dog]` and `Result: dog`,
 * where the prompt asks for the signs around a label, what stands between the signs.
 */
function spelled(label: string): string[] {
  const quoted = [...label.matchAll(/"((?:[^"\\]|\\.)+)"/g)].map(([, value]) => value!);
  if (quoted.length > 0) return quoted;
  const between = label.split(/[^\p{L}\p{N}\s_'’.,+/-]+/u).map((part) => part.trim());
  const parts = between.filter((part) => part !== "");
  return parts.length > 0 ? parts : [label.trim()];
}

/** Whether a text stands in another by itself, not as a part of a longer word. */
function containsWord(text: string, word: string): boolean {
  const isWord = (character: string | undefined) => character !== undefined && /[\p{L}\p{N}_]/u.test(character);
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const [before, after] = [text[at - 1], text[at + word.length]];
    if (!(isWord(before) && isWord(word[0])) && !(isWord(after) && isWord(word.at(-1)))) return true;
  }
  return false;
}
