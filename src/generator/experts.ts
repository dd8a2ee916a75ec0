/** @file The expert pool on the edge model: unmerged and per sample while training. */
import { add, constant, gather, matmul, mul, reshape, scale as scaleBy, slice, sub } from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";
import { linearName, linearSize, ownMaps } from "../models/parameters.ts";
import { rankGates, withMixedFactors, withMixture } from "../nn/lora.ts";
import { type Linear, type Parts, wrapLinear } from "../nn/parts.ts";
import { type ExpertTarget, type GeneratorConfig, gateSets } from "./config.ts";
import { directStates } from "./direct.ts";
import { type AdapterInput, wholeInput } from "./dropout.ts";
import { generatorFrozen, type PairShape, parameterNames } from "./parameters.ts";

type Place = { readonly layer: number; readonly target: ExpertTarget };

/** Which target of which layer a linear map's name means, of those that experts touch. */
function places({ edge, generator }: PairShape): ReadonlyMap<string, Place> {
  const found = new Map<string, Place>();
  for (let layer = 0; layer < edge.layers; layer++)
    for (const target of ownMaps(edge, layer, generator.targets))
      found.set(linearName(edge, layer, target), { layer, target });
  return found;
}

/** (p, L, …) → (b, …): one layer's slice, each row taking the values of its prompt. */
function layerRows(perPrompt: Node, layer: number, promptOf: Node): Node {
  const [prompts, , ...rest] = perPrompt.shape as [Dim, number, ...Dim[]];
  return gather(reshape(slice(perPrompt, 1, layer, layer + 1), [prompts, ...rest]), promptOf);
}

/** A row's gates of A and of B: the same, or the two halves. */
function factorGates(generator: GeneratorConfig, row: Node): { readonly a: Node; readonly b: Node } {
  if (gateSets(generator) === 1) return { a: row, b: row };
  const { experts } = generator;
  return { a: slice(row, 1, 0, experts), b: slice(row, 1, experts, 2 * experts) };
}

/** What is adapted, and for whom. */
export type Adapting = {
  readonly shape: PairShape;
  readonly frozen: Parts;
  readonly parameters: Parts["weight"];
  /** (b) i64: the prompt each row of the batch belongs to. */
  readonly promptOf: Node;
  readonly reads?: AdapterInput;
};

/** The gates of a mixture: (p, L, n). */
type Mixing = Adapting & { readonly gates: Node };

/** One row of gates (b, n) for each layer. */
const gateRows = ({ shape, gates, promptOf }: Mixing): Node[] =>
  Array.from({ length: shape.edge.layers }, (_, layer) => layerRows(gates, layer, promptOf));

/** Edge parts with another map in place of each that is adapted, made of the plain one. It reads what the adapter does; the plain one all. */
function adapted(
  { shape, frozen, reads = wholeInput }: Adapting,
  adapt: (at: Place) => (plain: Linear) => Linear,
): Parts {
  const found = places(shape);
  return wrapLinear(frozen, (name, plain): Linear => {
    const at = found.get(name);
    if (at === undefined) return plain;
    const change = adapt(at);
    return (x) => change(() => plain(x))(reads(name, x));
  });
}

/**
 * Edge parts whose adapted maps add the gated mixture of experts (eq. 6), another one for every row. Gates are (p, L, n), or (p, L, 2n) where A
 * and B have their own.
 */
export function withExperts(mixing: Mixing): Parts {
  const { parameters } = mixing;
  const { generator } = mixing.shape;
  const { experts, rank, alpha, compose, poolScope } = generator;
  const scale = alpha / rank;
  const rows = gateRows(mixing);
  const perRank = compose === "delta" ? rows.map((row) => rankGates(row, rank, scale)) : [];
  return adapted(mixing, ({ layer, target }) => {
    const pool = poolScope === "shared" ? 0 : layer;
    const stack = {
      a: parameters(parameterNames.expert(pool, target, "A"), []),
      b: parameters(parameterNames.expert(pool, target, "B"), []),
      experts,
    };
    return (plain) =>
      compose === "delta"
        ? withMixture(plain, stack, perRank[layer]!)
        : withMixedFactors(plain, stack, factorGates(generator, rows[layer]!), scale);
  });
}

/**
 * Edge parts whose adapted maps scale their largest singular values by a gated mixture of factors, another one for every row:
 * y = W x + U (Σ ⊙ Σ_j G_j (z_j − 1)) Vᵀ x. Gates are (p, L, n).
 */
export function withFactors(mixing: Mixing): Parts {
  const { shape, frozen, parameters } = mixing;
  const rows = gateRows(mixing);
  const sizes = generatorFrozen(shape);
  return adapted(mixing, ({ layer, target }) => {
    const [u, v] = (["u", "v"] as const).map((side) => {
      const tensor = parameterNames.svd(layer, target, side);
      return frozen.weight(tensor, sizes.get(tensor)!.shape);
    }) as [Node, Node];
    const changes = sub(parameters(parameterNames.factors(layer, target), []), constant(1));
    const row = rows[layer]!;
    const mixed = reshape(matmul(row, changes), [row.shape[0]!, 1, shape.generator.rank]);
    return (plain) => (x) => add(plain(x), matmul(mul(matmul(x, v, { transB: true }), mixed), u));
  });
}

/** The direct ablation (LoRA-Gen Table 8): LoRA weights of every edge layer read off its meta token (p, L, d), no pool and no router. */
export function withDirectLora({ hidden, ...adapting }: Adapting & { readonly hidden: Node }): Parts {
  const { shape, parameters, promptOf } = adapting;
  const { rank, alpha } = shape.generator;
  const states = directStates(shape, parameters, hidden);
  return adapted(adapting, ({ layer, target }) => {
    const state = layerRows(states, layer, promptOf);
    const { inputs, outputs } = linearSize(shape.edge, target);
    const generate = (side: "A" | "B", size: number) => {
      const get = (part: "weight" | "bias") => parameters(parameterNames.direct(target, side, part), []);
      return reshape(add(matmul(state, get("weight"), { transB: true }), get("bias")), [state.shape[0]!, rank, size]);
    };
    const [a, b] = [generate("A", inputs), generate("B", outputs)];
    return (plain) => (x) => add(plain(x), scaleBy(matmul(matmul(x, a, { transB: true }), b), alpha / rank));
  });
}
