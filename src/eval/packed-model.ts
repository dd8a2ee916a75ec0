/** @file A model over a packed row: positions and visibility as the row says, everything else as the model has it. */
import { unreachable } from "../base/errors.ts";
import { constant, equal, input, less, reshape, rope, where } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import type { LlamaConfig } from "../models/config.ts";
import { embed, forward, ropeNames } from "../models/llama.ts";
import { attend, joinHeads, splitHeads } from "../nn/attention.ts";
import type { Parts } from "../nn/parts.ts";

/** Of one row, (t) i64 each; see `PackedRow`. */
export const packedNames = {
  tokens: "tokens",
  positions: "positions",
  queries: "queries",
  answers: "answers",
} as const;

/** The last hidden states of a packed row: (1, t, d). */
export function packedForward(config: LlamaConfig, parts: Parts): Node {
  const row = (name: keyof typeof packedNames) => input(packedNames[name], ["time"], "i64");
  const positions = row("positions");
  const mask = branchMask(positions, row("queries"), row("answers"));
  const packed = withAttention(config, parts, positions, mask);
  return forward(config, packed, embed(config, packed, reshape(row("tokens"), [1, "time"])));
}

/** 0 where a token sees another: not later, of the same query or shared by all, of the same answer or of a prompt. (t, t) */
function branchMask(positions: Node, queries: Node, answers: Node): Node {
  const [no, yes] = [constant(-1e9), constant(0)];
  const onBranch = (ids: Node): Node => {
    const [own, other] = [reshape(ids, ["time", 1]), reshape(ids, [1, "time"])];
    return where(equal(other, constant(0, [], "i64")), yes, where(equal(own, other), yes, no));
  };
  const [own, other] = [reshape(positions, ["time", 1]), reshape(positions, [1, "time"])];
  const isOff = (mask: Node) => less(mask, constant(-1));
  const answerMask = onBranch(answers);
  const branch = where(isOff(onBranch(queries)), no, answerMask);
  return where(less(own, other), no, branch);
}

/**
 * Parts whose attention reads other positions and another mask. The projections of q, k and v are caught as the model
 * makes them, and what enters the output projection is computed from them anew; what the model had there is dropped.
 */
function withAttention(config: LlamaConfig, parts: Parts, positions: Node, mask: Node): Parts {
  const { context, headDim, heads, kvHeads } = config;
  const caught = new Map<string, Node>();
  const take = (name: string): Node => caught.get(name) ?? unreachable(`no projection ${name}`);
  const cos = parts.weight(ropeNames.cos, [context, headDim / 2]);
  const sin = parts.weight(ropeNames.sin, [context, headDim / 2]);
  // Every token turned as a row of its own, (t, heads, 1, d): a row that holds many sequences may be longer than the context.
  const turned = (x: Node, count: number): Node => {
    const each = rope(reshape(x, ["time", count, 1, headDim]), reshape(positions, ["time", 1]), cos, sin);
    return splitHeads(reshape(each, [1, "time", count * headDim]), count);
  };
  return {
    weight: parts.weight,
    linear(name, inputs, outputs) {
      const plain = parts.linear(name, inputs, outputs);
      const [, at, role] = /^(.+\.self_attn)\.([qkvo])_proj$/.exec(name) ?? [];
      if (role === undefined) return plain;
      if (role !== "o") {
        return (x) => {
          const projected = plain(x);
          caught.set(`${at}.${role}`, projected);
          return projected;
        };
      }
      return () => {
        const q = turned(take(`${at}.q`), heads);
        const k = turned(take(`${at}.k`), kvHeads);
        const v = splitHeads(take(`${at}.v`), kvHeads);
        return plain(joinHeads(attend(q, k, v, mask, 1 / Math.sqrt(headDim))));
      };
    },
  };
}
