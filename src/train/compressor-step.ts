/** @file Training a soft compressor over a frozen edge model: queries are answered behind what was made of their prompt. */
import { add, gather, input, reshape } from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";
import { mapLayer } from "../models/decoder.ts";
import { frozenParts } from "../models/frozen-model.ts";
import type { AdamWConfig } from "../optim/adamw.ts";
import type { Feeds } from "../runtime/session.ts";
import { intTensor } from "../runtime/tensor.ts";
import { type FrozenShape, frozenPrefix } from "./adapted-step.ts";
import { rowInputs } from "./batch.ts";
import {
  type CompressorSettings,
  compress,
  compressedLength,
  compressorParts,
  compressorShapes,
  inSegments,
  learnedTokens,
  type Segment,
} from "./compressor.ts";
import { answerLoss, edgePrefix, promptOfName, type Target, weighFor } from "./generator-step.ts";
import type { StepSpec } from "./step.ts";

const names = {
  tokens: (segment: number) => `context.${segment}.tokens`,
  places: (segment: number) => `context.${segment}.places`,
  next: "context.next",
} as const;

/** The inputs of a batch of prompts. */
export const segmentInputs = ({ tokens: count, segments }: CompressorSettings): Segment[] =>
  Array.from({ length: segments }, (_, i) => ({
    tokens: input(names.tokens(i), ["prompts", `context_${i}`], "i64"),
    places: input(names.places(i), [count === 1 ? "prompts" : `${count}*prompts`], "i64"),
  }));

/** Prompts as those inputs read them. */
export function segmentFeeds(
  settings: CompressorSettings,
  prompts: readonly (readonly number[])[],
  padId: number,
): Feeds {
  const { tokens: count, segments } = settings;
  const parts = prompts.map((ids) => inSegments(ids, segments));
  const feeds: Record<string, Feeds[string]> = {};
  for (let i = 0; i < segments; i++) {
    const rows = parts.map((part) => part[i]!);
    const time = Math.max(...rows.map(({ length }) => length)) + count;
    const tokens = rows.flatMap((ids) => [...ids, ...new Array<number>(time - ids.length).fill(padId)]);
    const places = rows.flatMap((ids, row) => Array.from({ length: count }, (_, k) => row * time + ids.length + k));
    feeds[names.tokens(i)] = intTensor([rows.length, time], tokens);
    feeds[names.places(i)] = intTensor([places.length], places);
  }
  return feeds;
}

/** The same for training, with where each prompt's queries begin. */
export const contextFeeds = (
  settings: CompressorSettings,
  prompts: readonly (readonly number[])[],
  padId: number,
): Feeds => ({
  ...segmentFeeds(settings, prompts, padId),
  [names.next]: intTensor(
    [prompts.length],
    prompts.map(({ length }) => compressedLength(settings, length).next),
  ),
  [promptOfName]: intTensor([prompts.length], [...prompts.keys()]),
});

export type CompressorStep = {
  readonly edge: FrozenShape;
  readonly settings: CompressorSettings;
  readonly target: Target;
  readonly optimizer: AdamWConfig & { readonly maxGradientNorm: number };
};

export function compressorSpec({ edge, settings, target, optimizer }: CompressorStep): StepSpec {
  const { config } = edge;
  return {
    parameters: compressorShapes(config, settings),
    weigh: weighFor(target),
    optimizer,
    maxGradientNorm: optimizer.maxGradientNorm,
    objective: (parameters) => {
      const batch = rowInputs(edgePrefix);
      const [rows] = batch.tokens.shape as [Dim];
      const promptOf = input(promptOfName, [rows], "i64");
      const plain = frozenParts(edge, frozenPrefix);
      const parts = compressorParts(config, settings, plain, parameters);
      const ofPrompts = compress(config, settings, parts, parameters[learnedTokens]!, segmentInputs(settings));
      const prefix = ofPrompts.map((layer) => mapLayer(layer, (ofPrompt) => gather(ofPrompt, promptOf)));
      const next = gather(input(names.next, ["prompts"], "i64"), promptOf);
      const positions: Node = add(batch.segments.positions, reshape(next, [rows, 1]));
      const behind = { ...batch, segments: { ...batch.segments, positions } };
      return answerLoss(config, parts.answerer, plain, target, behind, prefix);
    },
  };
}
