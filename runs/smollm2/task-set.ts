/** @file Behaviours as tasks of an evaluation: one prompt, a sibling's prompt, examples, and inputs whose answers differ between the two. */
import type { Rng } from "../../src/base/rng.ts";
import { type Behaviour, type Split, sample, type Text } from "./behaviour.ts";
import type { Pair } from "./dressing.ts";

/** A task as `loragen eval` reads it. */
export type SuiteTask = {
  readonly name: string;
  readonly stratum: "seen" | "by-others" | "rules" | "labels" | "super-ni" | "synthetic" | "extraction";
  readonly kind: string;
  readonly systemPrompt: string;
  readonly siblingPrompt: string;
  readonly examples: readonly Pair[];
  readonly labels?: readonly string[];
  readonly scorers?: readonly string[];
  readonly samples: readonly Pair[];
  /** Of a closed list of labels, up to eight training examples of each, for rivals that learn from them; no part of the task. */
  readonly shots?: readonly Pair[];
  /** Training inputs with this task's answers, for a LoRA of its own; no part of the task. */
  readonly training?: readonly Pair[];
};

export const samplesPerTask = 50;
const examplesPerTask = 5;
const shotsPerLabel = 8;
const trainingPairs = 2000;

/** Up to eight examples of each label. */
export function shotsOf(rng: Rng, pairs: readonly Pair[], labels: readonly string[]): Pair[] {
  const own = pairs.filter(({ target }) => labels.includes(target));
  return [...byTarget(rng.shuffle([...own]))].flatMap((list) => list.slice(0, shotsPerLabel));
}

/** How many of `pairs` another behaviour must answer differently to be a sibling. */
const siblingShare = 0.7;

/** Pairs whose answers are as evenly spread as the inputs allow. */
export function spread(rng: Rng, pairs: readonly Pair[], count: number): Pair[] {
  const lists = [...byTarget(pairs)];
  const chosen: Pair[] = [];
  for (let round = 0; chosen.length < count; round++) {
    const left = lists.filter((list) => list.length > round);
    if (left.length === 0) break;
    chosen.push(...rng.shuffle(left.map((list) => list[round]!)));
  }
  return rng.shuffle(chosen.slice(0, count));
}

function byTarget(pairs: readonly Pair[]): Iterable<Pair[]> {
  const groups = new Map<string, Pair[]>();
  for (const pair of pairs) groups.set(pair.target, [...(groups.get(pair.target) ?? []), pair]);
  return groups.values();
}

export const answersOf = (texts: readonly Text[], { answer }: Behaviour): Pair[] =>
  texts.flatMap((text) => {
    const target = answer(text);
    return target === undefined || target === "" ? [] : [{ input: text.text, target }];
  });

export type TaskParts = Pick<SuiteTask, "name" | "stratum" | "kind" | "scorers"> & {
  readonly split: Split;
  readonly behaviour: Behaviour;
  /** Draws another behaviour of the same kind; asked until enough answers differ. */
  readonly sibling: () => Behaviour;
  readonly texts: readonly Text[];
  /** Where the examples come from: train inputs. */
  readonly shown: readonly Text[];
  readonly count?: number;
};

/** Undefined where no sibling answers differently often enough, or there are too few inputs. */
export function suiteTask(rng: Rng, parts: TaskParts): SuiteTask | undefined {
  const { name, stratum, kind, scorers, split, behaviour, count = samplesPerTask } = parts;
  const pairs = answersOf(parts.texts, behaviour);
  const samples = spread(rng, pairs, count);
  if (samples.length < Math.min(count, 20)) return undefined;
  for (let tries = 0; tries < 30; tries++) {
    const sibling = parts.sibling();
    const other = new Map(answersOf(parts.texts, sibling).map(({ input, target }) => [input, target]));
    const different = samples.filter(({ input, target }) => other.get(input) !== target).length;
    if (different < siblingShare * samples.length) continue;
    const { labels } = behaviour;
    const shots =
      labels === undefined || stratum === "synthetic"
        ? {}
        : { shots: shotsOf(rng.split("shots"), answersOf(parts.shown, behaviour), labels) };
    const asked = new Set(samples.map(({ input }) => input));
    const others = answersOf(parts.shown, behaviour).filter(({ input }) => !asked.has(input));
    return {
      name,
      stratum,
      kind,
      systemPrompt: rng.pick(behaviour.wordings[split]),
      siblingPrompt: rng.pick(sibling.wordings[split]),
      examples: spread(rng, answersOf(sample(rng, parts.shown, 400), behaviour), examplesPerTask),
      ...(labels === undefined ? {} : { labels }),
      ...shots,
      training: spread(rng.split("training"), others, trainingPairs),
      ...(scorers === undefined ? {} : { scorers }),
      samples,
    };
  }
  return undefined;
}
