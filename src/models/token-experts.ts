/** @file Routed experts on a model's maps: LoRAMoE on each map by itself, MixLoRA on whole feed-forward blocks; tensors, and the parts that have them. */
import type { Node, Shape } from "../graph/types.ts";
import { type ExpertStack, withLora } from "../nn/lora.ts";
import { type Linear, type Parts, wrapLinear } from "../nn/parts.ts";
import {
  denseRouting,
  type ExpertSlots,
  expertSlots,
  intoSlots,
  outOfSlots,
  type TokenRouting,
  topRouting,
  withTokenMixture,
} from "../nn/token-experts.ts";
import { architectures } from "./architectures/index.ts";
import type { LinearMap, ModelConfig } from "./config.ts";
import { feedForwardMaps } from "./config-keys.ts";
import { linearMaps, linearName, linearSize, ownMaps, requireMaps } from "./parameters.ts";

export type TokenExpertForm = "loramoe" | "mixlora";

export type TokenExperts = {
  readonly form: TokenExpertForm;
  readonly experts: number;
  /** Experts that a token passes; LoRAMoE's are all. */
  readonly topK: number;
  readonly rank: number;
  readonly alpha: number;
  /** LoRAMoE: the maps with experts. MixLoRA: maps of attention with one LoRA each; its experts are on the feed-forward block. */
  readonly targets: readonly LinearMap[];
};

const names = {
  a: (map: string) => `${map}.lora_A`,
  b: (map: string) => `${map}.lora_B`,
  router: (map: string) => `${map}.router`,
  blockRouter: (config: ModelConfig, layer: number) => `${architectures[config.modelType].layers}.${layer}.router`,
} as const;

type AdaptedMap = { readonly layer: number; readonly target: LinearMap; readonly isMixture: boolean };

/** The maps that are changed, by name. Throws E_CONFIG for targets that the model does not have. */
function adaptedMaps(config: ModelConfig, { form, targets }: TokenExperts): Map<string, AdaptedMap> {
  requireMaps(config, targets);
  const block = linearMaps(config).filter((target) => feedForwardMaps.includes(target));
  const mixtures = form === "loramoe" ? targets : block;
  const single = form === "loramoe" ? [] : targets.filter((target) => !block.includes(target));
  const found = new Map<string, AdaptedMap>();
  for (let layer = 0; layer < config.layers; layer++)
    for (const target of ownMaps(config, layer, [...single, ...mixtures]))
      found.set(linearName(config, layer, target), { layer, target, isMixture: mixtures.includes(target) });
  return found;
}

/** Every tensor that is trained, with its shape. A (n·r, in), B (n·r, out), routers (n, in); a single LoRA has A (r, in), B (out, r). */
export function tokenExpertShapes(config: ModelConfig, settings: TokenExperts): Map<string, readonly number[]> {
  const { form, experts, rank } = settings;
  const shapes = new Map<string, readonly number[]>();
  for (const [map, { layer, target, isMixture }] of adaptedMaps(config, settings)) {
    const { inputs, outputs } = linearSize(config, target);
    const ranks = isMixture ? experts * rank : rank;
    shapes.set(names.a(map), [ranks, inputs]);
    shapes.set(names.b(map), isMixture ? [ranks, outputs] : [outputs, ranks]);
    if (form === "loramoe") shapes.set(names.router(map), [experts, inputs]);
    else if (isMixture) shapes.set(names.blockRouter(config, layer), [experts, config.hidden]);
  }
  return shapes;
}

export type TokenExpertParts = {
  readonly parts: Parts;
  /** What routers said, one for each: grows as a forward pass over the parts is built. */
  readonly routings: readonly TokenRouting[];
};

/** Parts with the experts beside their maps. */
export function withTokenExperts(
  config: ModelConfig,
  settings: TokenExperts,
  plain: Parts,
  parameter: (name: string, shape: Shape) => Node,
): TokenExpertParts {
  const { form, experts, topK, rank, alpha } = settings;
  const adapted = adaptedMaps(config, settings);
  const shapes = tokenExpertShapes(config, settings);
  const get = (name: string) => parameter(name, shapes.get(name)!);
  const routings: TokenRouting[] = [];
  const routed = (routing: TokenRouting): TokenRouting => {
    routings.push(routing);
    return routing;
  };
  const blocks = new Map<number, { readonly x: Node; readonly slots: ExpertSlots }>();
  /** The maps that begin a block read the same value, which is routed once. */
  const enterBlock = (layer: number, x: Node): ExpertSlots => {
    const known = blocks.get(layer);
    if (known?.x === x) return known.slots;
    const slots = expertSlots(routed(topRouting(x, get(names.blockRouter(config, layer)), topK)), topK);
    blocks.set(layer, { x, slots });
    return slots;
  };
  const scale = alpha / rank;
  const parts = wrapLinear(plain, (map, linear): Linear => {
    const at = adapted.get(map);
    if (at === undefined) return linear;
    const [a, b] = [get(names.a(map)), get(names.b(map))];
    if (!at.isMixture) return withLora(linear, { a, b }, scale);
    const stack: ExpertStack = { a, b, experts };
    if (form === "loramoe")
      return (x) => withTokenMixture(linear, stack, routed(denseRouting(x, get(names.router(map)))), scale)(x);
    if (at.target === "down") return (x) => outOfSlots(linear, stack, blocks.get(at.layer)!.slots, scale)(x);
    return (x) => intoSlots(linear, stack, enterBlock(at.layer, x), scale)(x);
  });
  return { parts, routings };
}
