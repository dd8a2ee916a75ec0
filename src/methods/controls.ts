/** @file The prompts of controls, drawn from the other tasks of an evaluation where a task does not bring its own. */
import { createRng } from "../base/rng.ts";
import type { EvalTask } from "../data/eval-task.ts";

/**
 * The tasks with `siblingPrompt` and `farPrompt` filled in, where the others allow it. Drawn at random, determined by the task's name:
 * the sibling from tasks of the same kind that share no answer, the far one from tasks of another kind that share none. Where every other
 * kind shares some, the far one comes from all tasks that share none; where there is no such task either, from all others.
 */
export function withControls<T extends EvalTask>(tasks: readonly T[]): T[] {
  const answers = new Map(tasks.map((task) => [task, answersOf(task)]));
  return tasks.map((task) => {
    const others = tasks
      .filter(({ name, seed }) => name !== task.name && seed === task.seed)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const own = answers.get(task)!;
    const apart = others.filter((other) => [...answers.get(other)!].every((answer) => !own.has(answer)));
    const sibling = draw("sibling", task, [apart.filter(({ kind }) => kind === task.kind)]);
    const far = draw("far", task, [apart.filter(({ kind }) => kind !== task.kind), apart, others]);
    return {
      ...task,
      ...(task.siblingPrompt === undefined && sibling !== undefined ? { siblingPrompt: sibling.systemPrompt } : {}),
      ...(task.farPrompt === undefined && far !== undefined ? { farPrompt: far.systemPrompt } : {}),
    };
  });
}

/** One of the first list that is not empty. */
function draw(what: string, { name, seed }: EvalTask, lists: readonly (readonly EvalTask[])[]): EvalTask | undefined {
  const list = lists.find(({ length }) => length > 0);
  return list && createRng(`${what} prompt of ${name}${seed === undefined ? "" : ` ${seed}`}`).pick(list);
}

/** What the answers of a task, and its choices, say. */
function answersOf({ examples, labels = [], samples }: EvalTask): Set<string> {
  const answers = [
    ...labels,
    ...examples.map(({ target }) => target),
    ...samples.flatMap(({ target, choices = [] }) => [target, ...choices]),
  ];
  return new Set(answers.flatMap(contents));
}

/** The quoted values of an answer that are no keys, or all of it where there are none. */
function contents(answer: string): string[] {
  const quoted = /"((?:[^"\\]|\\.)*)"(\s*:)?/g;
  const values = [...answer.matchAll(quoted)].flatMap(([, value, colon]) => (colon === undefined ? [value!] : []));
  return values.length > 0 ? values : [answer];
}
