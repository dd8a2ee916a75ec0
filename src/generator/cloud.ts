/** @file The cloud pass: prompt and meta tokens in, one hidden state per edge layer out, in one forward pass. */
import { add, broadcast, concat, constant, equal, gather, input, mul, reshape, where } from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";
import { embed, forwardLayers, type Segments, viewOf } from "../models/decoder.ts";
import { linearName, ownMaps } from "../models/parameters.ts";
import { defaultPositions } from "../nn/attention.ts";
import { withLora } from "../nn/lora.ts";
import { type Parts, wrapLinear } from "../nn/parts.ts";
import type { Feeds } from "../runtime/session.ts";
import { intTensor } from "../runtime/tensor.ts";
import type { GeneratorConfig } from "./config.ts";
import { type AdapterInput, wholeInput } from "./dropout.ts";
import { readMetaState } from "./meta-state.ts";
import { type PairShape, parameterNames, trainedNorms } from "./parameters.ts";

export type CloudInputs = {
  /** (r, t) i64, a prompt a row unless prompts are joined: prompt, then one meta token per edge layer, then padding. */
  readonly tokens: Node;
  /** (r, t) i64: 0 for ordinary tokens, 1 … L for the meta tokens in order. */
  readonly metaSlot: Node;
  /** (p, L) i64: where the meta tokens lie in the flattened (r·t) rows. */
  readonly metaRows: Node;
  /** Where rows hold several prompts, (r, t) i64 each: which of them a token belongs to, and its position there. */
  readonly joined?: { readonly segments: Node; readonly positions: Node };
};

export const cloudInputNames = {
  tokens: "cloud.tokens",
  metaSlot: "cloud.meta_slot",
  metaRows: "cloud.meta_rows",
  segments: "cloud.segments",
  positions: "cloud.positions",
} as const;

/** The graph's inputs for a batch of prompts; `joined`: whether a row may hold several. */
export function cloudInputs(layers: number, { joined = false } = {}): CloudInputs {
  const shape = [joined ? "cloud_rows" : "prompts", "cloud_time"];
  const perToken = (name: keyof typeof cloudInputNames) => input(cloudInputNames[name], shape, "i64");
  return {
    tokens: perToken("tokens"),
    metaSlot: perToken("metaSlot"),
    metaRows: input(cloudInputNames.metaRows, ["prompts", layers], "i64"),
    ...(joined ? { joined: { segments: perToken("segments"), positions: perToken("positions") } } : {}),
  };
}

/**
 * Prompts, each ending in its meta tokens, padded on the right.
 * @param rows the numbers of the prompts in each row; a row each, unless told otherwise
 */
export function cloudFeeds(
  prompts: readonly (readonly number[])[],
  layers: number,
  padId: number,
  rows: readonly (readonly number[])[] = prompts.map((_, i) => [i]),
): Feeds {
  const time = Math.max(...rows.map((row) => row.reduce((sum, prompt) => sum + prompts[prompt]!.length, 0)));
  const filled = (value: number) => new Int32Array(rows.length * time).fill(value);
  const [tokens, slots, segments, positions] = [filled(padId), filled(0), filled(prompts.length), filled(0)];
  const metaRows = new Int32Array(prompts.length * layers);
  rows.forEach((row, r) => {
    let at = r * time;
    for (const prompt of row) {
      const ids = prompts[prompt]!;
      tokens.set(ids, at);
      segments.fill(prompt, at, at + ids.length);
      for (let i = 0; i < ids.length; i++) positions[at + i] = i;
      at += ids.length;
      for (let i = 0; i < layers; i++) {
        slots[at - layers + i] = i + 1;
        metaRows[prompt * layers + i] = at - layers + i;
      }
    }
  });
  const perToken = (values: Int32Array) => intTensor([rows.length, time], values);
  return {
    [cloudInputNames.tokens]: perToken(tokens),
    [cloudInputNames.metaSlot]: perToken(slots),
    [cloudInputNames.metaRows]: intTensor([prompts.length, layers], metaRows),
    [cloudInputNames.segments]: perToken(segments),
    [cloudInputNames.positions]: perToken(positions),
  };
}

/** The cloud model's linear maps with the trained LoRA on q and v (LoRA-Gen §3), and its norms with what was added to them. */
export function cloudParts(
  shape: PairShape,
  frozen: Parts,
  parameters: Parts["weight"],
  reads: AdapterInput = wholeInput,
): Parts {
  const { cloud, generator } = shape;
  const adapted = new Map<string, { a: Node; b: Node }>();
  for (let layer = 0; layer < cloud.layers; layer++) {
    for (const target of ownMaps(cloud, layer, generator.cloudTargets)) {
      const name = (side: "A" | "B") => parameterNames.cloudLora(layer, target, side);
      adapted.set(linearName(cloud, layer, target), {
        a: parameters(name("A"), []),
        b: parameters(name("B"), []),
      });
    }
  }
  const loraScale = generator.cloudAlpha / generator.cloudRank;
  return wrapLinear(withTrainedNorms(shape, frozen, parameters), (name, plain) => {
    const sides = adapted.get(name);
    if (sides === undefined) return plain;
    return (x) => withLora(() => plain(x), sides, loraScale)(reads(name, x));
  });
}

function withTrainedNorms(shape: PairShape, frozen: Parts, parameters: Parts["weight"]): Parts {
  const trained = new Set(trainedNorms(shape));
  if (trained.size === 0) return frozen;
  const weight: Parts["weight"] = (name, shape) => {
    const plain = frozen.weight(name, shape);
    return trained.has(name) ? add(plain, parameters(parameterNames.cloudNorm(name), [])) : plain;
  };
  return { ...frozen, weight };
}

/**
 * The hidden states of the meta tokens (LoRA-Gen §3): what they see is `metaAttention`, which layers are read `metaState`.
 * @returns (p, L, d)
 */
export const metaHidden = (shape: PairShape, parts: Parts, parameters: Parts["weight"], inputs: CloudInputs): Node =>
  readMetaState(shape, parts, cloudOutputs(shape, parts, parameters, inputs), inputs.metaRows);

/** What leaves each of the cloud model's layers: (r, t, d) each. */
export function cloudOutputs(
  shape: PairShape,
  parts: Parts,
  parameters: Parts["weight"],
  inputs: CloudInputs,
): readonly Node[] {
  const { cloud, generator } = shape;
  const [rows, time] = inputs.tokens.shape as [Dim, Dim];
  const width = cloud.hidden;
  // Row 0 stands for ordinary tokens and is never used; one shared row serves every slot where `metaTokens` is `single`.
  const ordinary = constant(new Array(width).fill(0), [1, width]);
  const table = concat([ordinary, parameters(parameterNames.meta, [])], 0);
  const isOrdinary = equal(inputs.metaSlot, constant(0, [], "i64"));
  const slot =
    generator.metaTokens === "distinct" ? inputs.metaSlot : where(isOrdinary, inputs.metaSlot, constant(1, [], "i64"));
  const embedded = where(reshape(isOrdinary, [rows, time, 1]), embed(cloud, parts, inputs.tokens), gather(table, slot));
  const segments = views[generator.metaAttention](inputs);
  return forwardLayers(cloud, parts, embedded, viewOf(embedded, segments));
}

type View = (inputs: CloudInputs) => Segments | undefined;

const views: { readonly [A in GeneratorConfig["metaAttention"]]: View } = {
  causal: ({ joined }) => joined && { ids: joined.segments, sees: joined.segments, positions: joined.positions },
  /** Every meta token a segment of its own that also sees its prompt. Positions go on as in one sequence. */
  block: ({ metaSlot, metaRows, joined }) => {
    const [rows, time] = metaSlot.shape as [Dim, Dim];
    const layers = metaRows.shape[1] as number;
    const prompts =
      joined === undefined
        ? broadcast(constant(0, [1, 1], "i64"), [rows, time])
        : mul(joined.segments, constant(layers + 1, [], "i64"));
    return {
      ids: add(prompts, metaSlot),
      sees: prompts,
      positions: joined?.positions ?? defaultPositions(rows, time),
    };
  },
};
