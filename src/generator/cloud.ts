/** @file The cloud pass: prompt and meta tokens in, one hidden state per edge layer out, in one forward pass. */
import { add, broadcast, concat, constant, equal, gather, input, reshape, where } from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";
import { embed, forwardLayers, type Segments, viewOf } from "../models/decoder.ts";
import { linearName } from "../models/parameters.ts";
import { defaultPositions } from "../nn/attention.ts";
import { withLora } from "../nn/lora.ts";
import { type Parts, wrapLinear } from "../nn/parts.ts";
import type { Feeds } from "../runtime/session.ts";
import { intTensor } from "../runtime/tensor.ts";
import { type AdapterInput, wholeInput } from "./dropout.ts";
import { readMetaState } from "./meta-state.ts";
import { type PairShape, parameterNames, trainedNorms } from "./parameters.ts";

export type CloudInputs = {
  /** (p, t) i64: prompt, then one meta token per edge layer, then padding. */
  readonly tokens: Node;
  /** (p, t) i64: 0 for ordinary tokens, 1 … L for the meta tokens in order. */
  readonly metaSlot: Node;
  /** (p, L) i64: where the meta tokens lie in the flattened (p·t) rows. */
  readonly metaRows: Node;
};

export const cloudInputNames = {
  tokens: "cloud.tokens",
  metaSlot: "cloud.meta_slot",
  metaRows: "cloud.meta_rows",
} as const;

/** The graph's inputs for a batch of prompts. */
export function cloudInputs(layers: number): CloudInputs {
  return {
    tokens: input(cloudInputNames.tokens, ["prompts", "cloud_time"], "i64"),
    metaSlot: input(cloudInputNames.metaSlot, ["prompts", "cloud_time"], "i64"),
    metaRows: input(cloudInputNames.metaRows, ["prompts", layers], "i64"),
  };
}

/** Prompts, each ending in its meta tokens, padded on the right. */
export function cloudFeeds(rows: readonly (readonly number[])[], layers: number, padId: number): Feeds {
  const time = Math.max(...rows.map((ids) => ids.length));
  const tokens = new Int32Array(rows.length * time).fill(padId);
  const slots = new Int32Array(rows.length * time);
  const metaRows: number[] = [];
  rows.forEach((ids, row) => {
    tokens.set(ids, row * time);
    for (let i = 0; i < layers; i++) {
      const at = row * time + ids.length - layers + i;
      slots[at] = i + 1;
      metaRows.push(at);
    }
  });
  return {
    [cloudInputNames.tokens]: intTensor([rows.length, time], tokens),
    [cloudInputNames.metaSlot]: intTensor([rows.length, time], slots),
    [cloudInputNames.metaRows]: intTensor([rows.length, layers], metaRows),
  };
}

/** The cloud model's linear maps with the trained LoRA on q and v (LG-C1), and its norms with what was added to them (AMB-18). */
export function cloudParts(
  pair: PairShape,
  frozen: Parts,
  parameters: Parts["weight"],
  reads: AdapterInput = wholeInput,
): Parts {
  const { cloud, generator } = pair;
  const adapted = new Map<string, { a: Node; b: Node }>();
  for (let layer = 0; layer < cloud.layers; layer++) {
    for (const target of generator.cloudTargets) {
      const name = (side: "A" | "B") => parameterNames.cloudLora(layer, target, side);
      adapted.set(linearName(cloud, layer, target), {
        a: parameters(name("A"), []),
        b: parameters(name("B"), []),
      });
    }
  }
  const loraScale = generator.cloudAlpha / generator.cloudRank;
  return wrapLinear(withTrainedNorms(pair, frozen, parameters), (name, plain) => {
    const sides = adapted.get(name);
    if (sides === undefined) return plain;
    return (x) => withLora(() => plain(x), sides, loraScale)(reads(name, x));
  });
}

function withTrainedNorms(pair: PairShape, frozen: Parts, parameters: Parts["weight"]): Parts {
  const trained = new Set(trainedNorms(pair));
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
export function metaHidden(pair: PairShape, parts: Parts, parameters: Parts["weight"], inputs: CloudInputs): Node {
  const { cloud, generator } = pair;
  const [prompts, time] = inputs.tokens.shape as [Dim, Dim];
  const width = cloud.hidden;
  // Row 0 stands for ordinary tokens and is never used; one shared row serves every slot (AMB-9).
  const ordinary = constant(new Array(width).fill(0), [1, width]);
  const table = concat([ordinary, parameters(parameterNames.meta, [])], 0);
  const isOrdinary = equal(inputs.metaSlot, constant(0, [], "i64"));
  const slot =
    generator.metaTokens === "distinct" ? inputs.metaSlot : where(isOrdinary, inputs.metaSlot, constant(1, [], "i64"));
  const embedded = where(
    reshape(isOrdinary, [prompts, time, 1]),
    embed(cloud, parts, inputs.tokens),
    gather(table, slot),
  );
  const segments = generator.metaAttention === "block" ? metaSegments(inputs) : undefined;
  const outputs = forwardLayers(cloud, parts, embedded, viewOf(embedded, segments));
  return readMetaState(pair, parts, outputs, inputs.metaRows);
}

/** Every meta token a segment of its own that also sees segment 0, the prompt. Positions go on as in one sequence. */
function metaSegments({ metaSlot }: CloudInputs): Segments {
  const [prompts, time] = metaSlot.shape as [Dim, Dim];
  const sees = broadcast(constant(0, [1, 1], "i64"), [prompts, time]);
  return { ids: metaSlot, sees, positions: defaultPositions(prompts, time) };
}
