/** @file The router: meta hidden states to gates. Linear, SiLU, linear, norm (eq. 3); softmax, KeepTop-K, renormalised (eq. 5), or the logits as they are. */
import { add, constant, input, matmul, mul, reshape, scale, silu, softmax, sub, transpose } from "../graph/build.ts";
import { mulDims } from "../graph/dims.ts";
import type { Dim, Node } from "../graph/types.ts";
import { keepTopK } from "../nn/gates.ts";
import type { Parts } from "../nn/parts.ts";
import { type GeneratorConfig, gateSets } from "./config.ts";
import { type PairShape, parameterNames } from "./parameters.ts";
import { type RouterMode, routerNorms } from "./router-norm.ts";

export type Routing = {
  /** (p, L, n): the gates of eq. 5, K of them above zero in every row; signed coefficients; (p, L, 2n) where A and B have their own. */
  readonly gates: Node;
  /** Of the same shape: softmax over all experts. */
  readonly probabilities: Node;
  /** New running statistics, by buffer name; empty outside training. */
  readonly buffers: Readonly<Record<string, Node>>;
};

/** Names of what training feeds besides the batch. */
export const routerInputs = { gumbel: "router.gumbel", blend: "router.blend" } as const;

/** (p, L, d) → (scopes, rows, d): all rows through one router, or each layer through its own. */
function toScopes(x: Node, config: GeneratorConfig): Node {
  const [prompts, layers, width] = x.shape as [Dim, number, Dim];
  if (config.routerScope === "shared") return reshape(x, [1, mulDims(prompts, layers), width]);
  return transpose(x, [1, 0, 2]);
}

function fromScopes(x: Node, prompts: Dim, layers: number, config: GeneratorConfig): Node {
  if (config.routerScope === "shared") return reshape(x, [prompts, layers, x.shape[2]!]);
  return transpose(x, [1, 0, 2]);
}

/** SiLU(f1(H)): (scopes, rows, hidden). */
export function routerHiddenStates(config: GeneratorConfig, parameters: Parts["weight"], hidden: Node): Node {
  const get = (part: Parameters<typeof parameterNames.router>[0]) => parameters(parameterNames.router(part), []);
  return silu(add(matmul(toScopes(hidden, config), get("f1.weight"), { transB: true }), get("f1.bias")));
}

/** Whether the router has an input for Gumbel noise. */
export const takesGumbelNoise = (
  { generation, strategy, gumbelNoise }: GeneratorConfig,
  { training }: Pick<RouterMode, "training">,
): boolean => generation !== "direct" && strategy === "gumbel" && (training || gumbelNoise === "always");

/** Gates from the meta tokens' hidden states (p, L, d). */
export function route(
  { edge, generator }: PairShape,
  parameters: Parts["weight"],
  hidden: Node,
  mode: RouterMode,
): Routing {
  const [prompts] = hidden.shape as [Dim];
  const get = (part: Parameters<typeof parameterNames.router>[0]) => parameters(parameterNames.router(part), []);
  const f2 = (x: Node) => add(matmul(x, get("f2.weight"), { transB: true }), get("f2.bias"));
  const normed = routerNorms[generator.routerNorm](routerHiddenStates(generator, parameters, hidden), f2, {
    shape: { edge, generator },
    parameters,
    mode,
  });
  const logits = fromScopes(normed.out, prompts, edge.layers, generator);
  const noisy = takesGumbelNoise(generator, mode) ? add(logits, input(routerInputs.gumbel, logits.shape)) : logits;
  const ofSets = inSets(generator, noisy);
  const probabilities = softmax(ofSets);
  const kept = strategies[generator.strategy](ofSets, generator);
  const gates = generator.annealSteps > 0 && mode.training ? annealed(probabilities, kept) : kept;
  const together = (x: Node) => (x.shape.length === 3 ? x : reshape(x, logits.shape));
  return { gates: together(gates), probabilities: together(probabilities), buffers: normed.next };
}

/** (p, L, 2n) → (p, L, 2, n) where A and B have gates of their own: each row of n is softmaxed for itself. */
export function inSets(generator: Pick<GeneratorConfig, "compose" | "experts">, x: Node): Node {
  const [prompts, layers] = x.shape as [Dim, number];
  const sets = gateSets(generator);
  return sets === 1 ? x : reshape(x, [prompts, layers, sets, generator.experts]);
}

type Strategy = (logits: Node, config: GeneratorConfig) => Node;

/** Logits (…, n) to gates of the same shape. */
const strategies: { readonly [S in GeneratorConfig["strategy"]]: Strategy } = {
  keepTopK: (logits, { topK, renormalize }) => keepTopK(logits, topK, renormalize),
  gumbel: (logits, { topK, renormalize }) => keepTopK(logits, topK, renormalize),
  dense: softmax,
  /** Normed logits are about 1 in size: by √n a layer's coefficients have a length of about 1, however many they are. */
  linear: (logits, { experts }) => scale(logits, 1 / Math.sqrt(experts)),
};

/** Dense gates that become the kept ones as the fed blend goes from 0 to 1. */
function annealed(dense: Node, kept: Node): Node {
  const blend = input(routerInputs.blend, []);
  return add(mul(kept, blend), mul(dense, sub(constant(1), blend)));
}
