/** @file DoRA (Liu et al. 2024) as what is trained: a LoRA beside each map, and the length of each row of the sum. */
import { add, div, matmul, mul, scale, sqrt, sum, transpose, weight as weightNode } from "../graph/build.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { linearName, linearSize, ownMaps } from "../models/parameters.ts";
import { readWeight } from "../runtime/read-weight.ts";
import type { WeightSource } from "../runtime/session.ts";
import type { Adaptation } from "./adapted-step.ts";
import { type LoraShape, loraParameters } from "./lora-step.ts";

export const magnitudeName = (map: string): string => `${map}.lora_magnitude_vector`;
const squaresName = (map: string): string => `dora.${map}.squares`;

const mapsOf = ({ edge, targets }: LoraShape) =>
  Array.from({ length: edge.layers }, (_, layer) =>
    ownMaps(edge, layer, targets).map((target) => ({
      map: linearName(edge, layer, target),
      outputs: linearSize(edge, target).outputs,
    })),
  ).flat();

/**
 * y = m ⊙ (W + s B A) x / ‖W + s B A‖, the length of each row. It is ‖w‖² + 2 s w·(b A) + s² ‖b A‖², so that only products with A are needed.
 * The gradient goes through the length as well, as the paper's equations have it; its code, and PEFT, take the length as given.
 */
export function doraAdaptation(shape: LoraShape): Adaptation {
  const adapted = new Map(mapsOf(shape).map(({ map, outputs }) => [map, outputs]));
  const strength = shape.alpha / shape.rank;
  const magnitudes = [...adapted].map(
    ([map, outputs]) => [magnitudeName(map), { shape: [outputs], start: "one" as const }] as const,
  );
  return {
    parameters: new Map([...loraParameters(shape), ...magnitudes]),
    adapt: (parameters) => (name, plain) => {
      const outputs = adapted.get(name);
      if (outputs === undefined) return plain;
      const a = parameters[`${name}.lora_A`]!; // (r, in)
      const b = parameters[`${name}.lora_B`]!; // (out, r)
      const cross = sum(mul(b, transpose(plain(a), [1, 0])), [1]); // w·(b A)
      const own = sum(mul(matmul(b, matmul(a, a, { transB: true })), b), [1]); // ‖b A‖²
      const squares = add(
        weightNode(squaresName(name), [outputs]),
        add(scale(cross, 2 * strength), scale(own, strength * strength)),
      );
      const factors = div(parameters[magnitudeName(name)]!, sqrt(squares));
      return (x) => {
        const low = matmul(scale(matmul(x, a, { transB: true }), strength), b, { transB: true });
        return mul(add(plain(x), low), factors);
      };
    },
  };
}

/** ‖w‖² of each row of the maps that are adapted. */
export async function rowSquares(
  shape: LoraShape,
  { weights }: Pick<FrozenModel, "weights">,
): Promise<Map<string, Float32Array>> {
  const squares = new Map<string, Float32Array>();
  for (const { map, outputs } of mapsOf(shape)) {
    const values = await readWeight(weights[`${map}.weight`]!);
    const inputs = values.length / outputs;
    const found = new Float32Array(outputs);
    for (let i = 0; i < outputs; i++) {
      let total = 0;
      for (let j = i * inputs; j < (i + 1) * inputs; j++) total += values[j]! ** 2;
      found[i] = total;
    }
    squares.set(map, found);
  }
  return squares;
}

export const doraSources = (squares: ReadonlyMap<string, Float32Array>): Record<string, WeightSource> =>
  Object.fromEntries([...squares].map(([map, data]) => [squaresName(map), { kind: "data", data }]));

/** The rows' lengths by names of weights, as training left them. */
export const trainedMagnitudes = (
  shape: LoraShape,
  values: ReadonlyMap<string, Float32Array>,
): Map<string, Float32Array> =>
  new Map(mapsOf(shape).map(({ map }) => [`${map}.weight`, values.get(magnitudeName(map))!]));
