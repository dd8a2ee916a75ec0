/** @file A model over a packed row: positions and visibility as the row says, everything else as the model has it. */
import { add, constant, input, iota, less, reshape, where } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { embed, forwardView } from "../models/decoder.ts";
import { windowMask } from "../nn/attention.ts";
import type { Parts } from "../nn/parts.ts";

/** Of one row, (t) i64 each; see `PackedRow`. */
export const packedNames = { tokens: "tokens", positions: "positions", until: "until" } as const;

/** The last hidden states of a packed row: (1, t, d). A row that holds many sequences may be longer than the context. */
export function packedForward(config: ModelConfig, parts: Parts): Node {
  const row = (name: keyof typeof packedNames) => input(packedNames[name], ["time"], "i64");
  const inRow = reshape(row("positions"), [1, "time"]);
  const branch = branchMask(row("until"));
  return forwardView(config, parts, embed(config, parts, reshape(row("tokens"), [1, "time"])), {
    positions: inRow,
    mask: (window) => (window === 0 ? branch : add(branch, windowMask(inRow, window))),
    hasLongRows: true,
  });
}

/** 0 where token i sees token j: where j ≤ i < until[j]. (t, t) */
function branchMask(until: Node): Node {
  const [no, yes] = [constant(-1e9), constant(0)];
  const own = reshape(iota("time"), ["time", 1]);
  const other = reshape(iota("time"), [1, "time"]);
  const behind = where(less(own, reshape(until, [1, "time"])), yes, no);
  return where(less(own, other), no, behind);
}
