/** @file The decoder that every architecture is a case of: norm, attention, norm, feed-forward, over a residual stream. */
import {
  add,
  cachedAttention,
  concat,
  constant,
  gather,
  mul,
  reshape,
  rope,
  scale as scaleBy,
  slice,
} from "../graph/build.ts";
import { mulDims } from "../graph/dims.ts";
import type { Dim, Node } from "../graph/types.ts";
import { activations, softCap } from "../nn/activation.ts";
import {
  attend,
  causalMask,
  defaultPositions,
  joinHeads,
  segmentMask,
  splitHeads,
  windowMask,
} from "../nn/attention.ts";
import { type Before, firstBefore, gatedConvolution, seenBefore } from "../nn/convolution.ts";
import { norms } from "../nn/norm.ts";
import type { Linear, Parts } from "../nn/parts.ts";
import { architectures } from "./architectures/index.ts";
import type { LinearMap, ModelConfig } from "./config.ts";
import { convolves, embeddingName, headName, linearName, linearSize } from "./parameters.ts";
import { ropeNames, turnedOf, windowRopeNames } from "./rope.ts";

/** tokens (b, t) i64 → (b, t, d): rows of the embedding. */
export function embed(config: ModelConfig, parts: Parts, tokens: Node): Node {
  return parts.lookup(embeddingName(config), config.vocab, config.hidden)(tokens);
}

/** Several sequences in one row: which one each token belongs to, and its position there. All (b, t) i64. */
export type Segments = {
  readonly ids: Node;
  /** The segment a token sees beside its own; its own where there is none. */
  readonly sees: Node;
  readonly positions: Node;
};

/**
 * The last hidden states, after the final norm.
 * @param embedded (b, t, d), from `embed`
 * @param segments where rows hold several sequences that must not see each other
 * @returns (b, t, d)
 */
export function forward(config: ModelConfig, parts: Parts, embedded: Node, segments?: Segments): Node {
  return forwardView(config, parts, embedded, viewOf(embedded, segments));
}

/** What the tokens of `embedded` (b, t, d) see: those before them, of their segment where there are segments. */
export function viewOf(embedded: Node, segments?: Segments): View {
  const [batch, time] = embedded.shape as [Dim, Dim, Dim];
  const mask = (window: number): Node => {
    if (segments === undefined) return causalMask(time, window);
    const { ids, sees, positions } = segments;
    const seen = add(causalMask(time), segmentMask(ids, sees));
    return window === 0 ? seen : add(seen, windowMask(positions, window));
  };
  return { positions: segments?.positions ?? defaultPositions(batch, time), mask };
}

/** Where tokens stand and what they see. */
export type View = {
  /** (b, t) i64 */
  readonly positions: Node;
  /** 0 where a token sees another, −1e9 where not, (t, t) or (b, 1, t, t), for a layer that sees `window` positions (0: all). */
  readonly mask: (window: number) => Node;
  /** Whether a row may have more tokens than the context has positions. */
  readonly hasLongRows?: boolean;
  /** Per layer: what all tokens see in front of them, for rows of their own or the same for all (b = 1). */
  readonly prefix?: readonly LayerCache[] | undefined;
  /** 0 where a token sees a position of the prefix, −1e9 where not, (b, 1, t, p), for a layer with a window; else it sees all of it. */
  readonly prefixMask?: (window: number) => Node;
};

/** The same for any positions and any visibility. */
export function forwardView(config: ModelConfig, parts: Parts, embedded: Node, view: View): Node {
  return finalNorm(config, parts, forwardLayers(config, parts, embedded, view).at(-1)!);
}

/** What leaves each layer, the first one first, before any final norm: (b, t, d) each. */
export const forwardLayers = (config: ModelConfig, parts: Parts, embedded: Node, view: View): Node[] =>
  throughLayers(config, parts, embedded, view).outputs;

/**
 * The last hidden states (b, t, d), and what every layer's tokens leave to those behind them: keys and values (b, kvHeads, t, headDim),
 * positions in the keys; of one that convolves what it reads of them (b, t, hidden).
 */
export function forwardKeys(
  config: ModelConfig,
  parts: Parts,
  embedded: Node,
  view: View,
): { readonly hidden: Node; readonly keys: readonly LayerCache[] } {
  const { outputs, keys } = throughLayers(config, parts, embedded, view);
  return { hidden: finalNorm(config, parts, outputs.at(-1)!), keys };
}

function throughLayers(config: ModelConfig, parts: Parts, embedded: Node, view: View) {
  const { heads, kvHeads, attentionCap: cap, convolution } = config;
  const turn = turnHeads(config, parts, view);
  const masks = new Map<number, Node>();
  const maskOf = (window: number): Node => {
    const mask = masks.get(window) ?? view.mask(window);
    masks.set(window, mask);
    return mask;
  };
  const [batch, time] = embedded.shape as [Dim, Dim, Dim];
  const seen = convolution && seenBefore(maskOf(0), batch, time, convolution.width - 1);
  const keys: LayerCache[] = [];
  const attendLayer: Attend = (layer, q, k, v) => {
    const window = config.windows[layer] ?? 0;
    const mask = maskOf(window);
    const own = { k: turn(layer, k, kvHeads), v: splitHeads(v, kvHeads) };
    keys[layer] = own;
    const prefix = view.prefix?.[layer];
    if (prefix !== undefined && "inputs" in prefix) throw new Error("internal: a layer that attends has no keys");
    const front = prefix && { ...prefix, mask: window === 0 ? undefined : view.prefixMask?.(window) };
    const options = { scale: attentionScale(config), cap, prefix: front };
    return joinHeads(attend(turn(layer, q, heads), own.k, own.v, mask, options));
  };
  const before = (layer: number): Before => {
    const past = view.prefix?.[layer];
    if (past !== undefined && !("inputs" in past)) throw new Error("internal: a layer that convolves has no inputs");
    return (inputs) => {
      keys[layer] = { inputs };
      return seen!(past?.inputs)(inputs);
    };
  };
  const start = positioned(config, parts, embedded, view.positions);
  return { outputs: layers(config, parts, start, attendLayer, before), keys };
}

/** Of a layer: keys and values (b, kvHeads, capacity, d); of one that convolves what it read last (b, width − 1, hidden), zeros before the first. */
export type LayerCache = { readonly k: Node; readonly v: Node } | { readonly inputs: Node };

/** Another node in each one's place. */
export const mapLayer = (layer: LayerCache, f: (node: Node) => Node): LayerCache =>
  "inputs" in layer ? { inputs: f(layer.inputs) } : { k: f(layer.k), v: f(layer.v) };

export type Cache = {
  readonly past: readonly LayerCache[];
  /** (b) i64: the index of the last valid position after this step. */
  readonly last: Node;
  /** () i64: the number of valid positions after this step. */
  readonly total: Node;
  /** The same for layers that see a window, whose cache may hold the last positions alone. */
  readonly near: { readonly last: Node; readonly total: Node };
};

/**
 * The same over a cache: `embedded` holds only the new tokens, at `positions` (b, t) i64. What is present behind them is what is past before
 * the next ones, but for layers that convolve: there it is what they read, of the new tokens alone, (b, t, hidden).
 */
export function forwardCached(config: ModelConfig, parts: Parts, embedded: Node, positions: Node, cache: Cache) {
  const { heads, kvHeads } = config;
  const present: LayerCache[] = [];
  const turn = turnRows(config, parts, positions);
  const attendLayer: Attend = (layer, q, k, v) => {
    const past = cache.past[layer]!;
    if ("inputs" in past) throw new Error("internal: a layer that attends has no keys");
    const { k: pastK, v: pastV } = past;
    const window = config.windows[layer] ?? 0;
    const { last, total } = window > 0 ? cache.near : cache;
    const attended = cachedAttention([turn(layer, q), turn(layer, k), v, pastK, pastV, last, total], {
      heads,
      kvHeads,
      scale: attentionScale(config),
      window,
      cap: config.attentionCap,
    });
    present[layer] = { k: attended.presentK, v: attended.presentV };
    return attended.output;
  };
  const before = (layer: number): Before => {
    const past = cache.past[layer]!;
    if (!("inputs" in past)) throw new Error("internal: a layer that convolves has no inputs before");
    return (inputs) => {
      present[layer] = { inputs };
      return firstBefore(inputs, past.inputs);
    };
  };
  const start = positioned(config, parts, embedded, positions);
  const outputs = layers(config, parts, start, attendLayer, before);
  return { hidden: finalNorm(config, parts, outputs.at(-1)!), present };
}

/** hidden (…, d) → logits (…, vocab), by the embedding where the head is tied. */
export function logits(config: ModelConfig, parts: Parts, hidden: Node): Node {
  const head = parts.linear(config.tied ? embeddingName(config) : headName, config.hidden, config.vocab);
  return softCap(scaleBy(head(hidden), 1 / (config.multipliers?.logitDivisor ?? 1)), config.logitCap);
}

const attentionScale = ({ multipliers, queryScalar, headDim }: ModelConfig): number =>
  multipliers?.attention ?? 1 / Math.sqrt(queryScalar ?? headDim);

/** What enters the first layer. */
function positioned(config: ModelConfig, parts: Parts, embedded: Node, at: Node): Node {
  const { scalesEmbeddings, positions } = architectures[config.modelType];
  const multiplier = scalesEmbeddings ? Math.sqrt(config.hidden) : (config.multipliers?.embedding ?? 1);
  const x = scaleBy(embedded, multiplier);
  if (positions === "rotary") return x;
  const table = parts.weight(positions.name, [config.context + positions.offset, config.hidden]);
  return add(x, gather(table, add(at, constant(positions.offset, [], "i64"))));
}

/** Splits heads and turns them to their positions: (b, t, heads·d) → (b, heads, t, d). */
function turnHeads(
  config: ModelConfig,
  parts: Parts,
  { positions, hasLongRows = false }: Omit<View, "mask">,
): (layer: number, x: Node, heads: number) => Node {
  const { headDim } = config;
  return (layer, x, heads) => {
    const tables = ropeTables(config, parts, layer);
    if (tables === undefined) return splitHeads(x, heads);
    const { cos, sin } = tables;
    const turn = (y: Node, at: Node) => turnFirst(config, y, (part) => rope(part, at, cos, sin));
    if (!hasLongRows) return turn(splitHeads(x, heads), positions);
    // The operator takes rows up to the context: every token becomes a row of its own, (b·t, heads, 1, d).
    const rows = mulDims(...positions.shape);
    const each = turn(reshape(x, [rows, heads, 1, headDim]), reshape(positions, [rows, 1]));
    return splitHeads(reshape(each, x.shape), heads);
  };
}

/** The same where heads stay side by side: (b, t, heads·d) → (b, t, heads·d). */
function turnRows(config: ModelConfig, parts: Parts, positions: Node): (layer: number, x: Node) => Node {
  const { headDim } = config;
  return (layer, x) => {
    const tables = ropeTables(config, parts, layer);
    if (tables === undefined) return x;
    const { cos, sin } = tables;
    if (turnedOf(config) === headDim) return rope(x, positions, cos, sin);
    const [batch, time, width] = x.shape as [Dim, Dim, number];
    const heads = width / headDim;
    const turn = (part: Node) =>
      reshape(rope(reshape(part, [batch, time, heads * turnedOf(config)]), positions, cos, sin), part.shape);
    return reshape(turnFirst(config, reshape(x, [batch, time, heads, headDim]), turn), x.shape);
  };
}

/** Turns the first numbers of heads, all or some of them: (…, …, …, d) → the same. */
function turnFirst(config: ModelConfig, x: Node, turn: (part: Node) => Node): Node {
  const turned = turnedOf(config);
  if (turned === config.headDim) return turn(x);
  return concat([turn(slice(x, 3, 0, turned)), slice(x, 3, turned, config.headDim)], 3);
}

/** Cosines and sines of a layer by position, (context, turned/2); undefined where its heads are not turned. */
function ropeTables(config: ModelConfig, parts: Parts, layer: number): { cos: Node; sin: Node } | undefined {
  const { modelType, context, unturned, windows, windowRotary } = config;
  if (architectures[modelType].positions !== "rotary" || unturned?.[layer]) return undefined;
  const isOfWindows = windowRotary !== undefined && (windows[layer] ?? 0) > 0;
  const { cos, sin } = isOfWindows ? windowRopeNames : ropeNames;
  const table = (name: string) => parts.weight(name, [context, turnedOf(config) / 2]);
  return { cos: table(cos), sin: table(sin) };
}

/** How one layer attends: q (b, t, heads·d); k, v (b, t, kvHeads·d), positions not yet in them → (b, t, heads·d). */
type Attend = (layer: number, q: Node, k: Node, v: Node) => Node;

/** What leaves each layer. @param before what a convolution of a layer reads of the tokens before each */
function layers(
  config: ModelConfig,
  parts: Parts,
  start: Node,
  attendLayer: Attend,
  before: (layer: number) => Before,
): Node[] {
  const { norms: names, headNorms, layers: prefix, linear, activation, taps } = architectures[config.modelType];
  const residual = config.multipliers?.residual ?? 1;
  const outputs: Node[] = [];
  let x = start;
  for (let i = 0; i < config.layers; i++) {
    const map = (target: LinearMap) => linearMap(config, parts, i, target);
    const norm = (y: Node, name: string | undefined) =>
      name === undefined ? y : normalized(config, parts, y, `${prefix}.${i}.${name}`);
    const heads = (target: "q" | "k", y: Node) =>
      headNorms === undefined ? y : normalizedHeads(config, parts, y, `${prefix}.${i}.${headNorms[target]}`);
    const attended = (h: Node): Node =>
      map("o")(attendLayer(i, heads("q", map("q")(h)), heads("k", map("k")(h)), map("v")(h)));
    const convolved = (h: Node): Node => {
      const factors = parts.weight(`${prefix}.${i}.${taps}.weight`, [config.hidden, 1, config.convolution!.width]);
      return map("out")(gatedConvolution(map("in")(h), factors, before(i)));
    };
    const mixed = (convolves(config, i) ? convolved : attended)(norm(x, names.beforeAttention));
    x = add(x, scaleBy(norm(mixed, names.afterAttention), residual));
    const f = norm(x, names.beforeFeedForward);
    const activate = activations[activation];
    const inner = linear.gate === undefined ? activate(map("up")(f)) : mul(activate(map("gate")(f)), map("up")(f));
    x = add(x, scaleBy(norm(map("down")(inner), names.afterFeedForward), residual));
    outputs.push(x);
  }
  return outputs;
}

/** The norm behind the last layer: (…, d) → (…, d). */
export const finalNorm = (config: ModelConfig, parts: Parts, x: Node): Node =>
  normalized(config, parts, x, architectures[config.modelType].norms.last);

function normalized(config: ModelConfig, parts: Parts, x: Node, name: string): Node {
  const vector = (part: "weight" | "bias") => parts.weight(`${name}.${part}`, [config.hidden]);
  return norms[architectures[config.modelType].norm](x, vector("weight"), () => vector("bias"), config.epsilon);
}

/** Each head by itself: (b, t, heads·d) → (b, t, heads·d). */
function normalizedHeads(config: ModelConfig, parts: Parts, x: Node, name: string): Node {
  const [batch, time, width] = x.shape as [Dim, Dim, number];
  const { headDim, epsilon, modelType } = config;
  const gain = parts.weight(`${name}.weight`, [headDim]);
  const noBias = (): Node => {
    throw new Error(`internal: "${name}" has no bias`);
  };
  const each = reshape(x, [batch, time, width / headDim, headDim]);
  return reshape(norms[architectures[modelType].norm](each, gain, noBias, epsilon), x.shape);
}

function linearMap(config: ModelConfig, parts: Parts, layer: number, target: LinearMap): Linear {
  const name = linearName(config, layer, target);
  const { inputs, outputs } = linearSize(config, target);
  const plain = parts.linear(name, inputs, outputs);
  if (!config.biased.includes(target)) return plain;
  return (x) => add(plain(x), parts.weight(`${name}.bias`, [outputs]));
}
