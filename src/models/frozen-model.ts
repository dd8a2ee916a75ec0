/** @file A model's frozen weights as the graph sees them: dense or quantised, perhaps with an adapter beside them. */
import { add, matmul, weight as weightNode } from "../graph/build.ts";
import type { Adapter } from "../lora/low-rank.ts";
import { denseParts, frozenWeights, type Parts, scoped, wrapLinear } from "../nn/parts.ts";
import type { QuantizeOptions } from "../nn/quantize.ts";
import { quantizedParts } from "../nn/quantized.ts";
import type { WeightSource } from "../runtime/session.ts";
import type { ModelConfig } from "./config.ts";
import { type Quantization, quantizedLayout } from "./quantized/layout.ts";

/** A model whose weights have sources; rotary tables are among them. */
export type FrozenModel = {
  readonly config: ModelConfig;
  readonly weights: Readonly<Record<string, WeightSource>>;
  /** How its weights are quantised; undefined: they are not. */
  readonly quantization?: Quantization | undefined;
  /** Those weights that a file has in blocks of its own and that are held so; there is no `quantization` then. */
  readonly blocks?: KeptBlocks | undefined;
  /** Added beside the linear maps, unmerged. */
  readonly adapter?: Adapter | undefined;
};

/** One without an adapter, to which one can be added: a second one would take the first one's place unseen. */
export type UnadaptedModel = FrozenModel & { readonly adapter?: undefined };

const adapterNames = (map: string) => ({ a: `${map}.adapter.a`, b: `${map}.adapter.b` }) as const;

/** How weights are held in blocks, by their names in a checkpoint. */
export type KeptBlocks = ReadonlyMap<string, QuantizeOptions>;

/** Whether some of a model's weights are codes: slow unless they are packed again, and no adapter is merged into them. */
export const isCoded = ({ quantization, blocks }: Pick<FrozenModel, "quantization" | "blocks">): boolean =>
  quantization !== undefined || (blocks?.size ?? 0) > 0;

/** Parts that read the weights under `prefix`. */
export function frozenParts(
  { config, quantization, blocks, adapter }: Omit<FrozenModel, "weights">,
  prefix: string = "",
): Parts {
  const dense = denseParts(frozenWeights());
  const layoutOf =
    blocks !== undefined
      ? (name: string) => blocks.get(`${name}.weight`)
      : quantization && quantizedLayout(config, quantization);
  const base = layoutOf === undefined ? dense : quantizedParts(dense, (name) => layoutOf(name.slice(prefix.length)));
  const parts = prefix === "" ? base : scoped(base, prefix);
  return adapter === undefined ? parts : withAdapter(parts, adapter, prefix);
}

/** y = W x + B A x, the change beside the product. */
function withAdapter(parts: Parts, adapter: Adapter, prefix: string): Parts {
  return wrapLinear(parts, (name, plain) => {
    const change = adapter.get(`${name}.weight`);
    if (change === undefined || change.rank === 0) return plain;
    const names = adapterNames(prefix + name);
    const a = weightNode(names.a, [change.rank, change.inputs]);
    const b = weightNode(names.b, [change.rank, change.outputs]);
    return (x) => add(plain(x), matmul(matmul(x, a, { transB: true }), b));
  });
}

/** All that `frozenParts` binds, under the same prefix. */
export function frozenSources({ weights, adapter }: FrozenModel, prefix: string = ""): Record<string, WeightSource> {
  const sources: Record<string, WeightSource> = {};
  for (const [name, source] of Object.entries(weights)) sources[prefix + name] = source;
  for (const [weightName, { a, b }] of adapter ?? []) {
    const names = adapterNames(prefix + weightName.replace(/\.weight$/, ""));
    sources[names.a] = { kind: "data", data: a };
    sources[names.b] = { kind: "data", data: b };
  }
  return sources;
}
