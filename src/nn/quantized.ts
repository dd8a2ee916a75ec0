/** @file Linear maps and tables over frozen quantised weights: int8 or int4 in memory, multiplied as they are, differentiable by their input. */
import {
  add,
  cast,
  constant,
  gather,
  matmul,
  matmulNBits,
  mul,
  reshape,
  slice,
  splitLast,
  sub,
  sum,
  weight as weightNode,
} from "../graph/build.ts";
import type { Dim, DType, Node, Shape } from "../graph/types.ts";
import type { Parts } from "./parts.ts";
import { blocksPerRow, type QuantizedBlocks, type QuantizeOptions } from "./quantize.ts";

/** A weight's frozen tensors: what `quantizedParts` asks for and `quantizeBlocks` makes. */
export type QuantizedTensor = { readonly name: string; readonly shape: readonly number[]; readonly dtype: DType };

/** The bytes that it takes. */
export const tensorBytes = ({ shape, dtype }: QuantizedTensor): number =>
  shape.reduce((a, b) => a * b, 1) * (dtype === "u8" ? 1 : 4);

/** How the weight of a linear map or table is quantised, by its name; undefined: not at all. */
export type LayoutOf = (name: string) => QuantizeOptions | undefined;

/** Names, shapes and types of the tensors that stand in for `weightName` (outputs, inputs). */
export function quantizedTensors(
  weightName: string,
  outputs: number,
  inputs: number,
  { bits, blockSize = 32, symmetric = true, hasOffsets = false }: QuantizeOptions,
): Record<keyof QuantizedBlocks, QuantizedTensor | undefined> {
  const blocks = blocksPerRow(inputs, blockSize);
  return {
    packed: { name: `${weightName}.packed`, shape: [outputs, blocks, (blockSize * bits) / 8], dtype: "u8" },
    scales: { name: `${weightName}.scales`, shape: [outputs * blocks], dtype: "f32" },
    zeros: symmetric
      ? undefined
      : { name: `${weightName}.zeros`, shape: [outputs, Math.ceil((blocks * bits) / 8)], dtype: "u8" },
    offsets: hasOffsets ? { name: `${weightName}.offsets`, shape: [outputs, blocks], dtype: "f32" } : undefined,
  };
}

/**
 * Parts whose linear maps are MatMulNBits over frozen weights (accuracy level 4: the input is rounded to int8 as well), and whose
 * tables are read row by row out of their codes. Compile with `prepack`, without which that operator is slow. What has no layout
 * stays that of `plain`. The gradient by the input goes through the dequantised weight, which lives only while its product is computed.
 */
export function quantizedParts(plain: Parts, layoutOf: LayoutOf): Parts {
  const nodes = new Map<string, Node>();
  const frozen = ({ name, shape, dtype }: { name: string; shape: Shape; dtype: DType }): Node => {
    const node = nodes.get(name) ?? weightNode(name, shape, dtype);
    nodes.set(name, node);
    return node;
  };
  return {
    weight: plain.weight,
    linear: (name, inputs, outputs) => {
      const layout = layoutOf(name);
      if (layout === undefined) return plain.linear(name, inputs, outputs);
      const { offsets, ...codes } = quantizedTensors(`${name}.weight`, outputs, inputs, layout);
      const weights = Object.values(codes).flatMap((tensor) => (tensor === undefined ? [] : [frozen(tensor)]));
      const { bits, blockSize = 32 } = layout;
      const product = (x: Node) => matmulNBits([x, ...weights], { n: outputs, k: inputs, bits, blockSize });
      if (offsets === undefined) return product;
      const added = frozen(offsets);
      return (x) => add(product(x), matmul(blockSums(x, blockSize), added, { transB: true }));
    },
    lookup: (name, rows, width) => {
      const layout = layoutOf(name);
      if (layout === undefined) return plain.lookup(name, rows, width);
      const { packed, scales, zeros, offsets } = quantizedTensors(`${name}.weight`, rows, width, layout);
      const table = {
        packed: frozen(packed!),
        scales: frozen(scales!),
        zeros: zeros && frozen(zeros),
        offsets: offsets && frozen(offsets),
      };
      return (indices) => quantizedRows(table, indices, width, layout);
    },
  };
}

/** Sums of neighbours: (…, blocks · size) → (…, blocks). An offset of a block counts once for each of its inputs. */
const blockSums = (x: Node, size: number): Node => sum(splitLast(x, (x.shape.at(-1) as number) / size), [-1]);

type Table = {
  readonly packed: Node;
  readonly scales: Node;
  readonly zeros: Node | undefined;
  readonly offsets: Node | undefined;
};

/** (code − zero point) · scale + offset for the rows at `indices` (…) of an int8 table: (…, width). */
function quantizedRows(
  { packed, scales, zeros, offsets }: Table,
  indices: Node,
  width: number,
  layout: QuantizeOptions,
): Node {
  if (layout.bits !== 8) throw new Error("internal: a table of four-bit codes");
  const [rows, blocks, blockSize] = packed.shape as [number, number, number];
  const lead: readonly Dim[] = indices.shape;
  const perBlock = (x: Node) => reshape(x, [...lead, blocks, 1]);
  const codes = cast(gather(packed, indices), "f32");
  const zero = zeros === undefined ? constant(128) : perBlock(cast(gather(zeros, indices), "f32"));
  const scale = perBlock(gather(reshape(scales, [rows, blocks]), indices));
  const centred = mul(sub(codes, zero), scale);
  const moved = offsets === undefined ? centred : add(centred, perBlock(gather(offsets, indices)));
  const values = reshape(moved, [...lead, blocks * blockSize]);
  return blocks * blockSize === width ? values : slice(values, lead.length, 0, width);
}
