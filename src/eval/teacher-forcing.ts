/** @file Many given answers in one forward pass without a cache: how likely each is, and what greedy decoding would say at each of its tokens. */
import { AppError } from "../base/errors.ts";
import { padBatch } from "../data/packing.ts";
import type { DecodableModel } from "../decode/decoder.ts";
import { cast, crossEntropy, flattenRows, gather, input, iota, matmul, reshape, topKMask } from "../graph/build.ts";
import { simplify } from "../graph/simplify.ts";
import type { Graph } from "../graph/types.ts";
import type { LlamaConfig } from "../models/config.ts";
import { embed, forward, logits } from "../models/llama.ts";
import { denseParts, frozenWeights } from "../nn/parts.ts";
import { compile } from "../runtime/node.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { floats, intTensor } from "../runtime/tensor.ts";

/** An answer behind what is asked: at least one token each. */
export type ForcedRow = { readonly prompt: readonly number[]; readonly answer: readonly number[] };

export type ForcedResult = {
  /** Σ log p(token | prompt, answer tokens before it) */
  readonly logLikelihood: number;
  /** Per answer token: the most likely token there, the smallest id among equals. */
  readonly greedy: readonly number[];
};

/** Holds a session: close it. */
export type TeacherForcing = AsyncDisposable & {
  /** Results in the order of the rows. Throws E_LIMIT for a row beyond the context, E_NAN, E_INTERRUPTED. */
  run(rows: readonly ForcedRow[], signal?: AbortSignal): Promise<ForcedResult[]>;
  close(): Promise<void>;
};

/** Rows of similar length share a batch of at most so many rows, and so many tokens with their padding. */
const batchLimits = { rows: 64, tokens: 6144 };

/** Compiles a model for whole sequences. `padId` fills short rows; nothing sees it. */
export async function createTeacherForcing(
  { config, weights }: DecodableModel,
  { padId, ...options }: Pick<CompileOptions, "threads" | "device"> & { padId: number },
): Promise<TeacherForcing> {
  // A session lives for one task: packing its weights once more would cost more than it saves.
  const session = await compile(forcedGraph(config), { ...options, weights, prepack: false });

  async function runBatch(rows: readonly ForcedRow[]): Promise<ForcedResult[]> {
    const sequences = rows.map(({ prompt, answer }) => ({ ids: [...prompt, ...answer], lossFrom: prompt.length }));
    const { tokens, targets, mask, length } = padBatch(sequences, { padId });
    const positions = Array.from(mask.keys()).filter((at) => mask[at] === 1);
    const answers = intTensor(
      [positions.length],
      positions.map((at) => targets[at]!),
    );
    const outputs = await session.run({
      tokens: intTensor([rows.length, length], tokens),
      positions: intTensor([positions.length], positions),
      targets: answers,
    });
    const [loss, best] = [floats(outputs["loss"]), floats(outputs["best"])];
    let from = 0;
    return rows.map(({ answer }) => {
      const to = from + answer.length;
      const logLikelihood = -loss.subarray(from, to).reduce((sum, value) => sum + value, 0);
      const greedy = Array.from(best.subarray(from, to));
      from = to;
      if (!Number.isFinite(logLikelihood))
        throw new AppError("E_NAN", `the edge model gives an answer the log-likelihood ${logLikelihood}`);
      return { logLikelihood, greedy };
    });
  }

  async function run(rows: readonly ForcedRow[], signal?: AbortSignal): Promise<ForcedResult[]> {
    const results = new Array<ForcedResult>(rows.length);
    for (const indices of batches(rows.map((row) => requireFit(row, config)))) {
      if (signal?.aborted) throw new AppError("E_INTERRUPTED", "evaluation: interrupted");
      const batch = await runBatch(indices.map((index) => rows[index]!));
      indices.forEach((index, i) => {
        results[index] = batch[i]!;
      });
    }
    return results;
  }

  return { run, close: session.close, [Symbol.asyncDispose]: session.close };
}

/** Inputs: `tokens` (b, t) i64; `positions` (n) i64 in the flattened (b·t) rows; `targets` (n) i64. Outputs: `loss` (n), `best` (n, 1). */
function forcedGraph(config: LlamaConfig): Graph {
  const parts = denseParts(frozenWeights());
  const tokens = input("tokens", ["batch", "time"], "i64");
  const positions = input("positions", ["answers"], "i64");
  const hidden = flattenRows(forward(config, parts, embed(config, parts, tokens)));
  const predicted = logits(config, parts, gather(hidden, positions)); // (n, vocab)
  const ids = reshape(cast(iota(config.vocab), "f32"), [config.vocab, 1]); // exact: a vocabulary has at most 2^24 tokens
  return simplify({
    outputs: {
      loss: crossEntropy(predicted, input("targets", ["answers"], "i64")),
      best: matmul(topKMask(predicted, 1), ids),
    },
  });
}

/** The positions a row takes. */
function requireFit({ prompt, answer }: ForcedRow, { context }: LlamaConfig): number {
  if (prompt.length === 0 || answer.length === 0) throw new Error("internal: a row without prompt or answer");
  const length = prompt.length + answer.length - 1; // the last token is never read
  if (length > context)
    throw new AppError("E_LIMIT", `evaluation: ${length} tokens exceed the edge model's context of ${context}`);
  return length;
}

/** Indices of rows by length, cut into batches. */
function batches(lengths: readonly number[]): number[][] {
  const order = [...lengths.keys()].sort((a, b) => lengths[b]! - lengths[a]!); // the longest first: its length counts
  const cut: number[][] = [];
  let room = 0;
  for (const index of order) {
    if (room === 0) {
      cut.push([]);
      room = Math.min(batchLimits.rows, Math.max(1, Math.floor(batchLimits.tokens / lengths[index]!)));
    }
    cut.at(-1)!.push(index);
    room--;
  }
  return cut;
}
