/** @file The model specialised by a prompt: the task's own, its examples, or the prompts of controls. */
import { createRng } from "../base/rng.ts";
import type { Method, Prepared, Subject, Task } from "./method.ts";
import { refusesExamples, shotsPrompt } from "./shots.ts";

const refusesGenerator = ({ specialize }: Subject): string | undefined =>
  specialize === undefined ? "needs a pair with a generator, found a model alone" : undefined;

/** Specialised by one text; `examples` of them are labelled. */
async function specializedBy(subject: Subject, prompt: string, examples = 0): Promise<Prepared> {
  const { model, change, ...cost } = await subject.specialize!(prompt);
  return { model, ...(change === undefined ? {} : { change }), prompt, cost: { ...cost, examples } };
}

export const specialized: Method = {
  summary: "the edge model specialised by the system prompt, input alone",
  needs: { training: "once", beside: "each prompt" },
  refuses: refusesGenerator,
  prepare: (subject, { systemPrompt }) => specializedBy(subject, systemPrompt),
};

export const specializedShots = (count: number): Method => ({
  summary: "the edge model specialised by N examples without a description, input alone",
  needs: { training: "once", beside: "each prompt" },
  refuses: (subject, task) => refusesGenerator(subject) ?? refusesExamples(task, count),
  prepare: (subject, task) => specializedBy(subject, shotsPrompt(task, count), count),
});

/** A control: specialised by a prompt that is not the task's. */
const control = (summary: string, needs: string, promptOf: (task: Task) => string | undefined): Method => ({
  summary: `control: the edge model specialised by ${summary}`,
  needs: { training: "once", beside: "each prompt" },
  refuses: (subject, task) => refusesGenerator(subject) ?? (promptOf(task) === undefined ? needs : undefined),
  prepare: (subject, task) => specializedBy(subject, promptOf(task)!),
});

export const siblingPrompt = control(
  "a prompt of the same kind that asks for other answers",
  "needs siblingPrompt, or a task of the same kind with other answers",
  ({ siblingPrompt: prompt }) => prompt,
);

export const farPrompt = control(
  "a prompt of another kind that shares no answer",
  "needs farPrompt, or a second task",
  ({ farPrompt: prompt }) => prompt,
);

export const shuffledPrompt = control("the system prompt's own words in random order", "", ({ name, systemPrompt }) =>
  createRng(`shuffled prompt of ${name}`)
    .shuffle(systemPrompt.split(/\s+/).filter((word) => word !== ""))
    .join(" "),
);
