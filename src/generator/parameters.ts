/** @file Every tensor a generator trains, with its shape and its start (`initialB`: B is zero or small). */
import { AppError } from "../base/errors.ts";
import type { Rng } from "../base/rng.ts";
import type { ModelConfig } from "../models/config.ts";
import { linearSize, normNames, ownMaps, parameterShapes, requireMaps } from "../models/parameters.ts";
import { type ExpertTarget, expertTargets, type GeneratorConfig, gateSets } from "./config.ts";

export type PairShape = {
  readonly cloud: ModelConfig;
  readonly edge: ModelConfig;
  readonly generator: GeneratorConfig;
};

type Start = "zero" | "one" | "nearOne" | "small" | "kaiming" | "embedding";
export type ParameterInfo = { readonly shape: readonly number[]; readonly start: Start };

/** Gains and biases, factors of singular values among them, whatever their rank: neither decayed nor rounded to 8 bits. */
export const isGainOrBias = (name: string): boolean =>
  /(\.bias|^router\.norm\.weight|^cloud\.norms\..*|^factors\..*\.z)$/.test(name);

/** What the gates choose among: the experts' matrices, or factors of singular values. */
export const isOfExperts = (name: string): boolean => /^(experts|factors)\./.test(name);

/** Throws E_CONFIG where the generator adapts a linear map that its cloud or edge model does not have. */
export function requireTargets({ cloud, edge, generator }: PairShape): void {
  requireMaps(cloud, generator.cloudTargets);
  requireMaps(edge, generator.targets);
  if (generator.generation !== "svf") return;
  for (const target of generator.targets) {
    const { inputs, outputs } = linearSize(edge, target);
    if (generator.rank > Math.min(inputs, outputs))
      throw new AppError(
        "E_CONFIG",
        `generator.rank: expected at most the ${Math.min(inputs, outputs)} singular values of "${target}", found ${generator.rank}`,
      );
  }
}

export const routerWidth = ({ cloud, generator }: PairShape): number =>
  generator.routerHidden ?? Math.max(1, Math.floor(cloud.hidden / 4));

/** 1 where a part is shared by all layers, else one per layer. */
export const scopeCount = (scope: "shared" | "layer", layers: number): number => (scope === "shared" ? 1 : layers);

/** The router's outputs for a layer: n, or n for A and n for B. */
export const logitCount = (generator: GeneratorConfig): number => gateSets(generator) * generator.experts;

export const parameterNames = {
  meta: "meta.embedding",
  cloudLora: (layer: number, target: ExpertTarget, side: "A" | "B") =>
    `cloud.${layer}.${expertTargets[target]}.lora_${side}`,
  /** What is added to a gain or bias of the cloud model, `tensor` being its full name there. */
  cloudNorm: (tensor: string) => `cloud.norms.${tensor}`,
  router: (
    part:
      | "f1.weight"
      | "f1.bias"
      | "f2.weight"
      | "f2.bias"
      | "norm.weight"
      | "norm.bias"
      | "norm.mean"
      | "norm.variance",
  ) => `router.${part}`,
  /** `pool` counts pools: 0 where the pool is shared. */
  expert: (pool: number, target: ExpertTarget, side: "A" | "B") => `experts.${pool}.${expertTargets[target]}.${side}`,
  direct: (target: ExpertTarget, side: "A" | "B", part: "weight" | "bias") =>
    `direct.${expertTargets[target]}.${side}.${part}`,
  /** Of every expert, for each singular value of a map: (n, r). */
  factors: (layer: number, target: ExpertTarget) => `factors.${layer}.${expertTargets[target]}.z`,
  /** The map's largest singular values, frozen: Uᵀ times them (r, out), Vᵀ (r, in). */
  svd: (layer: number, target: ExpertTarget, side: "u" | "v") => `svd.${layer}.${expertTargets[target]}.${side}`,
} as const;

/** Gains and biases of the cloud's norms that are trained: all on the way to what the router reads. */
export function trainedNorms({ cloud, generator }: PairShape): string[] {
  if (!generator.cloudNorms) return [];
  const shapes = parameterShapes(cloud);
  return normNames(cloud)
    .slice(0, generator.metaState === "preNorm" ? -1 : undefined)
    .flatMap((name) => [`${name}.weight`, `${name}.bias`].filter((tensor) => shapes.has(tensor)));
}

/** How many sets of statistics, gains and biases the router's norm has, and of what width. */
export function normSize(shape: PairShape): { readonly scopes: number; readonly features: number } {
  const { routerNorm, routerNormScope, routerScope } = shape.generator;
  const scope = routerScope === "layer" ? "layer" : routerNormScope;
  return {
    scopes: scopeCount(scope, shape.edge.layers),
    features: routerNorm === "batchHidden" ? routerWidth(shape) : logitCount(shape.generator),
  };
}

type Put = (name: string, shape: readonly number[], start: Start) => void;

/** Name → shape and start of everything that is trained by gradient, unless a run holds it. Throws E_CONFIG for targets a model does not have. */
export function generatorParameters(shape: PairShape): Map<string, ParameterInfo> {
  requireTargets(shape);
  const { cloud, edge, generator } = shape;
  const found = new Map<string, ParameterInfo>();
  const put: Put = (name, size, start) => found.set(name, { shape: size, start });
  put(parameterNames.meta, [generator.metaTokens === "single" ? 1 : edge.layers, cloud.hidden], "embedding");
  for (let layer = 0; layer < cloud.layers; layer++) {
    for (const target of ownMaps(cloud, layer, generator.cloudTargets)) {
      const { inputs, outputs } = linearSize(cloud, target);
      put(parameterNames.cloudLora(layer, target, "A"), [generator.cloudRank, inputs], "kaiming");
      put(parameterNames.cloudLora(layer, target, "B"), [outputs, generator.cloudRank], generator.initialB);
    }
  }
  const cloudShapes = parameterShapes(cloud);
  for (const tensor of trainedNorms(shape)) put(parameterNames.cloudNorm(tensor), cloudShapes.get(tensor)!, "zero");
  const { scopes, behindRouter } = ownTensors[generator.generation];
  const width = routerWidth(shape);
  put(parameterNames.router("f1.weight"), [scopes(shape), width, cloud.hidden], "kaiming");
  put(parameterNames.router("f1.bias"), [scopes(shape), 1, width], "zero");
  behindRouter(shape, put);
  return found;
}

type OwnTensors = {
  /** Routers. */
  readonly scopes: (shape: PairShape) => number;
  /** What follows the router's hidden layer. */
  readonly behindRouter: (shape: PairShape, put: Put) => void;
  readonly hasLogits: boolean;
};

const ownTensors: { readonly [G in GeneratorConfig["generation"]]: OwnTensors } = {
  pool: {
    scopes: ({ generator, edge }) => scopeCount(generator.routerScope, edge.layers),
    behindRouter(shape, put) {
      putLogits(shape, put);
      putPools(shape, put);
    },
    hasLogits: true,
  },
  direct: { scopes: () => 1, behindRouter: putGenerators, hasLogits: false },
  svf: {
    scopes: ({ generator, edge }) => scopeCount(generator.routerScope, edge.layers),
    behindRouter(shape, put) {
      putLogits(shape, put);
      putFactors(shape, put);
    },
    hasLogits: true,
  },
};

/** Factors of singular values, from 1 on: the base model. */
function putFactors({ generator, edge }: PairShape, put: Put): void {
  const start = generator.initialB === "zero" ? "one" : "nearOne";
  for (let layer = 0; layer < edge.layers; layer++)
    for (const target of ownMaps(edge, layer, generator.targets))
      put(parameterNames.factors(layer, target), [generator.experts, generator.rank], start);
}

/** What a generator holds of its edge model: singular values and vectors of the maps that it scales, none elsewhere. */
export function generatorFrozen({
  generator,
  edge,
}: Omit<PairShape, "cloud">): Map<string, Pick<ParameterInfo, "shape">> {
  const found = new Map<string, Pick<ParameterInfo, "shape">>();
  if (generator.generation !== "svf") return found;
  for (let layer = 0; layer < edge.layers; layer++)
    for (const target of ownMaps(edge, layer, generator.targets)) {
      const { inputs, outputs } = linearSize(edge, target);
      found.set(parameterNames.svd(layer, target, "u"), { shape: [generator.rank, outputs] });
      found.set(parameterNames.svd(layer, target, "v"), { shape: [generator.rank, inputs] });
    }
  return found;
}

/** The second map of the router, and its norm. */
function putLogits(shape: PairShape, put: Put): void {
  const { generator, edge } = shape;
  const scopes = scopeCount(generator.routerScope, edge.layers);
  const outputs = logitCount(generator);
  // Signed coefficients start around 1, so that what all prompts have in common is learnt from the first step.
  const startBias = generator.strategy === "linear" ? "one" : "zero";
  const isLogitNorm = generator.routerNorm === "batch" || generator.routerNorm === "layer";
  put(parameterNames.router("f2.weight"), [scopes, outputs, routerWidth(shape)], "kaiming");
  put(parameterNames.router("f2.bias"), [scopes, 1, outputs], isLogitNorm ? "zero" : startBias);
  if (generator.routerNorm === "none") return;
  const norm = normSize(shape);
  put(parameterNames.router("norm.weight"), [norm.scopes, 1, norm.features], "one");
  put(parameterNames.router("norm.bias"), [norm.scopes, 1, norm.features], isLogitNorm ? startBias : "zero");
}

/** The experts. */
function putPools({ generator, edge }: PairShape, put: Put): void {
  const ranks = generator.experts * generator.rank;
  const { poolScope, targets } = generator;
  for (let pool = 0; pool < scopeCount(poolScope, edge.layers); pool++) {
    for (const target of poolScope === "shared" ? targets : ownMaps(edge, pool, targets)) {
      const { inputs, outputs } = linearSize(edge, target);
      put(parameterNames.expert(pool, target, "A"), [ranks, inputs], "kaiming");
      put(parameterNames.expert(pool, target, "B"), [ranks, outputs], generator.initialB);
    }
  }
}

/** What makes A and B from a hidden state. */
function putGenerators(shape: PairShape, put: Put): void {
  const { generator, edge } = shape;
  const { initialB, rank } = generator;
  const width = routerWidth(shape);
  for (const target of generator.targets) {
    const { inputs, outputs } = linearSize(edge, target);
    for (const [side, size, start] of [
      ["A", inputs, "kaiming"],
      ["B", outputs, initialB],
    ] as const) {
      put(parameterNames.direct(target, side, "weight"), [rank * size, width], start);
      put(parameterNames.direct(target, side, "bias"), [rank * size], side === "A" ? "embedding" : initialB);
    }
  }
}

/** Running statistics of the router's BatchNorm. */
export function generatorBuffers(shape: PairShape): Map<string, ParameterInfo> {
  const { generation, routerNorm } = shape.generator;
  if (!ownTensors[generation].hasLogits || routerNorm === "none" || routerNorm === "layer") return new Map();
  const { scopes, features } = normSize(shape);
  const size = [scopes, 1, features];
  return new Map([
    [parameterNames.router("norm.mean"), { shape: size, start: "zero" }],
    [parameterNames.router("norm.variance"), { shape: size, start: "one" }],
  ]);
}

/** Fresh values. Kaiming-uniform with a = √5, as PyTorch's linear layers and PEFT's A start: U(−1/√in, 1/√in). */
export function initialValues(parameters: ReadonlyMap<string, ParameterInfo>, rng: Rng): Map<string, Float32Array> {
  const starts: Record<Start, (out: Float32Array, inputs: number, stream: Rng) => Float32Array> = {
    zero: (out) => out,
    one: (out) => out.fill(1),
    nearOne: (out, _, stream) => stream.fillNormal(out, 1e-3).map((value) => 1 + value),
    small: (out, _, stream) => stream.fillNormal(out, 1e-3),
    kaiming: (out, inputs, stream) => stream.fillUniform(out, 1 / Math.sqrt(inputs)),
    embedding: (out, _, stream) => stream.fillNormal(out, 0.02),
  };
  return new Map(
    [...parameters].map(([name, { shape, start }]) => {
      const out = new Float32Array(shape.reduce((a, b) => a * b, 1));
      return [name, starts[start](out, shape.at(-1)!, rng.split(name))];
    }),
  );
}
