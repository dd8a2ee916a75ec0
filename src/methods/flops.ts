/** @file What a prepared model computes for a question: counted in the graph that runs. */
import { decoderGraph } from "../decode/graph.ts";
import { countProducts } from "../graph/products.ts";
import { frozenParts } from "../models/frozen-model.ts";
import type { Prepared } from "./method.ts";

type Reading = Pick<Prepared, "model"> & {
  readonly change?: Prepared["change"] | undefined;
  /** Of keys and values that are there already, their number alone counts. */
  readonly prefix?: { readonly positions: number } | undefined;
};

/** Floating-point operations of reading so many tokens at once, behind the prefix where there is one, and of the next token's logits. */
export function readingCounter({ model, change, prefix }: Reading): (tokens: number) => number {
  const parts = frozenParts(model);
  const count = countProducts(decoderGraph(model.config, change?.wrap(parts) ?? parts));
  const before = prefix?.positions ?? 0;
  const known = new Map<number, number>();
  return (tokens) => {
    const flops =
      known.get(tokens) ??
      count(
        new Map(Object.entries({ batch: 1, time: tokens, rows: 1, room: tokens + before, near_room: tokens + before })),
      );
    known.set(tokens, flops);
    return flops;
  };
}

/** The same for one question. */
export const readingFlops = (reading: Reading, tokens: number): number => readingCounter(reading)(tokens);
