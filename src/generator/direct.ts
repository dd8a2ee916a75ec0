/**
 * @file Direct generators (LoRA-Gen Table 8): a specialisation's rows are not gates over a pool but the router's hidden states, one per layer,
 * from which the generator's weights make the LoRA.
 */

import { reshape } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import type { LowRank } from "../lora/low-rank.ts";
import { linearSize } from "../models/parameters.ts";
import type { Parts } from "../nn/parts.ts";
import type { ExpertTarget } from "./config.ts";
import { type PairShape, parameterNames, routerWidth } from "./parameters.ts";
import { routerHiddenStates } from "./router.ts";

/** The router's hidden states from the meta tokens' (p, L, d): (p, L, width). */
export function directStates(shape: PairShape, parameters: Parts["weight"], hidden: Node): Node {
  const config = { ...shape.generator, routerScope: "shared" } as const;
  return reshape(routerHiddenStates(config, parameters, hidden), [
    hidden.shape[0]!,
    shape.edge.layers,
    routerWidth(shape),
  ]);
}

/** A = reshape(W_A s + b_A), B = reshape(W_B s + b_B), α/r and `scale` folded into B. */
export function directLora(
  pair: { readonly shape: PairShape; readonly generator: { readonly tensors: ReadonlyMap<string, Float32Array> } },
  target: ExpertTarget,
  _layer: number,
  state: readonly number[],
  scale: number,
): LowRank {
  const { generator, edge } = pair.shape;
  const { rank, alpha } = generator;
  const { inputs, outputs } = linearSize(edge, target);
  const make = (side: "A" | "B", size: number, factor: number) => {
    const tensor = (part: "weight" | "bias") => pair.generator.tensors.get(parameterNames.direct(target, side, part))!;
    const [weight, bias] = [tensor("weight"), tensor("bias")];
    return Float32Array.from({ length: rank * size }, (_, i) => {
      const at = i * state.length;
      return factor * state.reduce((sum, value, j) => sum + weight[at + j]! * value, bias[i]!);
    });
  };
  return { rank, inputs, outputs, a: make("A", inputs, 1), b: make("B", outputs, (scale * alpha) / rank) };
}
