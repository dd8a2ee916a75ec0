/** @file Draws tasks as families: three splits that share no question and no subject, and what a program that always says the same would get. */
import { groupBy } from "../../src/base/group-by.ts";
import { createRng, type Rng } from "../../src/base/rng.ts";
import { EvalTask } from "../../src/data/eval-task.ts";
import type { TaskFamily } from "../../src/data/task.ts";
import type { Example } from "../../src/text/prompt.ts";
import { asked, keyOf, type SkillTask, type Split } from "./tasks/task.ts";
import { isSkill, type TaskName, tasks } from "./tasks.ts";

/** Rows that are kept of a split: more are more to read and nothing else, a training sees a few thousand. */
const most: Readonly<Record<Split, number>> = { train: 3000, validation: 300, test: 1000 };

/** Rows of one split in an order of their own: fewer are the first of more. */
type Splits = Readonly<Record<Split, readonly Example[]>>;

/** A task's rows, the same for the same data. Throws E_DATA where files are missing. */
export async function drawTask(name: TaskName, data: string): Promise<TaskFamily> {
  const task = tasks[name];
  const rng = createRng(`transformer2 ${name}`);
  const read = async (split: Split) =>
    (await task.read(data, split, rng)).map(({ input, target }) => ({ input: asked(task, input), target }));
  const { train, validation, test } = apart(
    { train: await read("train"), validation: await read("validation"), test: await read("test") },
    rng,
    task.subjectOf,
  );
  const { form, kind, labels } = task;
  return {
    name,
    kind,
    seen: isSkill(name),
    // Nothing stands in front of a question, which has the form of its answer in itself; a family has to have wordings.
    paraphrases: { train: [form], validation: [form], test: [form] },
    train,
    validation,
    test,
    ...(labels === undefined ? {} : { labels }),
  };
}

/**
 * Every question once, in the last of the splits that have it, each split in a drawn order.
 * Of what is kept, a subject is in the last of the splits that have it.
 */
export function apart(
  splits: Splits,
  rng: Rng,
  subjectOf: (question: string) => string = (question) => question,
): Splits {
  const questions = new Set<string>();
  const subjects = new Set<string>();
  const take = (split: Split) => {
    const own = splits[split].filter(({ input }) => {
      const isNew = !questions.has(keyOf(input));
      questions.add(keyOf(input));
      return isNew;
    });
    const kept = rng.split(`order of ${split}`).shuffle(own).slice(0, most[split]);
    const rows = kept.filter(({ input }) => !subjects.has(keyOf(subjectOf(input))));
    for (const { input } of rows) subjects.add(keyOf(subjectOf(input)));
    return rows;
  };
  const test = take("test");
  const validation = take("validation");
  return { train: take("train"), validation, test };
}

/** What a question that was asked is about, of any task: those about the same are one draw of the data. */
export const subjectIn = ({ task, input }: { readonly task: string; readonly input: string }): string =>
  (tasks as Readonly<Record<string, SkillTask | undefined>>)[task]?.subjectOf?.(input) ?? input;

/**
 * Prompts of controls. No method here reads them, and they are fixed all the same: otherwise they are drawn from the tasks that are asked
 * together, and a log would not go on with others.
 */
export const unused = { siblingPrompt: "Answer in one sentence.", farPrompt: "Say nothing." } as const;

/** Examples that a search may read. */
const shownExamples = 20;

/** A task as it is asked: the first items of a split, the model reading them alone; examples are of train. */
export function askedTask(
  { name, train, ...family }: TaskFamily,
  { split, items }: { readonly split: "validation" | "test"; readonly items: number },
): EvalTask {
  const { version, form, kind, scorer, maxTokens } = tasks[name as TaskName];
  return EvalTask.parse({
    name: split === "test" ? name : `${name}-${split}`,
    stratum: family.seen ? "skills" : "unseen",
    kind,
    systemPrompt: form,
    ...unused,
    examples: spread(train, shownExamples).map(({ input, target }) => ({ input, target })),
    scorer,
    maxTokens,
    version,
    samples: family[split].slice(0, items).map(({ input, target }) => ({ input, target })),
  });
}

/** The first rows, answers taking turns as far as there are so many: few examples show several answers. */
export function spread(rows: readonly Example[], count: number): Example[] {
  const lists = [...groupBy(rows, ({ target }) => target)].map(([, own]) => own);
  const rounds = Math.max(0, ...lists.map(({ length }) => length));
  const turns = Array.from({ length: Math.min(rounds, count) }, (_, round) => lists.flatMap((own) => own[round] ?? []));
  return turns.flat().slice(0, count);
}

/** The answer that is right most often, and how often: what costs nothing to beat. */
export function bestConstant(rows: readonly Pick<Example, "target">[]): { answer: string; share: number } {
  const counts = [...groupBy(rows, ({ target }) => target)].map(([answer, own]) => ({ answer, count: own.length }));
  const most = counts.reduce((best, one) => (one.count > best.count ? one : best));
  return { answer: most.answer, share: most.count / rows.length };
}
