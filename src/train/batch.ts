/** @file Token rows to the tensors a training graph reads: padded tokens, and the flat positions that carry loss. */
import { input } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import type { Feeds } from "../runtime/session.ts";
import { intTensor } from "../runtime/tensor.ts";

/** One row of a batch. `answers` are half-open spans of `ids` that are to be predicted; position 0 never is. */
export type Row = { readonly ids: readonly number[]; readonly answers: readonly (readonly [number, number])[] };

export type RowInputs = {
  /** (b, t) i64 */
  readonly tokens: Node;
  /** (n) i64: positions in the flattened (b·t) rows whose next token is predicted. */
  readonly rows: Node;
  /** (n) i64: those next tokens. */
  readonly targets: Node;
};

/** The graph's inputs for a batch of rows; `prefix` tells several batches of one graph apart, which may share their answers. */
export function rowInputs(prefix: string, answers = `${prefix}_answers`): RowInputs {
  return {
    tokens: input(`${prefix}.tokens`, [`${prefix}_rows`, `${prefix}_time`], "i64"),
    rows: input(`${prefix}.rows`, [answers], "i64"),
    targets: input(`${prefix}.targets`, [answers], "i64"),
  };
}

/** Pads rows on the right and lists their supervised positions. */
export function rowFeeds(prefix: string, rows: readonly Row[], padId: number): Feeds {
  const time = Math.max(...rows.map(({ ids }) => ids.length - 1));
  const tokens = new Int32Array(rows.length * time).fill(padId);
  const positions: number[] = [];
  const targets: number[] = [];
  rows.forEach(({ ids, answers }, row) => {
    const start = row * time;
    for (let t = 0; t + 1 < ids.length; t++) tokens[start + t] = ids[t]!;
    for (const [from, to] of answers) {
      for (let t = Math.max(from, 1); t < to; t++) {
        positions.push(start + t - 1);
        targets.push(ids[t]!);
      }
    }
  });
  return {
    [`${prefix}.tokens`]: intTensor([rows.length, time], tokens),
    [`${prefix}.rows`]: intTensor([positions.length], positions),
    [`${prefix}.targets`]: intTensor([targets.length], targets),
  };
}
