/** @file A model over a packed row: positions and visibility as the row says, everything else as the model has it. */
import { behindPrefix, type Prefix } from "../decode/prefix.ts";
import { add, constant, input, iota, less, reshape, weight, where } from "../graph/build.ts";
import type { Node, Shape } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { embed, forwardKeys, type View } from "../models/decoder.ts";
import { windowMask } from "../nn/attention.ts";
import type { Parts } from "../nn/parts.ts";
import type { WeightSource } from "../runtime/session.ts";

/** Of one row, (t) i64 each; see `PackedRow`. */
export const packedNames = { tokens: "tokens", positions: "positions", until: "until" } as const;

const prefixName = (layer: number, part: string): string => `prefix.${layer}.${part}`;

/** A prefix as weights of the graph. */
export const prefixSources = (prefix: Prefix | undefined): Record<string, WeightSource> =>
  Object.fromEntries(
    (prefix?.layers ?? []).flatMap((values, layer) =>
      Object.entries(values).map(([part, data]) => [prefixName(layer, part), { kind: "data", data }] as const),
    ),
  );

/**
 * The last hidden states of a packed row, (1, t, d), and what its tokens leave to those behind them. A row that holds many sequences may be
 * longer than the context. Positions count those of a prefix, which all of them see.
 */
export function packedForward(config: ModelConfig, parts: Parts, prefix?: Prefix): ReturnType<typeof forwardKeys> {
  const row = (name: keyof typeof packedNames) => input(packedNames[name], ["time"], "i64");
  const inRow = reshape(row("positions"), [1, "time"]);
  const branch = branchMask(row("until"));
  return forwardKeys(config, parts, embed(config, parts, reshape(row("tokens"), [1, "time"])), {
    positions: inRow,
    mask: (window) => (window === 0 ? branch : add(branch, windowMask(inRow, window))),
    hasLongRows: true,
    ...(prefix === undefined ? {} : inFront(config, prefix, inRow)),
  });
}

/** What tokens at `positions` see of a prefix. Its own positions lie right before the first of theirs, whatever stood between. */
function inFront(
  { kvHeads, headDim, hidden }: ModelConfig,
  prefix: Prefix,
  positions: Node,
): Pick<View, "prefix" | "prefixMask"> {
  const { positions: count, layers } = prefix;
  const named = (layer: number, part: string, shape: Shape): Node => weight(prefixName(layer, part), [1, ...shape]);
  const first = behindPrefix(prefix) - count;
  const own = constant(
    Array.from({ length: count }, (_, i) => first + i),
    [1, count],
    "i64",
  );
  return {
    prefix: layers.map((values, layer) =>
      "inputs" in values
        ? { inputs: named(layer, "inputs", [values.inputs.length / hidden, hidden]) }
        : {
            k: named(layer, "k", [kvHeads, count, headDim]),
            v: named(layer, "v", [kvHeads, count, headDim]),
          },
    ),
    prefixMask: (window) => windowMask(positions, window, own),
  };
}

/** 0 where token i sees token j: where j ≤ i < until[j]. (t, t) */
function branchMask(until: Node): Node {
  const [no, yes] = [constant(-1e9), constant(0)];
  const own = reshape(iota("time"), ["time", 1]);
  const other = reshape(iota("time"), [1, "time"]);
  const behind = where(less(own, reshape(until, [1, "time"])), yes, no);
  return where(less(own, other), no, behind);
}
