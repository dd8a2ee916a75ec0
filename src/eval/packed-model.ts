/** @file A model over a packed row: positions and visibility as the row says, everything else as the model has it. */
import { add, constant, equal, input, less, reshape, where } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { embed, forwardView } from "../models/decoder.ts";
import { windowMask } from "../nn/attention.ts";
import type { Parts } from "../nn/parts.ts";

/** Of one row, (t) i64 each; see `PackedRow`. */
export const packedNames = {
  tokens: "tokens",
  positions: "positions",
  queries: "queries",
  answers: "answers",
} as const;

/** The last hidden states of a packed row: (1, t, d). A row that holds many sequences may be longer than the context. */
export function packedForward(config: ModelConfig, parts: Parts): Node {
  const row = (name: keyof typeof packedNames) => input(packedNames[name], ["time"], "i64");
  const positions = row("positions");
  const inRow = reshape(positions, [1, "time"]);
  const branch = branchMask(positions, row("queries"), row("answers"));
  return forwardView(config, parts, embed(config, parts, reshape(row("tokens"), [1, "time"])), {
    positions: inRow,
    mask: (window) => (window === 0 ? branch : add(branch, windowMask(inRow, window))),
    hasLongRows: true,
  });
}

const isOff = (mask: Node): Node => less(mask, constant(-1));

/** 0 where a token sees another: not later, of the same query or shared by all, of the same answer or of a prompt. (t, t) */
function branchMask(positions: Node, queries: Node, answers: Node): Node {
  const [no, yes] = [constant(-1e9), constant(0)];
  const onBranch = (ids: Node): Node => {
    const [own, other] = [reshape(ids, ["time", 1]), reshape(ids, [1, "time"])];
    return where(equal(other, constant(0, [], "i64")), yes, where(equal(own, other), yes, no));
  };
  const [own, other] = [reshape(positions, ["time", 1]), reshape(positions, [1, "time"])];
  const answerMask = onBranch(answers);
  const branch = where(isOff(onBranch(queries)), no, answerMask);
  return where(less(own, other), no, branch);
}
