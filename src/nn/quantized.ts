/** @file Linear maps over frozen quantised weights: int8 or int4 in memory, multiplied as they are, differentiable by their input. */
import { matmulNBits, weight as weightNode } from "../graph/build.ts";
import type { DType, Node, Shape } from "../graph/types.ts";
import type { Parts } from "./parts.ts";
import { blocksPerRow, type QuantizedBlocks, type QuantizeOptions } from "./quantize.ts";

/** A linear map's frozen tensors: what `quantizedParts` asks for and `quantizeBlocks` makes. */
export type QuantizedTensor = { readonly name: string; readonly shape: readonly number[]; readonly dtype: DType };

/** Names, shapes and types of the tensors that stand in for `weightName` (outputs, inputs). */
export function quantizedTensors(
  weightName: string,
  outputs: number,
  inputs: number,
  { bits, blockSize = 32, symmetric = true }: QuantizeOptions,
): Record<keyof QuantizedBlocks, QuantizedTensor | undefined> {
  const blocks = blocksPerRow(inputs, blockSize);
  return {
    packed: { name: `${weightName}.packed`, shape: [outputs, blocks, (blockSize * bits) / 8], dtype: "u8" },
    scales: { name: `${weightName}.scales`, shape: [outputs * blocks], dtype: "f32" },
    zeros: symmetric
      ? undefined
      : { name: `${weightName}.zeros`, shape: [outputs, Math.ceil((blocks * bits) / 8)], dtype: "u8" },
  };
}

/**
 * Parts whose linear maps are MatMulNBits over frozen weights (accuracy level 4: the input is rounded to int8 as well).
 * Compile with `prepack`, without which that operator is slow. Weights that are no linear map stay those of `plain`.
 * The gradient by the input goes through the dequantised weight, which lives only while its product is computed.
 * @param accepts which linear maps are quantised; all by default
 */
export function quantizedParts(
  plain: Parts,
  { accepts = () => true, ...options }: QuantizeOptions & { readonly accepts?: (name: string) => boolean },
): Parts {
  const { bits, blockSize = 32 } = options;
  const nodes = new Map<string, Node>();
  const frozen = ({ name, shape, dtype }: { name: string; shape: Shape; dtype: DType }): Node => {
    const node = nodes.get(name) ?? weightNode(name, shape, dtype);
    nodes.set(name, node);
    return node;
  };
  return {
    weight: plain.weight,
    linear: (name, inputs, outputs) => {
      if (!accepts(name)) return plain.linear(name, inputs, outputs);
      const tensors = Object.values(quantizedTensors(`${name}.weight`, outputs, inputs, options));
      const weights = tensors.flatMap((tensor) => (tensor === undefined ? [] : [frozen(tensor)]));
      return (x) => matmulNBits([x, ...weights], { n: outputs, k: inputs, bits, blockSize });
    },
  };
}
