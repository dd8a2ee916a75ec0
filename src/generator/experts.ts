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

/**
 * Edge parts whose adapted maps add the gated mixture of experts (eq. 6), another one for every row. Gates are (p, L, n), or (p, L, 2n) where A
 * and B have their own.
 */
export function withExperts({
  shape,
  frozen,
  parameters,
  gates,
  promptOf,
  reads = wholeInput,
}: Adapting & { readonly gates: Node }): Parts {
  const { experts, rank, alpha, compose, poolScope } = shape.generator;
  const scale = alpha / rank;
  const rows = Array.from({ length: shape.edge.layers }, (_, layer) => layerRows(gates, layer, promptOf));
  const perRank = compose === "delta" ? rows.map((row) => rankGates(row, rank, scale)) : [];
  const adapted = places(shape);
  return wrapLinear(frozen, (name, plain) => {
    const at = adapted.get(name);
    if (at === undefined) return plain;
    const pool = poolScope === "shared" ? 0 : at.layer;
    const stack = {
      a: parameters(parameterNames.expert(pool, at.target, "A"), []),
      b: parameters(parameterNames.expert(pool, at.target, "B"), []),
      experts,
    };
    const adapt = (linear: Linear) =>
      compose === "delta"
        ? withMixture(linear, stack, perRank[at.layer]!)
        : withMixedFactors(linear, stack, factorGates(shape.generator, rows[at.layer]!), scale);
    return (x) => adapt(() => plain(x))(reads(name, x));
  });
}

/**
 * Edge parts whose adapted maps scale their largest singular values by a gated mixture of factors, another one for every row:
 * y = W x + U (Σ ⊙ Σ_j G_j (z_j − 1)) Vᵀ x. Gates are (p, L, n).
 */
export function withFactors({
  shape,
  frozen,
  parameters,
  gates,
  promptOf,
  reads = wholeInput,
}: Adapting & { readonly gates: Node }): Parts {
  const { rank } = shape.generator;
  const rows = Array.from({ length: shape.edge.layers }, (_, layer) => layerRows(gates, layer, promptOf));
  const adapted = places(shape);
  const sizes = generatorFrozen(shape);
  return wrapLinear(frozen, (name, plain): Linear => {
    const at = adapted.get(name);
    if (at === undefined) return plain;
    const [u, v] = (["u", "v"] as const).map((side) => {
      const tensor = parameterNames.svd(at.layer, at.target, side);
      return frozen.weight(tensor, sizes.get(tensor)!.shape);
    }) as [Node, Node];
    const changes = sub(parameters(parameterNames.factors(at.layer, at.target), []), constant(1));
    const row = rows[at.layer]!;
    const mixed = reshape(matmul(row, changes), [row.shape[0]!, 1, rank]);
    return (x) => add(plain(x), matmul(mul(matmul(reads(name, x), v, { transB: true }), mixed), u));
  });
}

/** The direct ablation (LoRA-Gen Table 8): LoRA weights of every edge layer read off its meta token (p, L, d), no pool and no router. */
export function withDirectLora({
  shape,
  frozen,
  parameters,
  hidden,
  promptOf,
  reads = wholeInput,
}: Adapting & { readonly hidden: Node }): Parts {
  const { rank, alpha } = shape.generator;
  const states = directStates(shape, parameters, hidden);
  const adapted = places(shape);
  return wrapLinear(frozen, (name, plain): Linear => {
    const at = adapted.get(name);
    if (at === undefined) return plain;
    const state = layerRows(states, at.layer, promptOf);
    const { inputs, outputs } = linearSize(shape.edge, at.target);
    const generate = (side: "A" | "B", size: number) => {
      const get = (part: "weight" | "bias") => parameters(parameterNames.direct(at.target, side, part), []);
      return reshape(add(matmul(state, get("weight"), { transB: true }), get("bias")), [state.shape[0]!, rank, size]);
    };
    const [a, b] = [generate("A", inputs), generate("B", outputs)];
    return (x) => add(plain(x), scaleBy(matmul(matmul(reads(name, x), a, { transB: true }), b), alpha / rank));
  });
}
