/** @file Sampling for training: a task, a wording of its prompt, perhaps with examples, and queries to answer. */
import { AppError } from "../base/errors.ts";
import type { Rng } from "../base/rng.ts";
import { renderSystemPrompt } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";
import type { Sample, TaskFamily } from "./task.ts";

export type PromptStyle = "description" | "description+shots" | "shots";

export type Group = {
  readonly task: TaskFamily;
  /** The system prompt, with its examples. */
  readonly prompt: string;
  readonly style: PromptStyle;
  /** Inputs and answers; none of them is an example of the prompt. */
  readonly queries: readonly Sample[];
};

export type TokenLimits = { readonly prompt: number; readonly input: number; readonly target: number };

export type MixtureOptions = {
  readonly tokenizer: Tokenizer;
  readonly limits: TokenLimits;
  /**
   * A task with fewer samples brings all of them that fit, in training `minShots` less (at least one) where its prompts
   * may show examples, so that as many are left to show. Of a task with enough samples only as many are asked, or none.
   */
  readonly queriesPerPrompt?: number;
  /** `train`: train wordings and samples. `validation`: validation wordings and samples, examples from train. */
  readonly split?: "train" | "validation";
  /** Relative frequency of a task; 0 leaves it out. */
  readonly weight?: (task: TaskFamily) => number;
  /** How often a prompt gets examples behind its description, and how often it is examples alone. */
  readonly shotProbability?: number;
  readonly shotsOnlyProbability?: number;
  /** How many examples such a prompt gets; one with room for fewer than the least shows none. */
  readonly minShots?: number;
  readonly maxShots?: number;
  /** Share of the words of a training query that are left out, where the answer is one of the task's labels: no query is quite the same twice. */
  readonly dropWords?: number;
};

/** Draws before something over-long is given up. */
const MAX_TRIES = 20;

/** One prompt with its queries, determined by the state of `rng`. Over-long draws are drawn again. Throws E_DATA when nothing fits. */
export function sampleGroup(tasks: readonly TaskFamily[], rng: Rng, options: MixtureOptions): Group {
  const weight = options.weight ?? (() => 1);
  const weights = tasks.map(weight);
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const group = sampleFromTask(tasks[pickWeighted(weights, rng)]!, rng, options);
    if (group !== undefined) return group;
  }
  throw new AppError(
    "E_DATA",
    `mixture: expected prompts and samples within the token limits, found none in ${MAX_TRIES} draws`,
  );
}

/** One prompt with queries of the given task, or undefined when no draw fits the limits. */
export function sampleFromTask(task: TaskFamily, rng: Rng, options: MixtureOptions): Group | undefined {
  const { tokenizer, limits, queriesPerPrompt = 4, split = "train" } = options;
  const { shotProbability = 0.3, shotsOnlyProbability = 0.1, minShots = 1, maxShots = 5 } = options;
  const dropWords = split === "train" && task.labels !== undefined ? (options.dropWords ?? 0) : 0;
  const fits = ({ input, target }: Sample) =>
    tokenizer.encode(input).length <= limits.input && tokenizer.encode(target).length <= limits.target;
  const used = new Set<Sample>();
  const draw = (samples: readonly Sample[]): Sample | undefined => {
    for (let tries = 0; tries < MAX_TRIES && samples.length > 0; tries++) {
      const sample = rng.pick(samples);
      if (used.has(sample) || !fits(sample)) continue;
      used.add(sample);
      return sample;
    }
    return undefined;
  };
  const few = task[split].length < queriesPerPrompt ? task[split].filter(fits) : [];
  const isShort = few.length > 0;
  const toShow = split === "train" && shotProbability + shotsOnlyProbability > 0 ? minShots : 0;
  const count = isShort ? Math.max(1, few.length - toShow) : queriesPerPrompt;
  rng.shuffle(few);
  const queries: Sample[] = [];
  while (queries.length < count) {
    const query = isShort ? few[queries.length]! : draw(task[split]);
    if (query === undefined) return undefined;
    used.add(query);
    queries.push(dropWords === 0 ? query : { ...query, input: withoutWords(query.input, dropWords, rng) });
  }
  const style = pickStyle(rng, { shotProbability, shotsOnlyProbability });
  const description = rng.pick(task.paraphrases[split]);
  const examples: Sample[] = [];
  const shots = style === "description" ? 0 : minShots + rng.int(maxShots - minShots + 1);
  const render = () => renderSystemPrompt(style === "shots" ? { examples } : { description, examples });
  const isTooLong = () => tokenizer.encode(render()).length > limits.prompt;
  if (style !== "shots" && isTooLong()) return undefined;
  for (let i = 0; i < shots; i++) {
    const example = draw(task.train);
    if (example === undefined) break;
    examples.push(example);
    if (isTooLong()) {
      examples.pop();
      break;
    }
  }
  if (examples.length < minShots) {
    if (style === "shots") return undefined;
    examples.length = 0;
  }
  const actual = style === "description+shots" && examples.length === 0 ? "description" : style;
  return { task, prompt: render(), style: actual, queries };
}

/** The text without a share of its words, never without all of them. */
function withoutWords(text: string, share: number, rng: Rng): string {
  const words = text.split(" ");
  const kept = words.filter(() => rng.next() >= share);
  return kept.length === 0 ? rng.pick(words) : kept.join(" ");
}

type StyleShares = Required<Pick<MixtureOptions, "shotProbability" | "shotsOnlyProbability">>;

function pickStyle(rng: Rng, { shotProbability, shotsOnlyProbability }: StyleShares): PromptStyle {
  const draw = rng.next();
  if (draw < shotsOnlyProbability) return "shots";
  return draw < shotsOnlyProbability + shotProbability ? "description+shots" : "description";
}

function pickWeighted(weights: readonly number[], rng: Rng): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let draw = rng.next() * total;
  for (let i = 0; i < weights.length; i++) {
    draw -= weights[i]!;
    if (draw < 0) return i;
  }
  return weights.findLastIndex((weight) => weight > 0);
}
