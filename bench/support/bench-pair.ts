/** @file The pair that a benchmark uses: a given one, or the one that ships. */
import { join } from "node:path";
import { loadPair, type Pair, type PairOptions } from "../../src/pair/pair-file.ts";
import type { BenchOptions } from "./bench.ts";
import { projectRoot } from "./machine.ts";

export const shippedPair = join(projectRoot, "pairs/smollm2");

/** The published file that it has as cloud and edge model. */
export const publishedModel = join(shippedPair, "SmolLM2-135M-Instruct.Q4_1.gguf");

export const benchPair = (
  { pair = shippedPair }: Pick<BenchOptions, "pair">,
  options: PairOptions = {},
): Promise<Pair> => loadPair(pair, options);
