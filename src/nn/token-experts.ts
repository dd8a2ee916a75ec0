/**
 * @file Mixtures of LoRA experts where every token is routed by itself: LoRAMoE (Dou et al. 2023), dense, and MixLoRA (Li et al. 2024), whose
 * experts are whole feed-forward blocks of which a token passes K.
 */
import {
  add,
  broadcast,
  concat,
  div,
  matmul,
  mul,
  reshape,
  scale,
  softmax,
  sub,
  sum,
  topKMask,
} from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";
import { keepTopK } from "./gates.ts";
import { type ExpertStack, withMixture } from "./lora.ts";
import { cvSquaredUnbiased } from "./loss.ts";
import type { Linear } from "./parts.ts";

/** What a router says of each token: (b, t, n) both. */
export type TokenRouting = {
  /** What experts are weighted by: a row sums to 1. */
  readonly gates: Node;
  /** softmax over all experts. */
  readonly probabilities: Node;
};

/** softmax(x Wᵀ): all experts. x (b, t, d), router (n, d). */
export function denseRouting(x: Node, router: Node): TokenRouting {
  const probabilities = softmax(matmul(x, router, { transB: true }));
  return { gates: probabilities, probabilities };
}

/** The K likeliest experts of each token, their probabilities made to sum to 1. */
export function topRouting(x: Node, router: Node, k: number): TokenRouting {
  const logits = matmul(x, router, { transB: true });
  return { gates: keepTopK(logits, k), probabilities: softmax(logits) };
}

/** One factor per stacked rank: (…, n) → (…, n·r), times `factor`. */
function perRank(gates: Node, rank: number, factor: number): Node {
  const [experts, rest] = [gates.shape.at(-1) as number, gates.shape.slice(0, -1)];
  const repeated = broadcast(reshape(gates, [...rest, experts, 1]), [...rest, experts, rank]);
  return scale(reshape(repeated, [...rest, experts * rank]), factor);
}

const rankOf = ({ a, experts }: ExpertStack): number => (a.shape[0] as number) / experts;

/** LoRAMoE: y = W x + Σ_j G_j(x) · scale · B_j A_j x. */
export const withTokenMixture = (plain: Linear, stack: ExpertStack, { gates }: TokenRouting, factor: number): Linear =>
  withMixture(plain, stack, perRank(gates, rankOf(stack), factor));

/** The experts that tokens pass: slot s has every token's s-th likeliest. */
export type ExpertSlots = {
  /** (K, b, t, n): 1 at the slot's expert. */
  readonly chosen: Node;
  /** (K, b, t, 1): its gate. */
  readonly weight: Node;
};

export function expertSlots({ gates, probabilities }: TokenRouting, k: number): ExpertSlots {
  const [batch, time, experts] = gates.shape as [Dim, Dim, number];
  const upTo = Array.from({ length: k }, (_, i) => topKMask(probabilities, i + 1));
  const masks = upTo.map((mask, i) => reshape(i === 0 ? mask : sub(mask, upTo[i - 1]!), [1, batch, time, experts]));
  const chosen = concat(masks, 0);
  return { chosen, weight: sum(mul(chosen, gates), [-1], { keepDims: true }) };
}

/** MixLoRA, a map at the beginning of a feed-forward block: x (b, t, in) → (K, b, t, out), each slot with its expert's change. */
export const intoSlots = (plain: Linear, stack: ExpertStack, { chosen }: ExpertSlots, factor: number): Linear =>
  withMixture(plain, stack, perRank(chosen, rankOf(stack), factor));

/**
 * The map at its end: x (K, b, t, in) → (b, t, out), the experts' outputs weighted by their gates. W is the same for all of them, so
 * that Σ_s g_s W x_s is one product, W Σ_s g_s x_s.
 */
export function outOfSlots(plain: Linear, stack: ExpertStack, { chosen, weight }: ExpertSlots, factor: number): Linear {
  const gated = perRank(mul(chosen, weight), rankOf(stack), factor);
  return (x) => {
    const ranks = sum(mul(matmul(x, stack.a, { transB: true }), gated), [0]);
    return add(plain(sum(mul(x, weight), [0])), matmul(ranks, stack.b));
  };
}

/**
 * LoRAMoE's localised balance of one router: (σ/μ)² over all b·n loads, an expert's load of a row being the sum of its gates there.
 * @param real (b, t, 1): 1 for tokens, 0 for padding
 * @param wanted (b, n): 1 + δ for experts of the row's own kind, 1 − δ for the others
 */
export const localizedBalance = ({ gates }: TokenRouting, real: Node, wanted: Node): Node =>
  cvSquaredUnbiased(mul(sum(mul(gates, real), [1]), wanted));

/** Mixtral's loss over the tokens of all routers: n Σ_j f_j P_j, f_j the share of tokens that keep expert j, P_j its mean probability. K for even load. */
export function mixtralBalance(routings: readonly TokenRouting[], real: Node, k: number): Node {
  const total = (of: (routing: TokenRouting) => Node) =>
    routings.map((routing) => sum(mul(of(routing), real), [0, 1])).reduce(add);
  const experts = routings[0]!.probabilities.shape.at(-1) as number;
  const kept = total(({ probabilities }) => topKMask(probabilities, k));
  const likely = total(({ probabilities }) => probabilities);
  const tokens = scale(sum(real), routings.length);
  return scale(sum(mul(div(kept, tokens), div(likely, tokens))), experts);
}
