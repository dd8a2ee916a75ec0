/** @file Which questions an evaluation asks: tasks by seed, samples by limit, methods that each task allows. */
import { AppError } from "../base/errors.ts";
import { createRng } from "../base/rng.ts";
import type { ConstraintSpec } from "../constraint/spec.ts";
import { choicesOf, type EvalSample, type EvalTask } from "../data/eval-task.ts";
import { withControls } from "../methods/controls.ts";
import type { Subject } from "../methods/method.ts";
import type { NamedMethod } from "../methods/table.ts";
import { choosingScorers, type ScorerName, scorersOf } from "./scorers/table.ts";

export type Selection = {
  /** Only tasks whose name matches. Prompts of controls are drawn before, from all tasks. */
  readonly only?: RegExp | undefined;
  /** Whether tasks get prompts of controls from the other ones, on by default. Without, a task is the same whatever stands beside it. */
  readonly controls?: boolean | undefined;
  /** Uses at most so many samples of each task. */
  readonly limit?: number | undefined;
  /**
   * Tasks that have a seed of their own are chosen by it. Any other task is asked once for each seed, which draws its examples, the samples
   * within the limit and the prompts of controls. Without seeds the first samples and examples are taken.
   */
  readonly seeds?: readonly number[] | undefined;
  /** Which tasks have answers written that are else chosen from a list; plain text is still continued by its choices. */
  readonly written?: ((task: EvalTask) => boolean) | undefined;
  /** What the written answers of a task must be, by every method alike. Without it each method answers as it does. */
  readonly constraint?: ((task: EvalTask) => ConstraintSpec | undefined) | undefined;
};

export type PlannedTask = {
  readonly task: EvalTask;
  /** With their places in the file. */
  readonly samples: readonly (readonly [index: number, sample: EvalSample])[];
  readonly scorers: readonly ScorerName[];
  readonly constraint?: ConstraintSpec;
};

/** Throws E_DATA where nothing is left, and for an unknown scorer; E_USAGE for a constraint that no task can use. */
export function selectTasks(
  tasks: readonly EvalTask[],
  { only, controls = true, limit, seeds, written, constraint }: Selection,
): PlannedTask[] {
  const variants =
    seeds === undefined
      ? tasks
      : seeds.flatMap((seed) =>
          tasks.flatMap((task) =>
            task.seed === undefined ? [reseeded(task, seed)] : task.seed === seed ? [task] : [],
          ),
        );
  const selected = (controls ? withControls(variants) : variants).filter(
    ({ name }) => only === undefined || only.test(name),
  );
  if (selected.length === 0) throw new AppError("E_DATA", "evaluation: expected at least one task, found none");
  const planned = selected.map((chosen) => {
    const task = written?.(chosen) && chosen.layout === undefined ? withoutChoices(chosen, scorersOf(chosen)) : chosen;
    const demanded = isWritten(task) ? constraint?.(chosen) : undefined;
    const samples = drawSamples(task, limit, seeds);
    return { task, samples, scorers: scorersOf(task), ...(demanded === undefined ? {} : { constraint: demanded }) };
  });
  if (constraint !== undefined && planned.every((task) => task.constraint === undefined))
    throw new AppError("E_USAGE", "constraint: expected a task with written answers that it applies to, found none");
  return planned;
}

/** Whether some answers are written: others are chosen from a list of their own. */
const isWritten = (task: EvalTask): boolean => task.samples.some((sample) => choicesOf(task, sample) === undefined);

/** The same questions, for written answers; scored as such where only a choice could be scored. */
function withoutChoices(
  { labels: _, scorer: __, scorers: ___, ...task }: EvalTask,
  names: readonly ScorerName[],
): EvalTask {
  const samples = task.samples.map(({ choices: _, ...sample }) => sample);
  const scorers = names.filter((name) => !choosingScorers.has(name));
  return { ...task, samples, ...(scorers.length === 0 ? {} : { scorers }) };
}

const reseeded = (task: EvalTask, seed: number): EvalTask => ({
  ...task,
  seed,
  examples: createRng(`examples of ${task.name} ${seed}`).shuffle([...task.examples]),
});

function drawSamples(
  { name, seed, samples }: EvalTask,
  limit: number = samples.length,
  seeds: readonly number[] | undefined,
): PlannedTask["samples"] {
  const all = [...samples.entries()];
  const order = seeds === undefined ? all : createRng(`samples of ${name} ${seed}`).shuffle(all);
  return order.slice(0, limit).sort(([a], [b]) => a - b);
}

export type Job = PlannedTask & { readonly method: NamedMethod };
/** Why a method is not used on some tasks. */
export type LeftOut = { readonly method: string; readonly tasks: readonly string[]; readonly reason: string };

/** Every method on every task that allows it, task by task. Throws E_DATA where no method can be used on any. */
export function planJobs(
  subject: Subject,
  tasks: readonly PlannedTask[],
  methods: readonly NamedMethod[],
): { readonly jobs: readonly Job[]; readonly leftOut: readonly LeftOut[] } {
  const jobs: Job[] = [];
  const refusals = new Map<string, { method: string; tasks: string[]; reason: string }>();
  for (const planned of tasks)
    for (const method of methods) {
      const reason = method.refuses?.(subject, planned.task);
      if (reason === undefined) jobs.push({ ...planned, method });
      else {
        const key = `${method.name} ${reason}`;
        const refusal = refusals.get(key) ?? { method: method.name, tasks: [], reason };
        refusal.tasks.push(planned.task.name);
        refusals.set(key, refusal);
      }
    }
  const leftOut = [...refusals.values()];
  if (jobs.length === 0) throw new AppError("E_DATA", `evaluation: no method can be used: ${describeLeftOut(leftOut)}`);
  return { jobs, leftOut };
}

/** "prompted-5shot on 3 tasks (needs 5 examples, found 0)" */
export const describeLeftOut = (leftOut: readonly LeftOut[]): string =>
  leftOut
    .map(
      ({ method, tasks, reason }) =>
        `${method} on ${tasks.length === 1 ? `"${tasks[0]}"` : `${tasks.length} tasks`} (${reason})`,
    )
    .join(", ");
