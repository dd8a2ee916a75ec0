/** @file What a convolution read last, as transformers.js and Optimum lay it out: (batch, hidden, width), of which all but the first are still read. */
import { input, slice, transpose } from "../graph/build.ts";
import type { Node } from "../graph/types.ts";
import { lastRead } from "../nn/convolution.ts";
import type { ModelConfig } from "./config.ts";

export type ConvolutionState = {
  /** What the layer reads of it: (batch, width − 1, hidden). */
  readonly inputs: Node;
  /** The state behind new tokens: (batch, sequence, hidden) → (batch, hidden, width). */
  readonly behind: (read: Node) => Node;
};

/** The state of a layer that convolves, fed under a name. */
export function convolutionState({ hidden, convolution }: ModelConfig, name: string): ConvolutionState {
  const { width } = convolution!;
  const state = transpose(input(name, ["batch_size", hidden, width]), [0, 2, 1]);
  return {
    inputs: slice(state, 1, 1, width),
    behind: (read) => transpose(lastRead(read, state), [0, 2, 1]),
  };
}
