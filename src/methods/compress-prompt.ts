/** @file Compressing one prompt by a compressor that was trained: the pass that its training's graph makes, as a prefix. */
import { compile } from "#runtime";
import { AppError } from "../base/errors.ts";
import type { Prefix } from "../decode/prefix.ts";
import { weight } from "../graph/build.ts";
import { productFlops } from "../graph/products.ts";
import { simplify } from "../graph/simplify.ts";
import type { Graph, Node } from "../graph/types.ts";
import { type FrozenModel, frozenParts, frozenSources } from "../models/frozen-model.ts";
import type { Learned } from "../models/learned-file.ts";
import { convolves } from "../models/parameters.ts";
import { floats } from "../runtime/tensor.ts";
import {
  type CompressorSettings,
  compress,
  compressedLength,
  compressorParts,
  compressorShapes,
  inSegments,
  learnedTokens,
} from "../train/compressor.ts";
import { segmentFeeds, segmentInputs } from "../train/compressor-step.ts";
import { learnedName } from "./learned.ts";
import type { Preparing } from "./method.ts";

/**
 * What stands in a prompt's place, from one pass over it (one for each segment).
 * @throws E_LIMIT where a segment with its learnt tokens exceeds the context
 */
export async function compressPrompt(
  model: FrozenModel,
  { settings, tensors }: Learned<CompressorSettings>,
  ids: readonly number[],
  padId: number,
  { threads = 0, device = "cpu" }: Preparing = {},
): Promise<{ readonly prefix: Prefix; readonly flops: number }> {
  const { config } = model;
  const longest = Math.max(...inSegments(ids, settings.segments).map(({ length }) => length)) + settings.tokens;
  const { positions, next } = compressedLength(settings, ids.length);
  if (Math.max(next, longest + positions) > config.context)
    throw new AppError(
      "E_LIMIT",
      `system prompt: ${ids.length} tokens exceed the model's context of ${config.context}`,
    );
  const graph = compressorGraph(model, settings);
  const feeds = segmentFeeds(settings, [ids], padId);
  const learnt = [...tensors].map(([name, data]) => [learnedName(name), { kind: "data", data } as const]);
  await using session = await compile(graph, {
    weights: { ...frozenSources(model), ...Object.fromEntries(learnt) },
    threads,
    device,
  });
  const outputs = await session.run(feeds);
  const of = (name: string) => Float32Array.from(floats(outputs[name]));
  const layers = Array.from({ length: config.layers }, (_, i) =>
    convolves(config, i) ? { inputs: of(`inputs.${i}`) } : { k: of(`k.${i}`), v: of(`v.${i}`) },
  );
  const sizes = Object.values(feeds)
    .filter(({ shape }) => shape.length === 2)
    .map(({ shape }, i) => [`context_${i}`, shape[1]!] as const);
  return { prefix: { positions, next, layers }, flops: productFlops(graph, new Map([["prompts", 1], ...sizes])) };
}

function compressorGraph(model: FrozenModel, settings: CompressorSettings): Graph {
  const { config } = model;
  const nodes: Record<string, Node> = Object.fromEntries(
    [...compressorShapes(config, settings)].map(([name, shape]) => [name, weight(learnedName(name), shape)]),
  );
  const parts = compressorParts(config, settings, frozenParts(model), nodes);
  const keys = compress(config, settings, parts, nodes[learnedTokens]!, segmentInputs(settings));
  return simplify({
    outputs: Object.fromEntries(
      keys.flatMap((layer, i) => Object.entries(layer).map(([part, values]) => [`${part}.${i}`, values] as const)),
    ),
  });
}
