/** @file Normalisation over the last axis. */
import { add, constant, layerNorm, rmsNorm } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";

/** RMSNorm; RMSNorm whose gain is stored as its difference from one; LayerNorm with a bias. */
export type Norm = "rms" | "rmsPlusOne" | "layer";

type Apply = (x: Node, gain: Node, bias: () => Node, epsilon: number) => Node;

/** x (…, d), gain (d); only a LayerNorm asks for its bias (d). */
export const norms: { readonly [N in Norm]: Apply } = {
  rms: (x, gain, _, epsilon) => rmsNorm(x, gain, epsilon),
  rmsPlusOne: (x, gain, _, epsilon) => rmsNorm(x, add(gain, constant(1)), epsilon),
  layer: (x, gain, bias, epsilon) => layerNorm(x, gain, bias(), epsilon),
};
