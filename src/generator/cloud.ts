/** @file The cloud pass: prompt and meta tokens in, one hidden state per edge layer out, in one forward pass. */
import { concat, constant, equal, flattenRows, gather, input, reshape, where } from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";
import { embed, forward } from "../models/decoder.ts";
import { linearName } from "../models/parameters.ts";
import { withLora } from "../nn/lora.ts";
import { type Parts, wrapLinear } from "../nn/parts.ts";
import type { Feeds } from "../runtime/session.ts";
import { intTensor } from "../runtime/tensor.ts";
import { type AdapterInput, wholeInput } from "./dropout.ts";
import { type PairShape, parameterNames } from "./parameters.ts";

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

/** The cloud model's linear maps with the trained LoRA on q and v (LG-C1). */
export function cloudParts(
  { cloud, generator }: PairShape,
  frozen: Parts,
  parameters: Parts["weight"],
  reads: AdapterInput = wholeInput,
): Parts {
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
  const scale = generator.cloudAlpha / generator.cloudRank;
  return wrapLinear(frozen, (name, plain) => {
    const pair = adapted.get(name);
    if (pair === undefined) return plain;
    return (x) => withLora(() => plain(x), pair, scale)(reads(name, x));
  });
}

/**
 * The final hidden states of the meta tokens (LoRA-Gen §3; causal, AMB-10; after the final norm, AMB-11).
 * @returns (p, L, d)
 */
export function metaHidden(pair: PairShape, parts: Parts, parameters: Parts["weight"], inputs: CloudInputs): Node {
  const { cloud, edge, generator } = pair;
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
  const hidden = forward(cloud, parts, embedded);
  return reshape(gather(flattenRows(hidden), inputs.metaRows), [prompts, edge.layers, width]);
}
