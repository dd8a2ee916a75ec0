/** @file The cloud model of a pair as it reads a prompt: the graph from tokens to hidden states, its weights and its feeds. */
import { type CloudInputs, cloudFeeds, cloudInputs, cloudOutputs, cloudParts } from "../generator/cloud.ts";
import { generatorBuffers, generatorParameters } from "../generator/parameters.ts";
import type { Node } from "../graph/types.ts";
import { frozenParts, frozenSources } from "../models/frozen-model.ts";
import { frozenWeights, type Parts } from "../nn/parts.ts";
import type { Feeds, WeightSource } from "../runtime/session.ts";
import { encodeMeta } from "../text/prompt.ts";
import { fitPrompt, type TruncateMode } from "../text/truncate-prompt.ts";
import type { Pair } from "./pair-file.ts";

export type CloudGraph = {
  readonly inputs: CloudInputs;
  readonly parts: Parts;
  readonly parameters: Parts["weight"];
  /** What leaves each of the cloud model's layers. */
  readonly outputs: readonly Node[];
};

export function cloudGraph({ shape, cloud }: Pair): CloudGraph {
  const infos = new Map([...generatorParameters(shape), ...generatorBuffers(shape)]);
  const frozen = frozenWeights();
  const parameters = (name: string) => frozen(`generator.${name}`, infos.get(name)!.shape);
  const parts = cloudParts(shape, frozenParts(cloud, "cloud."), parameters);
  const inputs = cloudInputs(shape.edge.layers);
  return { inputs, parts, parameters, outputs: cloudOutputs(shape, parts, parameters, inputs) };
}

export function cloudWeights({ cloud, generator }: Pair): Record<string, WeightSource> {
  const weights = frozenSources(cloud, "cloud.");
  for (const [name, data] of generator.tensors) weights[`generator.${name}`] = { kind: "data", data };
  return weights;
}

export type ReadPrompt = {
  readonly feeds: Feeds;
  /** Of the prompt as given, without meta tokens. */
  readonly tokens: number;
  /** Of these the cloud model reads so many. */
  readonly kept: number;
  readonly truncated: boolean;
};

/** Throws E_PROMPT for an empty or over-long prompt. */
export function promptFeeds(
  { shape, cloudTokenizer: tokenizer, cloudLayout: layout }: Pair,
  prompt: string,
  truncate: boolean | TruncateMode,
  truncateName?: string,
): ReadPrompt {
  const { layers } = shape.edge;
  const maxTokens = shape.cloud.context - layers;
  const { ids, tokens } = fitPrompt(tokenizer, layout, prompt, { maxTokens, truncate, truncateName });
  return {
    feeds: cloudFeeds([[...ids, ...encodeMeta(tokenizer, layout, layers)]], layers, tokenizer.padId),
    tokens,
    kept: ids.length,
    truncated: tokens !== ids.length,
  };
}
