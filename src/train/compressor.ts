/**
 * @file Soft compressors of a prompt, as one graph: tokens that were learnt stand behind the prompt, and what the model makes of them stands in
 * the prompt's place. Gist tokens (Mu et al. 2023), AutoCompressors (Chevalier et al. 2023), ICAE (Ge et al. 2024), 500xCompressor (Li et al. 2024).
 */
import { z } from "zod";
import { prefixInputs } from "../decode/prefix.ts";
import {
  add,
  broadcast,
  concat,
  constant,
  flattenRows,
  gather,
  mul,
  reshape,
  scatterAdd,
  slice,
  sub,
  transpose,
} from "../graph/build.ts";
import { mulDims } from "../graph/dims.ts";
import type { Dim, Node } from "../graph/types.ts";
import type { ModelConfig } from "../models/config.ts";
import { embed, forwardKeys, type LayerCache, viewOf } from "../models/decoder.ts";
import { type Parts, wrapLinear } from "../nn/parts.ts";
import { loraAdaptation, loraParameters } from "./lora-step.ts";
import type { ParameterShapes } from "./step.ts";

type Form = {
  /** What is handed over of the learnt tokens: their keys and values in each layer, or their last hidden states, read once more as embeddings. */
  readonly carries: "keys" | "states";
  /** Whether the model that answers has the LoRA too, or only the one that reads the prompt. */
  readonly answersAdapted: boolean;
  /** One embedding for all learnt tokens, or one for each. */
  readonly distinct: boolean;
};

export const compressorForms = {
  gist: { carries: "keys", answersAdapted: true, distinct: false },
  autocompressor: { carries: "states", answersAdapted: true, distinct: true },
  icae: { carries: "states", answersAdapted: false, distinct: true },
  "500xcompressor": { carries: "keys", answersAdapted: false, distinct: true },
} as const satisfies Record<string, Form>;
export type CompressorForm = keyof typeof compressorForms;

export const CompressorSettings = z
  .strictObject({
    form: z.enum(Object.keys(compressorForms) as [CompressorForm, ...CompressorForm[]]),
    /** Learnt tokens behind a prompt, or behind each of its segments. */
    tokens: z.int().min(1).max(1024).default(8),
    /** Parts of a prompt, read one after the other, each behind what was made of those before. */
    segments: z.int().min(1).max(64).default(1),
    rank: z.int().min(1).max(1024).default(16),
    alpha: z.number().positive().default(16),
    targets: z
      .array(z.enum(["q", "k", "v", "o", "gate", "up", "down"]))
      .min(1)
      .default(["q", "k", "v", "o"]),
  })
  .refine(({ form, segments }) => segments === 1 || compressorForms[form].carries === "states", {
    path: ["segments"],
    message: "expected 1 where keys and values are handed over",
  });
export type CompressorSettings = z.infer<typeof CompressorSettings>;

export const learnedTokens = "compressor.tokens";

const loraOf = (config: ModelConfig, { rank, alpha, targets }: CompressorSettings) => ({
  edge: config,
  rank,
  alpha,
  targets,
});

/** Everything that is trained: the embeddings of the learnt tokens, and a LoRA. */
export function compressorShapes(config: ModelConfig, settings: CompressorSettings): ParameterShapes {
  const rows = compressorForms[settings.form].distinct ? settings.tokens : 1;
  const lora = [...loraParameters(loraOf(config, settings))].map(([name, { shape }]) => [name, shape] as const);
  return new Map([[learnedTokens, [rows, config.hidden]], ...lora]);
}

export type CompressorParts = {
  /** Of the model that reads the prompt. */
  readonly reader: Parts;
  /** Of the model that answers. */
  readonly answerer: Parts;
};

export function compressorParts(
  config: ModelConfig,
  settings: CompressorSettings,
  plain: Parts,
  parameters: Readonly<Record<string, Node>>,
): CompressorParts {
  const reader = wrapLinear(plain, loraAdaptation(loraOf(config, settings)).adapt(parameters));
  return { reader, answerer: compressorForms[settings.form].answersAdapted ? reader : plain };
}

/** One segment of each prompt. */
export type Segment = {
  /** (p, t) i64: its tokens, then the places of the learnt ones, then padding. */
  readonly tokens: Node;
  /** (p·k) i64: those places in the flattened (p·t) rows. */
  readonly places: Node;
};

/** What stands in the prompts' place: (p, kvHeads, positions, headDim) for each layer; of one that convolves (p, `prefixInputs`, hidden). */
export function compress(
  config: ModelConfig,
  settings: CompressorSettings,
  { reader, answerer }: CompressorParts,
  learned: Node,
  segments: readonly Segment[],
): readonly LayerCache[] {
  const { tokens: count } = settings;
  const isKeys = compressorForms[settings.form].carries === "keys";
  let states: Node | undefined;
  for (const segment of segments) {
    const before: number = states === undefined ? 0 : (states.shape[1] as number);
    const embedded = withLearned(config, reader, segment, learned, count);
    const view = viewOf(embedded);
    const read = forwardKeys(config, reader, embedded, {
      ...view,
      positions: before === 0 ? view.positions : add(view.positions, constant(before, [], "i64")),
      prefix: states && keysOf(config, answerer, states),
    });
    if (isKeys)
      return read.keys.map((layer) =>
        "inputs" in layer
          ? { inputs: inputsAtPlaces(layer.inputs, segment, { count, last: prefixInputs(config, count) }) }
          : { k: atPlaces(layer.k, segment, count), v: atPlaces(layer.v, segment, count) },
      );
    const [prompts] = segment.tokens.shape as [Dim];
    const own = reshape(gather(flattenRows(read.hidden), segment.places), [prompts, count, config.hidden]);
    states = states === undefined ? own : concat([states, own], 1);
  }
  return keysOf(config, answerer, states!);
}

/** What states (p, n, d) are in each layer, read as embeddings from position 0 on. */
function keysOf(config: ModelConfig, parts: Parts, states: Node): readonly LayerCache[] {
  const count = states.shape[1] as number;
  return forwardKeys(config, parts, states, viewOf(states)).keys.map((layer) =>
    "inputs" in layer ? { inputs: slice(layer.inputs, 1, count - prefixInputs(config, count), count) } : layer,
  );
}

/** The embeddings of a segment, the learnt ones in their places: (p, t, d). */
function withLearned(
  config: ModelConfig,
  parts: Parts,
  { tokens, places }: Segment,
  learned: Node,
  count: number,
): Node {
  const [prompts, time] = tokens.shape as [Dim, Dim];
  const { hidden } = config;
  const all = mulDims(prompts, count);
  const [rows] = places.shape as [Dim];
  const updates = reshape(broadcast(reshape(learned, [1, learned.shape[0]!, hidden]), [prompts, count, hidden]), [
    all,
    hidden,
  ]);
  const flat = mulDims(prompts, time);
  const isLearned = scatterAdd(places, broadcast(constant(1), [rows, 1]), flat);
  const others = mul(flattenRows(embed(config, parts, tokens)), sub(constant(1), isLearned));
  return reshape(add(others, scatterAdd(places, updates, flat)), [prompts, time, hidden]);
}

/** (p, kvHeads, t, headDim) → (p, kvHeads, k, headDim): of the learnt tokens alone. */
function atPlaces(x: Node, { places }: Segment, count: number): Node {
  const [prompts, heads, , width] = x.shape as [Dim, number, Dim, number];
  const rows = flattenRows(reshape(transpose(x, [0, 2, 1, 3]), [prompts, x.shape[2]!, heads * width]));
  return transpose(reshape(gather(rows, places), [prompts, count, heads, width]), [0, 2, 1, 3]);
}

/** What a convolution reads (p, t, d) → (p, last, d): of the last of the `count` learnt tokens. */
function inputsAtPlaces(
  x: Node,
  { places }: Segment,
  { count, last }: { readonly count: number; readonly last: number },
): Node {
  const [prompts, , width] = x.shape as [Dim, Dim, number];
  const at = slice(reshape(places, [prompts, count]), 1, count - last, count);
  return reshape(gather(flattenRows(x), reshape(at, [mulDims(prompts, last)])), [prompts, last, width]);
}

/** A prompt in so many parts of about the same length; the last ones are empty where it has fewer tokens. */
export function inSegments(ids: readonly number[], segments: number): number[][] {
  const length = Math.ceil(ids.length / segments);
  return Array.from({ length: segments }, (_, i) => ids.slice(i * length, (i + 1) * length));
}

/** Positions that stand in a prompt's place, and where the first token behind them stands. */
export function compressedLength(
  { form, tokens, segments }: CompressorSettings,
  promptTokens: number,
): { readonly positions: number; readonly next: number } {
  const positions = tokens * segments;
  return { positions, next: compressorForms[form].carries === "keys" ? promptTokens + positions : positions };
}
