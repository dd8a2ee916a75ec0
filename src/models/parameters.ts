/** @file Every tensor of a model: names as the checkpoint has them, and shapes. */
import { AppError } from "../base/errors.ts";
import { architectures } from "./architectures/index.ts";
import type { LinearMap, ModelConfig } from "./config.ts";
import { attentionMaps } from "./config-keys.ts";

/** The linear maps an architecture has, in the order of a layer. */
export const linearMaps = ({ modelType }: ModelConfig): readonly LinearMap[] =>
  Object.keys(architectures[modelType].linear) as LinearMap[];

/**
 * The full name of a linear map; its tensor is `${name}.weight`.
 * @throws E_CONFIG where the architecture has no such map
 */
export function linearName({ modelType }: ModelConfig, layer: number, target: LinearMap): string {
  const { layers, linear } = architectures[modelType];
  requireMaps({ modelType }, [target]);
  return `${layers}.${layer}.${linear[target]}`;
}

/** Throws E_CONFIG where the architecture lacks one of these maps, naming those it has. */
export function requireMaps({ modelType }: Pick<ModelConfig, "modelType">, targets: readonly LinearMap[]): void {
  const { linear } = architectures[modelType];
  for (const target of targets)
    if (linear[target] === undefined)
      throw new AppError(
        "E_CONFIG",
        `"${target}": a layer of ${modelType} has no such linear map; expected some of: ${Object.keys(linear).join(", ")}`,
      );
}

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
    gate: [hidden, ffn],
    up: [hidden, ffn],
    down: [ffn, hidden],
  };
  const [inputs, outputs] = sizes[target];
  return { inputs, outputs };
}

/** The full names of a model's norms, the last one behind those of the layers; a norm's gain is `${name}.weight`. */
export function normNames({ modelType, layers: count }: Pick<ModelConfig, "modelType" | "layers">): string[] {
  const { layers, norms, headNorms = {} } = architectures[modelType];
  const { last, ...ofLayer } = norms;
  const names = Array.from({ length: count }, (_, i) =>
    Object.values({ ...ofLayer, ...headNorms }).map((name) => `${layers}.${i}.${name}`),
  ).flat();
  return [...names, last];
}

/** Every trainable tensor of a model: name → shape, in checkpoint order. */
export function parameterShapes(config: ModelConfig): Map<string, readonly number[]> {
  const { hidden, vocab } = config;
  const { embedding, positions, layers, norm, norms, headNorms } = architectures[config.modelType];
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
  const maps = linearMaps(config);
  for (let i = 0; i < config.layers; i++) {
    const ofLayer = (name: string | undefined) => name !== undefined && putNorm(`${layers}.${i}.${name}`);
    ofLayer(norms.beforeAttention);
    for (const target of maps) if (attentionMaps.includes(target)) putMap(i, target);
    if (headNorms !== undefined)
      for (const name of Object.values(headNorms)) shapes.set(`${layers}.${i}.${name}.weight`, [config.headDim]);
    ofLayer(norms.afterAttention);
    ofLayer(norms.beforeFeedForward);
    for (const target of maps) if (!attentionMaps.includes(target)) putMap(i, target);
    ofLayer(norms.afterFeedForward);
  }
  putNorm(norms.last);
  if (!config.tied) shapes.set("lm_head.weight", [vocab, hidden]);
  return shapes;
}
