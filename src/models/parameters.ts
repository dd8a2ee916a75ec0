/** @file Every tensor of a model: names as the checkpoint has them, and shapes. */
import { AppError } from "../base/errors.ts";
import { architectures } from "./architectures/index.ts";
import type { LinearMap, ModelConfig, ModelType } from "./config.ts";
import { attentionMaps } from "./config-keys.ts";

/** Maps of the layers that convolve, where others attend. */
const convolutionMaps: readonly LinearMap[] = ["in", "out"];
const isOfMixing = (map: LinearMap): boolean => attentionMaps.includes(map) || convolutionMaps.includes(map);

type Layered = Pick<ModelConfig, "modelType" | "layers" | "convolution">;

/** Whether a layer convolves rather than attends. */
export const convolves = ({ convolution }: Pick<ModelConfig, "convolution">, layer: number): boolean =>
  convolution?.layers[layer] === true;

/** The linear maps of one layer, in their order. */
export function layerMaps(config: Omit<Layered, "layers">, layer: number): readonly LinearMap[] {
  const others = convolves(config, layer) ? attentionMaps : convolutionMaps;
  return (Object.keys(architectures[config.modelType].linear) as LinearMap[]).filter((map) => !others.includes(map));
}

/** The linear maps that layers of a model have, in the order of a layer. Where layers are of two kinds, none has all of them. */
export function linearMaps(config: Layered): readonly LinearMap[] {
  const found = new Set(Array.from({ length: config.layers }, (_, layer) => layerMaps(config, layer)).flat());
  return (Object.keys(architectures[config.modelType].linear) as LinearMap[]).filter((map) => found.has(map));
}

/** Those of some maps that a layer has: every layer, but where layers are of two kinds. */
export function ownMaps<M extends LinearMap>(
  config: Omit<Layered, "layers">,
  layer: number,
  targets: readonly M[],
): M[] {
  const own = layerMaps(config, layer);
  return targets.filter((target) => own.includes(target));
}

/**
 * The full name of a linear map; its tensor is `${name}.weight`.
 * @throws E_CONFIG where the architecture has no such map
 */
export function linearName({ modelType }: Pick<ModelConfig, "modelType">, layer: number, target: LinearMap): string {
  const { layers, linear } = architectures[modelType];
  if (linear[target] === undefined) throw missingMap(modelType, target, Object.keys(linear));
  return `${layers}.${layer}.${linear[target]}`;
}

/** Throws E_CONFIG where no layer of a model has one of these maps, naming those that there are. */
export function requireMaps(config: Layered, targets: readonly LinearMap[]): void {
  const known = linearMaps(config);
  for (const target of targets) if (!known.includes(target)) throw missingMap(config.modelType, target, known);
}

const missingMap = (modelType: ModelType, target: LinearMap, known: readonly string[]): AppError =>
  new AppError(
    "E_CONFIG",
    `"${target}": a layer of ${modelType} has no such linear map; expected some of: ${known.join(", ")}`,
  );

/** The table of embeddings, which is also the head where the two are tied; its tensor is `${name}.weight`. */
export const embeddingName = ({ modelType }: Pick<ModelConfig, "modelType">): string =>
  architectures[modelType].embedding.replace(/\.weight$/, "");

/** The head where it is not tied. */
export const headName = "lm_head";

/** Inputs and outputs of a linear map. */
export function linearSize(
  { hidden, ffn, heads, kvHeads, headDim }: ModelConfig,
  target: LinearMap,
): { readonly inputs: number; readonly outputs: number } {
  const sizes: Record<LinearMap, readonly [number, number]> = {
    q: [hidden, heads * headDim],
    k: [hidden, kvHeads * headDim],
    v: [hidden, kvHeads * headDim],
    o: [heads * headDim, hidden],
    in: [hidden, 3 * hidden],
    out: [hidden, hidden],
    gate: [hidden, ffn],
    up: [hidden, ffn],
    down: [ffn, hidden],
  };
  const [inputs, outputs] = sizes[target];
  return { inputs, outputs };
}

/** The full names of a model's norms, the last one behind those of the layers; a norm's gain is `${name}.weight`. */
export function normNames(config: Pick<ModelConfig, "modelType" | "layers" | "convolution">): string[] {
  const { layers, norms, headNorms = {} } = architectures[config.modelType];
  const { last, ...ofLayer } = norms;
  const names = Array.from({ length: config.layers }, (_, i) =>
    Object.values({ ...ofLayer, ...(convolves(config, i) ? {} : headNorms) }).map((name) => `${layers}.${i}.${name}`),
  ).flat();
  return [...names, last];
}

/** Every trainable tensor of a model: name → shape, in checkpoint order. */
export function parameterShapes(config: ModelConfig): Map<string, readonly number[]> {
  const { hidden, vocab } = config;
  const { embedding, positions, layers, norm, norms, headNorms, taps } = architectures[config.modelType];
  const shapes = new Map<string, readonly number[]>([[embedding, [vocab, hidden]]]);
  const putNorm = (name: string) => {
    shapes.set(`${name}.weight`, [hidden]);
    if (norm === "layer") shapes.set(`${name}.bias`, [hidden]);
  };
  if (positions !== "rotary") shapes.set(positions.name, [config.context + positions.offset, hidden]);
  const putMap = (layer: number, target: LinearMap) => {
    const name = linearName(config, layer, target);
    const { inputs, outputs } = linearSize(config, target);
    shapes.set(`${name}.weight`, [outputs, inputs]);
    if (config.biased.includes(target)) shapes.set(`${name}.bias`, [outputs]);
  };
  for (let i = 0; i < config.layers; i++) {
    const maps = layerMaps(config, i);
    const ofLayer = (name: string | undefined) => name !== undefined && putNorm(`${layers}.${i}.${name}`);
    ofLayer(norms.beforeAttention);
    for (const target of maps) if (isOfMixing(target)) putMap(i, target);
    if (convolves(config, i)) shapes.set(`${layers}.${i}.${taps}.weight`, [hidden, 1, config.convolution!.width]);
    else if (headNorms !== undefined)
      for (const name of Object.values(headNorms)) shapes.set(`${layers}.${i}.${name}.weight`, [config.headDim]);
    ofLayer(norms.afterAttention);
    ofLayer(norms.beforeFeedForward);
    for (const target of maps) if (!isOfMixing(target)) putMap(i, target);
    ofLayer(norms.afterFeedForward);
  }
  putNorm(norms.last);
  if (!config.tied) shapes.set("lm_head.weight", [vocab, hidden]);
  return shapes;
}
