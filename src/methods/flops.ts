/** @file What a prepared model computes for a question: counted in the graph that runs. */
import { decoderGraph } from "../decode/graph.ts";
import { productFlops } from "../graph/products.ts";
import { frozenParts } from "../models/frozen-model.ts";
import type { Prepared } from "./method.ts";

/** Floating-point operations of reading `tokens` tokens at once, behind the prefix where there is one, and of the next token's logits. */
export function readingFlops(
  { model, change, prefix }: Pick<Prepared, "model" | "change" | "prefix">,
  tokens: number,
): number {
  const parts = frozenParts(model);
  const graph = decoderGraph(model.config, change?.wrap(parts) ?? parts);
  const room = tokens + (prefix?.positions ?? 0);
  return productFlops(graph, new Map(Object.entries({ batch: 1, time: tokens, rows: 1, room })));
}
