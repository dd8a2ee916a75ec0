/** @file Low-rank adapters on a linear map: one adapter, or a gated mixture of experts that differs per sample. */
import { add, broadcast, matmul, mul, reshape, scale as scaleBy } from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";
import type { Linear } from "./parts.ts";

/** A: (r, in), B: (out, r), as PEFT stores them. */
export type LoraPair = { readonly a: Node; readonly b: Node };

/** y = W x + scale · B A x (LoRA; LoRA-Gen eq. 1 before merging). */
export function withLora(plain: Linear, { a, b }: LoraPair, scale: number): Linear {
  return (x) => add(plain(x), matmul(scaleBy(matmul(x, a, { transB: true }), scale), b, { transB: true }));
}

/** The experts of one linear map, stacked. A: (n·r, in), B: (n·r, out). */
export type ExpertStack = { readonly a: Node; readonly b: Node; readonly experts: number };

/** One factor per stacked rank: gates (b, n) → (b, 1, n·r), times `scale`. */
export function rankGates(gates: Node, rank: number, scale: number): Node {
  const [batch, experts] = gates.shape as [Dim, number];
  const repeated = broadcast(reshape(gates, [batch, experts, 1]), [batch, experts, rank]);
  return scaleBy(reshape(repeated, [batch, 1, experts * rank]), scale);
}

/**
 * y = W x + Σ_j G_j · scale · B_j A_j x with another G for every sample (LoRA-Gen eq. 2 and 6, unmerged):
 * one dense product over all experts, no weights per sample.
 * @param rankGates (b, 1, n·r), from `rankGates`
 */
export function withMixture(plain: Linear, { a, b }: ExpertStack, rankGates: Node): Linear {
  return (x) => add(plain(x), matmul(mul(matmul(x, a, { transB: true }), rankGates), b));
}

/**
 * The same with mixed factors: y = W x + scale · (Σ_j G_j B_j)(Σ_j G_j A_j) x, rank r instead of K·r.
 * @param gates of each factor (b, n), the same or apart
 */
export function withMixedFactors(
  plain: Linear,
  { a, b, experts }: ExpertStack,
  gates: { readonly a: Node; readonly b: Node },
  scale: number,
): Linear {
  const batch = gates.a.shape[0]!;
  const [stacked, inputs] = a.shape as [number, number];
  const outputs = b.shape[1] as number;
  const rank = stacked / experts;
  const mix = (of: Node, factors: Node, width: number) =>
    reshape(matmul(of, reshape(factors, [experts, rank * width])), [batch, rank, width]);
  const [mixedA, mixedB] = [mix(gates.a, a, inputs), mix(gates.b, b, outputs)];
  return (x) => add(plain(x), scaleBy(matmul(matmul(x, mixedA, { transB: true }), mixedB), scale));
}
