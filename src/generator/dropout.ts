/** @file Dropout on what the trained adapters read, cloud LoRA and experts alike (LoRA-Gen Table 9, AMB-8). */
import type { Rng } from "../base/rng.ts";
import { input, reshape, slice } from "../graph/build.ts";
import type { Dim, Node } from "../graph/types.ts";
import { linearName, linearSize } from "../models/parameters.ts";
import { dropout } from "../nn/dropout.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import type { PairShape } from "./parameters.ts";

/** What an adapter reads in place of x, by the full name of its linear map. */
export type AdapterInput = (name: string, x: Node) => Node;

/** Outside training, and where the rate is 0. */
export const wholeInput: AdapterInput = (_, x) => x;

const names = (part: Part) => ({ tokens: `${part}.dropout.tokens`, features: `${part}.dropout.features` }) as const;

type Part = "cloud" | "edge";

/** Every adapted linear map of a model and the width of its input. */
function adaptedMaps({ cloud, edge, generator }: PairShape, part: Part): { name: string; inputs: number }[] {
  const [config, targets] = part === "cloud" ? [cloud, generator.cloudTargets] : [edge, generator.targets];
  return Array.from({ length: config.layers }, (_, layer) =>
    targets.map((target) => ({ name: linearName(config, layer, target), inputs: linearSize(config, target).inputs })),
  ).flat();
}

const widest = (maps: readonly { inputs: number }[]): number => Math.max(...maps.map(({ inputs }) => inputs));

/**
 * Drops from x (b, t, d), each map by noise of its own.
 * @param tokens (b, t): of the part's batch
 */
export function droppedInput(pair: PairShape, part: Part, tokens: Node, rate: number): AdapterInput {
  if (rate === 0) return wholeInput;
  const [batch, time] = tokens.shape as [Dim, Dim];
  const maps = adaptedMaps(pair, part);
  const fed = {
    tokens: input(names(part).tokens, [maps.length, batch, time]),
    features: input(names(part).features, [maps.length, widest(maps)]),
  };
  const noiseOf = new Map(
    maps.map(({ name, inputs }, i) => {
      const rows = reshape(slice(fed.tokens, 0, i, i + 1), [batch, time]);
      const columns = reshape(slice(slice(fed.features, 0, i, i + 1), 1, 0, inputs), [inputs]);
      return [name, { tokens: rows, features: columns }];
    }),
  );
  return (name, x) => dropout(x, noiseOf.get(name)!, rate);
}

/** Fresh noise for a batch of `rows` by `time` tokens. */
export function dropoutFeeds(pair: PairShape, part: Part, [rows, time]: readonly [number, number], rng: Rng): Feeds {
  const maps = adaptedMaps(pair, part);
  const uniform = (...shape: number[]) =>
    floatTensor(
      shape,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.next()),
    );
  return {
    [names(part).tokens]: uniform(maps.length, rows, time),
    [names(part).features]: uniform(maps.length, widest(maps)),
  };
}
