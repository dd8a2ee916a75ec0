/** @file Many given answers in one forward pass: how likely each is, and what greedy decoding would say at each of its tokens. */
import { AppError } from "../base/errors.ts";
import { requireRunning } from "../base/interrupt.ts";
import type { DecodableModel } from "../decode/decoder.ts";
import { cast, crossEntropy, flattenRows, gather, input, iota, matmul, reshape, topKMask } from "../graph/build.ts";
import { simplify } from "../graph/simplify.ts";
import type { Graph } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { logits } from "../models/decoder.ts";
import { frozenParts, frozenSources } from "../models/frozen-model.ts";
import type { Parts } from "../nn/parts.ts";
import { compile } from "../runtime/node.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { floats, intTensor } from "../runtime/tensor.ts";
import { packedForward, packedNames } from "./packed-model.ts";
import { type ForcedQuery, type PackedRow, packQueries } from "./packing.ts";

export type ForcedAnswer = {
  /** Σ log p(token | prompt, answer tokens before it) */
  readonly logLikelihood: number;
  /** Per answer token: the most likely token there, the smallest id among equals. */
  readonly greedy: readonly number[];
};

/** Holds a session: close it. */
export type TeacherForcing = AsyncDisposable & {
  /** Every answer of every query, in their order. Throws E_LIMIT for one beyond the context, E_NAN, E_INTERRUPTED. */
  run(queries: readonly ForcedQuery[], signal?: AbortSignal): Promise<ForcedAnswer[][]>;
  close(): Promise<void>;
};

/** Compiles a model for packed rows. */
export async function createTeacherForcing(
  model: DecodableModel,
  options: Pick<CompileOptions, "threads" | "device"> = {},
): Promise<TeacherForcing> {
  const { config } = model;
  // A session lives for one task: packing its weights once more would cost more than it saves. Quantised ones are slow unpacked.
  const prepack = model.quantization !== undefined;
  const session = await compile(forcedGraph(config, frozenParts(model)), {
    ...options,
    weights: frozenSources(model),
    prepack,
  });

  async function runRow({ askedAt, targets, ...row }: PackedRow): Promise<{ loss: Float32Array; best: Float32Array }> {
    const names = Object.entries(packedNames) as [keyof typeof packedNames, string][];
    const outputs = await session.run({
      ...Object.fromEntries(names.map(([key, name]) => [name, intTensor([row[key].length], row[key])])),
      [askNames.at]: intTensor([askedAt.length], askedAt),
      [askNames.targets]: intTensor([targets.length], targets),
    });
    return { loss: floats(outputs["loss"]), best: floats(outputs["best"]) };
  }

  async function run(queries: readonly ForcedQuery[], signal?: AbortSignal): Promise<ForcedAnswer[][]> {
    for (const query of queries) requireFit(query, config);
    const results: ForcedAnswer[][] = [];
    for (const row of packQueries(queries)) {
      requireRunning(signal, "evaluation: interrupted");
      const { loss, best } = await runRow(row);
      let from = 0;
      for (const index of row.members) {
        results[index] = queries[index]!.answers.map(({ length }) => {
          const to = from + length;
          const answer = forcedAnswer(loss.subarray(from, to), best.subarray(from, to));
          from = to;
          return answer;
        });
      }
    }
    return results;
  }

  return { run, close: session.close, [Symbol.asyncDispose]: session.close };
}

const askNames = { at: "asked_at", targets: "targets" } as const;

/** Inputs: a packed row, `asked_at` and `targets` (n) i64. Outputs: `loss` (n), `best` (n, 1). */
function forcedGraph(config: ModelConfig, parts: Parts): Graph {
  const hidden = flattenRows(packedForward(config, parts));
  const predicted = logits(config, parts, gather(hidden, input(askNames.at, ["asked"], "i64"))); // (n, vocab)
  const ids = reshape(cast(iota(config.vocab), "f32"), [config.vocab, 1]); // exact: a vocabulary has at most 2^24 tokens
  return simplify({
    outputs: {
      loss: crossEntropy(predicted, input(askNames.targets, ["asked"], "i64")),
      best: matmul(topKMask(predicted, 1), ids),
    },
  });
}

function forcedAnswer(loss: Float32Array, best: Float32Array): ForcedAnswer {
  const logLikelihood = -loss.reduce((sum, value) => sum + value, 0);
  if (!Number.isFinite(logLikelihood))
    throw new AppError("E_NAN", `the edge model gives an answer the log-likelihood ${logLikelihood}`);
  return { logLikelihood, greedy: Array.from(best) };
}

function requireFit({ prompt, answers }: ForcedQuery, { context }: ModelConfig): void {
  const shortest = Math.min(prompt.length, ...answers.map(({ length }) => length));
  if (!(shortest > 0)) throw new Error("internal: a query without prompt or answer");
  const length = sequenceLength({ prompt, answers });
  if (length > context) throw new AppError("E_LIMIT", `${length} tokens exceed the edge model's context of ${context}`);
}

/** Positions that a query takes with its longest answer, whose last token is never read. */
export const sequenceLength = ({ prompt, answers }: ForcedQuery): number =>
  prompt.length + Math.max(...answers.map(({ length }) => length)) - 1;
