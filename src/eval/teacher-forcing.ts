/** @file Many given answers in one forward pass: how likely each is, and what greedy decoding would say at each of its tokens. */
import { AppError } from "../base/errors.ts";
import { requireRunning } from "../base/interrupt.ts";
import { type LeftByRow, type SavedPositions, savedOf } from "../decode/batch-model.ts";
import type { StepChange } from "../decode/cached-model.ts";
import { presentOutputs } from "../decode/graph.ts";
import { behindPrefix, type Prefix, requirePrefix } from "../decode/prefix.ts";
import { cast, crossEntropy, flattenRows, gather, input, iota, matmul, reshape, topKMask } from "../graph/build.ts";
import { mulDims } from "../graph/dims.ts";
import { simplify } from "../graph/simplify.ts";
import type { Graph } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { logits } from "../models/decoder.ts";
import { type FrozenModel, frozenParts, frozenSources, isCoded } from "../models/frozen-model.ts";
import type { Parts } from "../nn/parts.ts";
import { compile } from "../runtime/node.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { floats, intTensor } from "../runtime/tensor.ts";
import { packedForward, packedNames, prefixSources } from "./packed-model.ts";
import { type ForcedQuery, type PackedRow, packQueries, placesOf } from "./packing.ts";

export type ForcedAnswer = {
  /** Σ log p(token | prompt, answer tokens before it), without those that are given */
  readonly logLikelihood: number;
  /** Per answer token: the most likely token there, the smallest id among equals. Empty where it was not asked for. */
  readonly greedy: readonly number[];
  /** What is left where the prompt and so many first tokens of the answer were read, fewer than it has; where it was asked for. */
  readonly held?: (tokens: number) => SavedPositions;
};

/** Holds a session: close it. */
export type TeacherForcing = AsyncDisposable & {
  /**
   * Every answer of every query, a row's queries together, in their order. Throws E_LIMIT for one beyond the context, E_NAN, E_INTERRUPTED.
   */
  run(
    queries: readonly ForcedQuery[],
    signal?: AbortSignal,
  ): AsyncGenerator<{ readonly index: number; readonly answers: ForcedAnswer[] }, void>;
  close(): Promise<void>;
};

export type TeacherForcingOptions = Pick<CompileOptions, "threads" | "device"> & {
  readonly change?: StepChange | undefined;
  /** Stands in front of every query. */
  readonly prefix?: Prefix | undefined;
  /** Whether the most likely tokens are found too: a pass over the whole vocabulary at each token, on by default. */
  readonly greedy?: boolean;
  /** Whether answers can be gone on from, off by default. Not behind a prefix. */
  readonly holds?: boolean;
};

/** Compiles a model for packed rows. */
export async function createTeacherForcing(
  model: FrozenModel,
  { change, prefix, greedy = true, holds = false, ...options }: TeacherForcingOptions = {},
): Promise<TeacherForcing> {
  const { config } = model;
  const before = behindPrefix(prefix);
  if (prefix !== undefined) requirePrefix(prefix, config, config.context);
  const parts = frozenParts(model);
  // A session lives for one task: packing its weights once more would cost more than it saves. Quantised ones are slow unpacked.
  const prepack = isCoded(model);
  const session = await compile(forcedGraph(config, change?.wrap(parts) ?? parts, { greedy, prefix, holds }), {
    ...options,
    weights: { ...frozenSources(model), ...change?.weights, ...prefixSources(prefix) },
    prepack,
  });

  async function runRow({
    tokens,
    positions,
    until,
    askedAt,
    edges,
  }: PackedRow): Promise<RowResult & { left: LeftByRow }> {
    const first = askedAt.map(() => -1);
    for (const { asked, token } of edges) if (first[asked] === -1) first[asked] = token;
    const row = (name: string, values: readonly number[]) => [[name, intTensor([values.length], values)]] as const;
    const outputs = await session.run({
      ...change?.feeds,
      ...Object.fromEntries([
        ...row(packedNames.tokens, tokens),
        ...row(
          packedNames.positions,
          positions.map((position) => before + position),
        ),
        ...row(packedNames.until, until),
        ...row(askNames.at, askedAt),
        ...row(askNames.first, first),
        ...row(
          askNames.edges,
          edges.map(({ asked, token }) => asked * config.vocab + token),
        ),
      ]),
    });
    const results = edgeResults(edges, first, {
      loss: floats(outputs["loss"]),
      best: greedy ? floats(outputs["best"]) : undefined,
      edgeLogits: floats(outputs["edge_logits"]),
    });
    return { ...results, left: outputs };
  }

  async function* run(queries: readonly ForcedQuery[], signal?: AbortSignal) {
    for (const query of queries) requireFit(query, config, before);
    for (const row of packQueries(queries)) {
      requireRunning(signal, "evaluation: interrupted");
      const result = await runRow(row);
      for (const { index, answers } of row.members) {
        const { given = [], prompt } = queries[index]!;
        const found = answers.map((path, i): ForcedAnswer => {
          const answer = forcedAnswer(result, path.slice(given[i]));
          const held = (tokens: number) => savedOf(config, result.left, placesOf(row, prompt.length, path, tokens));
          return holds ? { ...answer, held } : answer;
        });
        yield { index, answers: found };
      }
    }
  }

  return { run, close: session.close, [Symbol.asyncDispose]: session.close };
}

/** Of each edge: the log-probability of its token, and the most likely token in its place. */
type RowResult = { readonly logProbabilities: Float64Array; readonly best: Float64Array | undefined };

const askNames = { at: "asked_at", first: "first_targets", edges: "edges" } as const;

/**
 * Inputs: a packed row; `asked_at` (u) and `first_targets` (u): one of the tokens asked for there; `edges` (e): asked · vocab + token. All i64.
 * Outputs: `loss` (u) of the first targets, `edge_logits` (e), with `greedy` also `best` (u, 1), with `holds` what tokens leave (`LeftByRow`).
 */
function forcedGraph(
  config: ModelConfig,
  parts: Parts,
  { greedy, prefix, holds }: Pick<Required<TeacherForcingOptions>, "greedy" | "prefix" | "holds">,
): Graph {
  const { hidden: rows, keys } = packedForward(config, parts, prefix);
  const hidden = flattenRows(rows);
  const predicted = logits(config, parts, gather(hidden, input(askNames.at, ["asked"], "i64"))); // (u, vocab)
  const ids = reshape(cast(iota(config.vocab), "f32"), [config.vocab, 1]); // exact: a vocabulary has at most 2^24 tokens
  const flat = reshape(predicted, [mulDims("asked", config.vocab)]);
  return simplify({
    outputs: {
      loss: crossEntropy(predicted, input(askNames.first, ["asked"], "i64")),
      ...(greedy ? { best: matmul(topKMask(predicted, 1), ids) } : {}),
      edge_logits: gather(flat, input(askNames.edges, ["edges"], "i64")),
      ...(holds ? presentOutputs(keys) : {}),
    },
  });
}

/** log p(token) = logit − (loss + logit of the first target): one sum of exponentials serves all tokens that are asked for in one place. */
function edgeResults(
  edges: PackedRow["edges"],
  first: readonly number[],
  {
    loss,
    best,
    edgeLogits,
  }: { readonly loss: Float32Array; readonly best: Float32Array | undefined; readonly edgeLogits: Float32Array },
): RowResult {
  const total = new Float64Array(first.length);
  edges.forEach(({ asked, token }, i) => {
    if (token === first[asked]) total[asked] = loss[asked]! + edgeLogits[i]!;
  });
  return {
    logProbabilities: Float64Array.from(edges, ({ asked }, i) => edgeLogits[i]! - total[asked]!),
    best: best && Float64Array.from(edges, ({ asked }) => best[asked]!),
  };
}

function forcedAnswer({ logProbabilities, best }: RowResult, path: readonly number[]): ForcedAnswer {
  const logLikelihood = path.reduce((sum, edge) => sum + logProbabilities[edge]!, 0);
  if (!Number.isFinite(logLikelihood))
    throw new AppError("E_NAN", `the edge model gives an answer the log-likelihood ${logLikelihood}`);
  return { logLikelihood, greedy: best === undefined ? [] : path.map((edge) => best[edge]!) };
}

function requireFit({ prompt, answers }: ForcedQuery, { context }: ModelConfig, before: number): void {
  const shortest = Math.min(prompt.length, ...answers.map(({ length }) => length));
  if (!(shortest > 0)) throw new Error("internal: a query without prompt or answer");
  const length = before + sequenceLength({ prompt, answers });
  if (length > context) throw new AppError("E_LIMIT", `${length} tokens exceed the edge model's context of ${context}`);
}

/** Positions that a query takes with its longest answer, whose last token is never read. */
export const sequenceLength = ({ prompt, answers }: ForcedQuery): number =>
  prompt.length + Math.max(1, ...answers.map(({ length }) => length)) - 1;
