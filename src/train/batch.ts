/** @file Token rows to the tensors a training graph reads: padded tokens, and the flat positions that carry loss. */
import { AppError } from "../base/errors.ts";
import { input } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import type { Segments } from "../models/decoder.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor, intTensor, type Tensor } from "../runtime/tensor.ts";

/** A token that a closed list leaves a choice for: where it stands, and what may stand there, the right one first. */
export type Choice = { readonly at: number; readonly tokens: readonly number[] };

/**
 * One row of a batch. `answers` are half-open spans of `ids` that are to be predicted; position 0 never is.
 * `starts` are where the sequences begin that were joined in the row, 0 first. `sees` names for each of them an earlier
 * sequence that it goes on from and sees, or itself.
 */
export type Row = {
  readonly ids: readonly number[];
  readonly answers: readonly (readonly [number, number])[];
  readonly starts?: readonly number[];
  readonly sees?: readonly number[];
  /** Where a closed list leaves a choice for a token of an answer. */
  readonly choices?: readonly Choice[];
};

export type RowInputs = {
  /** (b, t) i64 */
  readonly tokens: Node;
  /** (n) i64: positions in the flattened (b·t) rows whose next token is predicted. */
  readonly rows: Node;
  /** (n) i64: those next tokens. */
  readonly targets: Node;
  /** The sequences joined in a row, each with positions from 0. */
  readonly segments: Segments;
};

/** The graph's inputs for a batch of rows; `prefix` tells several batches of one graph apart, which may share their answers. */
export function rowInputs(prefix: string, answers = `${prefix}_answers`): RowInputs {
  const shape = [`${prefix}_rows`, `${prefix}_time`];
  return {
    tokens: input(`${prefix}.tokens`, shape, "i64"),
    segments: {
      ids: input(`${prefix}.segments`, shape, "i64"),
      sees: input(`${prefix}.sees`, shape, "i64"),
      positions: input(`${prefix}.positions`, shape, "i64"),
    },
    rows: input(`${prefix}.rows`, [answers], "i64"),
    targets: input(`${prefix}.targets`, [answers], "i64"),
  };
}

/**
 * (b, t, 1): 1 for tokens, 0 for the padding behind them, which stands at position 0 and begins no sequence. Ids do not tell: a tokenizer
 * may pad with its end token.
 */
export function realTokens(prefix: string, feeds: Feeds): Tensor {
  const { data: positions, shape } = feeds[`${prefix}.positions`] as Tensor<"i64">;
  const { data: segments } = feeds[`${prefix}.segments`] as Tensor<"i64">;
  const [rows, time] = shape as [number, number];
  const isReal = (position: bigint, i: number) =>
    position > 0n || i % time === 0 || segments[i] !== segments[i - 1] ? 1 : 0;
  return floatTensor([rows, time, 1], Array.from(positions, isReal));
}

/** The positions that a batch's cross-entropy is the mean over. */
export const supervisedTokens = (prefix: string) => (batch: Feeds) => batch[`${prefix}.targets`]!.data.length;

/** Throws E_CONFIG where a sequence is longer than the model's context: positions beyond it have no rotary angles. */
export function requireContext(rows: readonly Row[], context: number): void {
  for (const row of rows) {
    const { ids, starts = [0] } = row;
    const longest = Math.max(
      ...starts.map((start, i) => (starts[i + 1] ?? ids.length - 1) - start + firstPosition(row, i)),
    );
    if (longest > context) {
      throw new AppError(
        "E_CONFIG",
        `a sequence of ${longest} tokens does not fit the model's context of ${context}: lower the limits of \`tasks\`, \`rowTokens\` or \`window\``,
      );
    }
  }
}

/** The position of a sequence's first token: behind the sequence that it goes on from. */
function firstPosition({ starts = [0], sees }: Row, sequence: number): number {
  const seen = sees?.[sequence] ?? sequence;
  return seen === sequence ? 0 : starts[seen + 1]! - starts[seen]!;
}

/** Pads rows on the right, padding at position 0, and lists their supervised positions. */
export function rowFeeds(prefix: string, rows: readonly Row[], padId: number): Feeds {
  const time = Math.max(...rows.map(({ ids }) => ids.length - 1));
  const tokens = new Int32Array(rows.length * time).fill(padId);
  const segments = new Int32Array(rows.length * time);
  const sees = new Int32Array(rows.length * time);
  const positions = new Int32Array(rows.length * time);
  const supervised: number[] = [];
  const targets: number[] = [];
  rows.forEach((content, row) => {
    const { ids, answers, starts = [0] } = content;
    const start = row * time;
    for (let t = 0, segment = 0; t < time; t++) {
      if (t + 1 < ids.length) tokens[start + t] = ids[t]!;
      if (t === starts[segment + 1]) segment++;
      segments[start + t] = segment;
      sees[start + t] = content.sees?.[segment] ?? segment;
      positions[start + t] = t + 1 < ids.length ? t - starts[segment]! + firstPosition(content, segment) : 0;
    }
    for (const [from, to] of answers) {
      for (let t = Math.max(from, 1); t < to; t++) {
        supervised.push(start + t - 1);
        targets.push(ids[t]!);
      }
    }
  });
  return {
    [`${prefix}.tokens`]: intTensor([rows.length, time], tokens),
    [`${prefix}.segments`]: intTensor([rows.length, time], segments),
    [`${prefix}.sees`]: intTensor([rows.length, time], sees),
    [`${prefix}.positions`]: intTensor([rows.length, time], positions),
    [`${prefix}.rows`]: intTensor([supervised.length], supervised),
    [`${prefix}.targets`]: intTensor([targets.length], targets),
  };
}
