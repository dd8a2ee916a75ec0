/** @file What the edge model reads of a batch: queries without their prompts or behind them, and what a prompted teacher reads beside them. */
import type { Rng } from "../base/rng.ts";
import { joinPrompts } from "../generator/join-prompts.ts";
import type { ModelConfig } from "../models/config.ts";
import type { Feeds } from "../runtime/session.ts";
import { isPlain, type Weighing, weightFeeds } from "./answer-weights.ts";
import { type Row, requireContext, rowFeeds } from "./batch.ts";
import type { Answers, RunConfig } from "./config.ts";
import { edgePrefix, teacherPrefix } from "./generator-step.ts";
import type { Job } from "./job.ts";
import {
  type BatchPlace,
  joinRows,
  promptedRows,
  type Questions,
  type TaskSource,
  unpromptedRows,
} from "./task-batches.ts";

/** The keys that decide a batch: runs that agree in them, in their seed and in what they are trained on, read the same batches. */
export type EdgeBatch = Pick<RunConfig & Answers, "batch" | "rowTokens" | "lossOn" | "distillShare" | keyof Weighing>;

/** Draws a batch of a split. */
export type DrawSplit = (rng: Rng, place: BatchPlace) => Feeds;

/** The batches of a job that are drawn in one way for both splits. */
export const drawnBatches = (draw: DrawSplit): Pick<Job, "batch" | "validation"> => ({
  batch: ({ rng, index }) => draw(rng, { split: "train", index }),
  validation: ({ rng, index }) => draw(rng, { split: "validation", index }),
});

/**
 * Inputs and their answers, in rows of at most `context` tokens.
 * @param rowsOf what the edge model reads of a query: the input alone, unless another is named
 */
export const answerBatches =
  (config: EdgeBatch, source: TaskSource, context: number, rowsOf: typeof unpromptedRows = unpromptedRows): DrawSplit =>
  (rng, place) =>
    edgeFeeds(config, source, drawGroups(config, source, rng, place, rowsOf), context, rowsOf);

/** The prompts of a batch, each with the first of its queries that fill one row; the first always stays. */
export const drawGroups = (
  config: EdgeBatch,
  source: TaskSource,
  rng: Rng,
  place: BatchPlace,
  rowsOf: typeof unpromptedRows = unpromptedRows,
): Questions[] => source.draw(rng, place, config.batch).map((group) => fittingQueries(config, source, group, rowsOf));

function fittingQueries(
  { rowTokens, lossOn }: EdgeBatch,
  source: TaskSource,
  group: Questions,
  rowsOf: typeof unpromptedRows,
): Questions {
  let room = rowTokens;
  const lengths = rowsOf(source, group, lossOn).map(({ ids }) => ids.length);
  const kept = group.queries.filter((_, i) => {
    room -= lengths[i]!;
    return i === 0 || room >= 0;
  });
  return { ...group, queries: kept };
}

/**
 * One row for each prompt's queries. Throws E_CONFIG where they do not fit the edge model's context.
 * @param rowsOf what the edge model reads of a query
 */
export function edgeFeeds(
  config: EdgeBatch,
  source: TaskSource,
  groups: readonly Questions[],
  context: number,
  rowsOf: typeof unpromptedRows = unpromptedRows,
): Feeds {
  const joined = (of: typeof unpromptedRows): Row[] =>
    groups.flatMap((group) => joinRows(of(source, group, config.lossOn), config.rowTokens));
  return feedsOf(config, source, context, joined(rowsOf), () => joined(promptedRows));
}

/**
 * Questions each behind its own prompt. Rows with prompts are long and unlike: those of all prompts share rows, as they take the least time.
 * For what treats all rows alike. Throws E_CONFIG where one does not fit the edge model's context.
 */
export function promptedFeeds(
  config: EdgeBatch,
  source: TaskSource,
  groups: readonly Questions[],
  edge: ModelConfig,
): Feeds {
  const all = groups.flatMap((group) => promptedRows(source, group));
  const shared = joinPrompts(
    all.map(({ ids }) => ids.length),
    edge,
  );
  const rows = shared.flatMap((members) =>
    joinRows(
      members.map((i) => all[i]!),
      Infinity,
    ),
  );
  return feedsOf(config, source, edge.context, rows, () => rows);
}

/** Draws a batch and feeds it as `promptedFeeds` does. */
export const promptedBatches =
  (config: EdgeBatch, source: TaskSource, edge: ModelConfig): DrawSplit =>
  (rng, place) =>
    promptedFeeds(config, source, drawGroups(config, source, rng, place, promptedRows), edge);

/** What is fed of rows; a teacher's have the same answers in the same order. */
function feedsOf(
  config: EdgeBatch,
  { tokenizer: { padId } }: TaskSource,
  context: number,
  rows: readonly Row[],
  teacherRows: () => readonly Row[],
): Feeds {
  requireContext(rows, context);
  const plain = rowFeeds(edgePrefix, rows, padId);
  const feeds = isPlain(config) ? plain : { ...plain, ...weightFeeds(edgePrefix, rows, config) };
  if (config.distillShare === 0) return feeds;
  const taught = teacherRows();
  requireContext(taught, context);
  return { ...feeds, ...rowFeeds(teacherPrefix, taught, padId) };
}
