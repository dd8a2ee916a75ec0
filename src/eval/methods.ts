/** @file The ways to ask an edge model: which prompt it reads, and which prompt its weights were made from. */
import { AppError } from "../base/errors.ts";
import { createRng } from "../base/rng.ts";
import { renderSystemPrompt } from "../text/prompt.ts";
import type { TaskFile } from "./task-file.ts";

export const METHODS = [
  "base",
  "prompted",
  "prompted-5shot",
  "specialized",
  "specialized-5shot",
  "wrong-prompt",
  "random-prompt",
  "specialized-shuffled-prompt",
] as const;
export type MethodName = (typeof METHODS)[number];

/** How the queries of one task are asked. */
export type Question = {
  /** The system prompt in the edge model's context; without it the model reads the input alone. */
  readonly context?: string;
  /** The prompt that the weights are specialised by; without it they are the edge model's own. */
  readonly specializeBy?: string;
};

type Method = {
  /** One line for help and tables. */
  readonly summary: string;
  /** `all` are the tasks of the evaluation. Throws E_DATA where the task lacks what the method needs. */
  readonly ask: (task: TaskFile, all: readonly TaskFile[]) => Question;
};

const SHOTS = 5;

export const methods: { readonly [M in MethodName]: Method } = {
  base: { summary: "the edge model, input alone", ask: () => ({}) },
  prompted: {
    summary: "the edge model with the system prompt in its context",
    ask: ({ systemPrompt }) => ({ context: systemPrompt }),
  },
  "prompted-5shot": {
    summary: "the edge model with the system prompt and five examples in its context",
    ask: (task) => ({ context: withShots(task, "prompted-5shot") }),
  },
  specialized: {
    summary: "the edge model specialised by the system prompt, input alone",
    ask: ({ systemPrompt }) => ({ specializeBy: systemPrompt }),
  },
  "specialized-5shot": {
    summary: "the edge model specialised by five examples without a description, input alone",
    ask: (task) => ({ specializeBy: renderSystemPrompt({ examples: shots(task, "specialized-5shot") }) }),
  },
  "wrong-prompt": {
    summary: "control: the edge model specialised by another task's system prompt",
    ask: (task, all) => ({ specializeBy: wrongTask(task, all).systemPrompt }),
  },
  "random-prompt": {
    summary: "control: the edge model specialised by random words of other tasks' system prompts",
    ask: (task, all) => ({ specializeBy: randomPrompt(task, all) }),
  },
  "specialized-shuffled-prompt": {
    summary: "control: the edge model specialised by the system prompt's words in random order",
    ask: (task) => ({ specializeBy: shuffledPrompt(task) }),
  },
};

/** Checks names from outside. Throws E_USAGE naming what is known. */
export function parseMethods(names: readonly string[]): MethodName[] {
  const unknown = names.find((name) => !(METHODS as readonly string[]).includes(name));
  if (unknown !== undefined || names.length === 0) {
    throw new AppError(
      "E_USAGE",
      `methods: expected some of ${METHODS.join(", ")}, found ${unknown === undefined ? "none" : JSON.stringify(unknown)}`,
    );
  }
  return METHODS.filter((method) => names.includes(method));
}

function shots({ name, examples }: TaskFile, method: MethodName) {
  if (examples.length === 0)
    throw new AppError("E_DATA", `task "${name}": the method ${method} needs examples, found none`);
  return examples.slice(0, SHOTS);
}

/** A prompt that is made of those very examples already stays as it is. */
function withShots(task: TaskFile, method: MethodName): string {
  const examples = shots(task, method);
  const { systemPrompt: description } = task;
  return description.includes(renderSystemPrompt({ examples }))
    ? description
    : renderSystemPrompt({ description, examples });
}

/**
 * The task whose prompt serves as the wrong one: drawn at random, determined by the task's name, from all others that
 * share no answer with it (`pay_bill`, `{"intent": "pay_bill"}` and `route("pay_bill")` are the same answer); from all
 * others where every one shares some. Format and kind play no part, so that the control is neither easy nor hard by choice.
 * Throws E_DATA where there is no other task.
 */
export function wrongTask(task: TaskFile, all: readonly TaskFile[]): TaskFile {
  const others = all.filter(({ name }) => name !== task.name).sort((a, b) => (a.name < b.name ? -1 : 1));
  if (others.length === 0)
    throw new AppError("E_DATA", `task "${task.name}": the method wrong-prompt needs a second task, found none`);
  const own = answersOf(task);
  const apart = others.filter((other) => [...answersOf(other)].every((answer) => !own.has(answer)));
  return createRng(`wrong prompt of ${task.name}`).pick(apart.length > 0 ? apart : others);
}

/** What the answers of a task, and its choices, say. */
function answersOf({ examples, samples }: TaskFile): Set<string> {
  const answers = [
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

const wordsOf = ({ systemPrompt }: TaskFile): string[] => systemPrompt.split(/\s+/).filter((word) => word !== "");

/** The prompt's own words in another order: determined by the task. */
const shuffledPrompt = (task: TaskFile): string =>
  createRng(`shuffled prompt of ${task.name}`).shuffle(wordsOf(task)).join(" ");

/** As many words as the prompt has, each drawn from all other prompts: determined by the tasks. */
function randomPrompt(task: TaskFile, all: readonly TaskFile[]): string {
  const words = all.filter(({ name }) => name !== task.name).flatMap(wordsOf);
  if (words.length === 0)
    throw new AppError("E_DATA", `task "${task.name}": the method random-prompt needs a second task, found none`);
  const rng = createRng(`random prompt of ${task.name}`);
  return wordsOf(task)
    .map(() => rng.pick(words))
    .join(" ");
}
