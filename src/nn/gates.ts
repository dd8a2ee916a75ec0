/** @file Gates of a mixture from a router's logits. */
import { constant, less, mul, softmax, topKMask, where } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";

/** softmax over the K largest logits, zero elsewhere: eq. 5, in its stable form. Without renormalisation the dense softmax is cut. */
export function keepTopK(logits: Node, k: number, renormalize = true): Node {
  const mask = topKMask(logits, k);
  if (!renormalize) return mul(softmax(logits), mask);
  return softmax(where(less(constant(0.5), mask), logits, constant(-1e30)));
}
