/** @file What the edge model reads of a batch: queries without their prompts, and what a prompted teacher reads beside them. */
import type { Rng } from "../base/rng.ts";
import type { Feeds } from "../runtime/session.ts";
import { isPlain, type Weighing, weightFeeds } from "./answer-weights.ts";
import { requireContext, rowFeeds } from "./batch.ts";
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
  const { rowTokens, lossOn, distillShare } = config;
  const { padId } = source.tokenizer;
  const rows = groups.flatMap((group) => joinRows(rowsOf(source, group, lossOn), rowTokens));
  requireContext(rows, context);
  const plain = rowFeeds(edgePrefix, rows, padId);
  const feeds = isPlain(config) ? plain : { ...plain, ...weightFeeds(edgePrefix, rows, config) };
  if (distillShare === 0) return feeds;
  const teacherRows = groups.flatMap((group) => joinRows(promptedRows(source, group), rowTokens));
  requireContext(teacherRows, context);
  return { ...feeds, ...rowFeeds(teacherPrefix, teacherRows, padId) };
}
