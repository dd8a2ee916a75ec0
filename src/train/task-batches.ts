/** @file Task draws as training rows: conversations for a language model, prompts with their queries for a generator. */
import { AppError } from "../base/errors.ts";
import type { Rng } from "../base/rng.ts";
import { episodeBlock, readEpisodes } from "../data/episode.ts";
import { readTaskFamilies } from "../data/family-file.ts";
import { type Group, sampleGroup } from "../data/mixture.ts";
import type { Sample, TaskFamily } from "../data/task.ts";
import { cachedTokenizer } from "../text/cached-tokenizer.ts";
import {
  encodeBehindPrompt,
  encodeCloudPrompt,
  encodeInput,
  encodeLaterInput,
  encodePrompted,
  encodeTarget,
  type PromptLayout,
} from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";
import { choicesAmong } from "./answer-weights.ts";
import type { Choice, Row } from "./batch.ts";
import type { EpisodesConfig, TasksConfig } from "./config.ts";

/** A prompt and the queries it is asked. */
export type Questions = Pick<Group, "prompt" | "queries"> & {
  /** The kind of task, where it is known. */
  readonly kind?: string | undefined;
  /** All possible answers, where the task has a closed list of them. */
  readonly labels?: readonly string[] | undefined;
};

/** Which batch is drawn: its split, and its number among all batches of that split, micro-batches counted one by one. */
export type BatchPlace = { readonly split: "train" | "validation"; readonly index: number };

export type TaskSource = {
  /** The prompts of one batch. */
  readonly draw: (rng: Rng, place: BatchPlace, count: number) => Questions[];
  readonly tokenizer: Tokenizer;
  readonly layout: PromptLayout;
  /** How the cloud model reads prompts. */
  readonly cloud: { readonly tokenizer: Tokenizer; readonly layout: PromptLayout };
};

/** What short texts encode to is kept: the long ones are prompts with fresh examples. */
const cacheLimits = { length: 6000, entries: 500_000 };

export type TaskSourceConfig = {
  readonly tasks?: TasksConfig | undefined;
  readonly episodes?: EpisodesConfig | undefined;
  /** Above 0, some of them must have labels. */
  readonly listShare?: number;
};

/**
 * Opens what a run is trained on: task files, from which prompts are drawn, or episodes, which were drawn before. Throws E_CONFIG where
 * answers from lists are to be weighed and there are no lists.
 */
export async function openTaskSource(
  { tasks, episodes, listShare = 0 }: TaskSourceConfig,
  tokenizer: Tokenizer,
  layout: PromptLayout,
  cloud: TaskSource["cloud"] = { tokenizer, layout },
): Promise<TaskSource> {
  const cached = cachedTokenizer(tokenizer, cacheLimits);
  const requireLists: RequireLists = (all) => {
    if (listShare > 0 && all.every(({ labels }) => labels === undefined))
      throw new AppError("E_CONFIG", "listShare: expected tasks or episodes with labels, found none");
  };
  const draw =
    tasks === undefined
      ? await drawFromEpisodes(episodes!, requireLists)
      : await drawFromTasks(tasks, cached, requireLists);
  return { draw, tokenizer: cached, layout, cloud };
}

type RequireLists = (all: readonly { readonly labels?: readonly string[] | undefined }[]) => void;

async function drawFromEpisodes(
  { train, validation }: EpisodesConfig,
  requireLists: RequireLists,
): Promise<TaskSource["draw"]> {
  const episodes = { train: await readEpisodes(train), validation: await readEpisodes(validation) };
  requireLists(episodes.train);
  return (_, { split, index }, count) => episodeBlock(episodes[split], index, count);
}

/** Reads the task files of a configuration and resolves the weight of every task. */
async function drawFromTasks(
  config: TasksConfig,
  tokenizer: Tokenizer,
  requireLists: RequireLists,
): Promise<TaskSource["draw"]> {
  const { limits, queriesPerPrompt, shotProbability, shotsOnlyProbability, minShots, maxShots, dropWords, weights } =
    config;
  const files = config.files.map((file) => (typeof file === "string" ? { path: file, weight: 1 } : file));
  const families: TaskFamily[] = [];
  const fileWeights = new Map<string, number>();
  for (const { path, weight } of files) {
    for (const family of await readTaskFamilies([path])) {
      if (fileWeights.has(family.name))
        throw new AppError("E_DATA", `${path}: a task named "${family.name}" came before`);
      fileWeights.set(family.name, weight);
      families.push(family);
    }
  }
  requireLists(families);
  const weight = ({ name, kind }: TaskFamily) => fileWeights.get(name)! * (weights[name] ?? weights[kind] ?? 1);
  const options = {
    tokenizer,
    limits,
    queriesPerPrompt,
    shotProbability,
    shotsOnlyProbability,
    minShots,
    maxShots,
    dropWords,
    weight,
  };
  return (rng, { split }, count) =>
    Array.from({ length: count }, () => {
      const group = sampleGroup(families, rng, { ...options, split });
      return { ...group, kind: group.task.kind, labels: group.task.labels };
    });
}

/** One row: the prompt, then the queries with their answers that fit `maxTokens`; the first always stays. */
export function conversationRow(
  { tokenizer, layout }: TaskSource,
  { prompt, queries }: Questions,
  supervise: "answers" | "all",
  maxTokens: number,
): Row {
  const ids: number[] = [];
  const answers: [number, number][] = [];
  for (const [i, { input, target }] of queries.entries()) {
    // Later turns carry no begin token.
    const question =
      i === 0 ? encodePrompted(tokenizer, layout, { prompt, input }) : encodeLaterInput(tokenizer, layout, input);
    const answer = encodeTarget(tokenizer, layout, target);
    if (i > 0 && ids.length + question.length + answer.length > maxTokens) break;
    ids.push(...question);
    answers.push([ids.length, ids.length + answer.length]);
    ids.push(...answer);
  }
  return { ids, answers: supervise === "all" ? [[1, ids.length]] : answers };
}

/** One row: the prompt, then the queries that fit, each of which sees the prompt and no other query. */
export function separateQueriesRow(
  { tokenizer, layout }: TaskSource,
  { prompt, queries }: Questions,
  supervise: "answers" | "all",
  maxTokens: number,
): Row {
  const ids = encodeCloudPrompt(tokenizer, layout, prompt);
  const starts = [0];
  const answers: [number, number][] = supervise === "all" ? [[1, ids.length]] : [];
  for (const [i, { input, target }] of queries.entries()) {
    const question = encodeBehindPrompt(tokenizer, layout, { prompt, input });
    const answer = encodeTarget(tokenizer, layout, target);
    if (i > 0 && ids.length + question.length + answer.length > maxTokens) break;
    starts.push(ids.length);
    // The first token of a question follows the prompt, not what stands before it in the row: it is never predicted.
    const from = ids.length + (supervise === "all" ? 1 : question.length);
    ids.push(...question, ...answer);
    answers.push([from, ids.length]);
  }
  return { ids, answers, starts, sees: starts.map(() => 0) };
}

/** Joins rows, in their order, into rows of at most `capacity` tokens. A longer row stays alone. */
export function joinRows(rows: readonly Row[], capacity: number): Row[] {
  const joined: {
    ids: number[];
    answers: (readonly [number, number])[];
    starts: number[];
    sees: number[];
    choices: Choice[];
  }[] = [];
  for (const { ids, answers, starts = [0], sees = starts.map((_, i) => i), choices = [] } of rows) {
    const last = joined.at(-1);
    const fits = last !== undefined && last.ids.length + ids.length <= capacity;
    const into = fits ? last : { ids: [], answers: [], starts: [], sees: [], choices: [] };
    if (!fits) joined.push(into);
    const offset = into.ids.length;
    const before = into.starts.length;
    into.starts.push(...starts.map((start) => offset + start));
    into.sees.push(...sees.map((seen) => before + seen));
    into.ids.push(...ids);
    into.choices.push(...choices.map(({ at, tokens }) => ({ at: offset + at, tokens })));
    into.answers.push(...answers.map(([from, to]) => [offset + from, offset + to] as const));
  }
  return joined;
}

/** The rows of an edge model that sees no prompt, one per query. */
export function unpromptedRows(source: TaskSource, questions: Questions, lossOn: "response" | "sequence"): Row[] {
  const { tokenizer, layout } = source;
  return answeredRows(source, questions, lossOn, ({ input }) => encodeInput(tokenizer, layout, input));
}

/** The rows of an edge model that sees something else in the place of the prompt: what follows it, one row per query. */
export function behindRows(source: TaskSource, questions: Questions, lossOn: "response" | "sequence"): Row[] {
  const { tokenizer, layout } = source;
  const { prompt } = questions;
  return answeredRows(source, questions, lossOn, ({ input }) =>
    encodeBehindPrompt(tokenizer, layout, { prompt, input }),
  );
}

/** The same queries behind their prompt: what a prompted teacher reads. */
export function promptedRows(source: TaskSource, questions: Questions): Row[] {
  const { tokenizer, layout } = source;
  const { prompt } = questions;
  return answeredRows(source, questions, "response", ({ input }) =>
    encodePrompted(tokenizer, layout, { prompt, input }),
  );
}

/** A row for each query: what `head` makes of it, then its answer. */
function answeredRows(
  { tokenizer, layout }: TaskSource,
  { queries, labels = [] }: Questions,
  lossOn: "response" | "sequence",
  head: (query: Sample) => readonly number[],
): Row[] {
  const closed = labels.map((label) => encodeTarget(tokenizer, layout, label));
  return queries.map((query) => {
    const before = head(query);
    const answer = encodeTarget(tokenizer, layout, query.target);
    const ids = [...before, ...answer];
    return {
      ids,
      answers: [[lossOn === "response" ? before.length : 1, ids.length]],
      choices: choicesAmong(answer, closed).map(({ at, tokens }) => ({ at: before.length + at, tokens })),
    };
  });
}

/** The cloud's tokens: prompt and one meta token per edge layer. */
export function cloudRow({ cloud }: TaskSource, { prompt }: Questions, layers: number): readonly number[] {
  return encodeCloudPrompt(cloud.tokenizer, cloud.layout, prompt, { metaTokens: layers });
}
