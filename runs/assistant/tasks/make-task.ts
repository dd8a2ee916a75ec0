/** @file Builds task families: samples without repeats, splits carved by seed. */
import { createRng } from "../../../src/base/rng.ts";
import type { Sample, TaskFamily, TaskKind } from "../../../src/data/task.ts";
import { type Phrases, wordings } from "./wording.ts";

export type TaskParts = {
  name: string;
  kind: TaskKind;
  seen?: boolean;
  phrases: Phrases;
  labels?: readonly string[];
  train: readonly Sample[];
  validation: readonly Sample[];
  test: readonly Sample[];
};

/** One family with the wordings of its prompt. */
export function makeTask({ name, kind, seen = true, phrases, labels, ...splits }: TaskParts): TaskFamily {
  const base = { name, kind, seen, paraphrases: wordings(name, phrases), ...makeSplits(splits) };
  return labels === undefined ? base : { ...base, labels };
}

type Splits = Pick<TaskFamily, "train" | "validation" | "test">;

/** A repeated input counts once: test rows win over validation rows, those over train rows. Empty inputs are dropped. */
export function makeSplits(splits: Splits): Splits {
  const used = new Set<string>();
  const unused = (samples: readonly Sample[]) =>
    samples.filter(({ input }) => {
      const key = inputKey(input);
      if (key === "" || used.has(key)) return false;
      used.add(key);
      return true;
    });
  const test = unused(splits.test);
  const validation = unused(splits.validation);
  return { train: unused(splits.train), validation, test };
}

/** `tasks` without the train and validation samples whose input is a test input of any of the tested tasks. */
export function withoutTestInputs(tasks: readonly TaskFamily[], tested: readonly TaskFamily[]): TaskFamily[] {
  const testInputs = new Set(tested.flatMap(({ test }) => test.map(({ input }) => inputKey(input))));
  const isFree = ({ input }: Sample) => !testInputs.has(inputKey(input));
  return tasks.map((task) => ({
    ...task,
    train: task.train.filter(isFree),
    validation: task.validation.filter(isFree),
  }));
}

/** What makes two inputs the same: case and white space do not count. */
export const inputKey = (input: string): string => input.toLowerCase().replace(/\s+/g, " ").trim();

/** Splits samples by seed; the first part has `count` of them (or that share, below 1). */
export function carve<T>(seed: string, samples: readonly T[], count: number): [carved: T[], rest: T[]] {
  const shuffled = createRng(`carve ${seed}`).shuffle([...samples]);
  const size = count < 1 ? Math.round(count * shuffled.length) : Math.min(count, shuffled.length);
  return [shuffled.slice(0, size), shuffled.slice(size)];
}
