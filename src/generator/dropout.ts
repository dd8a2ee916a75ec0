/** @file Dropout on what the trained adapters read, cloud LoRA and experts alike (LoRA-Gen Table 9). */
import type { Rng } from "../base/rng.ts";
import { input, reshape, slice } from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";
import type { LinearMap } from "../models/config.ts";
import { linearName, linearSize, ownMaps } from "../models/parameters.ts";
import { dropout } from "../nn/dropout.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import type { GeneratorConfig } from "./config.ts";
import type { PairShape } from "./parameters.ts";

/** Two models and the maps in them that adapters are on. */
export type AdaptedPair = Pick<PairShape, "cloud" | "edge"> & {
  readonly generator: Pick<GeneratorConfig, "targets" | "cloudTargets">;
};

/** What an adapter reads in place of x, by the full name of its linear map. */
export type AdapterInput = (name: string, x: Node) => Node;

/** Outside training, and where the rate is 0. */
export const wholeInput: AdapterInput = (_, x) => x;

const names = (part: Part) => ({ tokens: `${part}.dropout.tokens`, features: `${part}.dropout.features` }) as const;

type Part = "cloud" | "edge";

/** What a layer's linear maps read. Maps that read the same value drop the same of it, so that it is dropped once. */
const readings: { readonly [M in LinearMap]: string } = {
  q: "attention",
  k: "attention",
  v: "attention",
  o: "heads",
  in: "convolution",
  out: "convolved",
  gate: "feedForward",
  up: "feedForward",
  down: "activation",
};

/** Every value that a model's adapted linear maps read: its width, and the full names of those maps. */
function adaptedReadings({ cloud, edge, generator }: AdaptedPair, part: Part): { inputs: number; maps: string[] }[] {
  const [config, targets] = part === "cloud" ? [cloud, generator.cloudTargets] : [edge, generator.targets];
  const found = new Map<string, { inputs: number; maps: string[] }>();
  for (let layer = 0; layer < config.layers; layer++)
    for (const target of ownMaps(config, layer, targets)) {
      const key = `${layer} ${readings[target]}`;
      const reading = found.get(key) ?? { inputs: linearSize(config, target).inputs, maps: [] };
      reading.maps.push(linearName(config, layer, target));
      found.set(key, reading);
    }
  return [...found.values()];
}

const widest = (read: readonly { inputs: number }[]): number => Math.max(...read.map(({ inputs }) => inputs));

/**
 * Drops from x (b, t, d), each value that maps read by noise of its own.
 * @param tokens (b, t): of the part's batch
 */
export function droppedInput(shape: AdaptedPair, part: Part, tokens: Node, rate: number): AdapterInput {
  if (rate === 0) return wholeInput;
  const [batch, time] = tokens.shape as [Dim, Dim];
  const read = adaptedReadings(shape, part);
  const fed = {
    tokens: input(names(part).tokens, [read.length, batch, time, 2]),
    features: input(names(part).features, [read.length, 2, widest(read)]),
  };
  const noiseOf = new Map(
    read.flatMap(({ maps, inputs }, i) => {
      const rows = reshape(slice(fed.tokens, 0, i, i + 1), [batch, time, 2]);
      const columns = reshape(slice(slice(fed.features, 0, i, i + 1), 2, 0, inputs), [2, inputs]);
      return maps.map((name) => [name, { tokens: rows, features: columns }] as const);
    }),
  );
  return (name, x) => dropout(x, noiseOf.get(name)!, rate);
}

/** Fresh noise for a batch of `rows` by `time` tokens. */
export function dropoutFeeds(shape: AdaptedPair, part: Part, [rows, time]: readonly [number, number], rng: Rng): Feeds {
  const read = adaptedReadings(shape, part);
  const width = widest(read);
  const tokens = new Float32Array(read.length * rows * time * 2);
  for (let i = 0; i < tokens.length; i += 2) [tokens[i], tokens[i + 1]] = pointOnCircle(rng);
  const features = new Float32Array(read.length * 2 * width);
  for (let start = 0; start < features.length; start += 2 * width)
    for (let i = start; i < start + width; i++) [features[i], features[i + width]] = pointOnCircle(rng);
  return {
    [names(part).tokens]: floatTensor([read.length, rows, time, 2], tokens),
    [names(part).features]: floatTensor([read.length, 2, width], features),
  };
}

function pointOnCircle(rng: Rng): [number, number] {
  const angle = 2 * Math.PI * rng.next();
  return [Math.cos(angle), Math.sin(angle)];
}
