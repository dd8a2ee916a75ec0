/** @file What a generator over singular values reads of its edge model beside the weights: its decomposition, made where it is not there yet. */
import type { GeneratorConfig } from "../generator/config.ts";
import { generatorFrozen, parameterNames } from "../generator/parameters.ts";
import { svdFolder, svdSource } from "../models/decomposable.ts";
import type { Model } from "../models/model.ts";
import { linearName, linearSize, ownMaps } from "../models/parameters.ts";
import { readWeight } from "../runtime/read-weight.ts";
import { openBasis } from "../svf/svd-cache.ts";
import type { Opening } from "./job.ts";

/** The values of `generatorFrozen`, none for generators of LoRAs. Throws E_CONFIG for a model whose weights are codes; and as `openBasis`. */
export async function frozenFactors(
  generator: GeneratorConfig,
  edge: Model,
  { signal, onPreparing }: Opening = {},
): Promise<ReadonlyMap<string, Float32Array>> {
  const { rank, targets } = generator;
  const values = new Map<string, Float32Array>();
  if (generatorFrozen({ generator, edge: edge.config }).size === 0) return values;
  const places = Array.from({ length: edge.config.layers }, (_, layer) =>
    ownMaps(edge.config, layer, targets).map((target) => {
      const weight = `${linearName(edge.config, layer, target)}.weight`;
      return { layer, target, weight, ...linearSize(edge.config, target) };
    }),
  ).flat();
  const { basis } = await openBasis(svdSource(edge, places), {
    folder: svdFolder(edge),
    signal,
    onProgress: (done, total) => onPreparing?.("decomposing the model", done, total),
  });
  for (const { layer, target, weight, inputs, outputs } of places) {
    const { sources } = basis.get(weight)!;
    const [u, s, v] = [await readWeight(sources.u), await readWeight(sources.s), await readWeight(sources.v)];
    values.set(
      parameterNames.svd(layer, target, "u"),
      u.slice(0, rank * outputs).map((value, i) => value * s[Math.floor(i / outputs)]!),
    );
    values.set(parameterNames.svd(layer, target, "v"), v.slice(0, rank * inputs));
  }
  return values;
}
