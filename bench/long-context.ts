/** @file `long-context`: memory and time of long sequences, five layers with a window to one without against six without, the same weights. */
import { createRng } from "../src/base/rng.ts";
import { createCachedModel } from "../src/decode/cached-model.ts";
import { type KeyValueCache, withRoom } from "../src/decode/key-value-cache.ts";
import { slotLayout } from "../src/decode/slots.ts";
import type { ModelConfig } from "../src/models/config.ts";
import { parameterShapes } from "../src/models/parameters.ts";
import { ropeWeights } from "../src/models/rope.ts";
import type { WeightSource } from "../src/runtime/session.ts";
import { type Bench, interleave, medians, pairedRatio } from "./support/bench.ts";
import { llamaShape, randomTensor } from "./support/problem.ts";

const window = 512;
const shape = { hidden: 128, ffn: 384, layers: 6, heads: 4, kvHeads: 1, vocab: 512, context: 16384, tied: true };
const full: ModelConfig = { ...llamaShape(shape), modelType: "mistral" };
const windowed: ModelConfig = { ...full, windows: [window, window, window, window, window, 0] };
const models = { windowed, full } as const;
/** Tokens read at once, as `CachedModel.feed` does. */
const piece = 512;
/** Tokens decoded behind each length. */
const decoded = 64;

export const longContext: Bench = {
  async run(options) {
    const lengths = options.quick ? [128, 256] : [1024, 4096, 8192];
    const rng = createRng("long context");
    const ids = Array.from({ length: lengths.at(-1)! }, () => rng.int(shape.vocab));
    const weights: Record<string, WeightSource> = ropeWeights(full);
    for (const [name, size] of parameterShapes(full))
      weights[name] = { kind: "data", data: randomTensor("long context", name, size) };
    const subjects = Object.fromEntries(
      Object.entries(models).map(([name, config]) => [
        name,
        async () => {
          await using cached = await createCachedModel({ config, weights }, { threads: 1 });
          return await measure(cached.feed, ids, lengths);
        },
      ]),
    );
    const found = await interleave(subjects, options);
    const raw: Record<string, number[]> = {};
    const ratios: Record<string, number> = {};
    for (const [i, length] of lengths.entries()) {
      for (const what of ["prefill ms", "decode ms"] as const) {
        const of = (name: string) => found[name]!.map((times) => times[i]![what]);
        for (const name of Object.keys(models)) raw[`${length}: ${name} ${what}`] = of(name);
        ratios[`${length}: ${what}, full / windowed`] = pairedRatio(of("full"), of("windowed"));
      }
      const bytes = (of: (config: ModelConfig) => number) => of(full) / of(windowed);
      ratios[`${length}: bytes of a decoder's cache, full / windowed`] = bytes((config) => cacheBytes(config, length));
      ratios[`${length}: bytes of a slot of the service, full / windowed`] = bytes((config) =>
        slotLayout(config).bytesOf(length),
      );
      for (const [name, config] of Object.entries(models))
        raw[`${length}: ${name} cache bytes`] = [cacheBytes(config, length)];
    }
    return {
      configuration: { ...shape, window, piece, decoded, threads: 1 },
      raw,
      medians: medians(raw),
      ratios,
      checks: [],
    };
  },
};

/** Processor time in milliseconds: what other programs take from the clock is left out. */
async function processorMs(work: () => Promise<unknown>): Promise<number> {
  const from = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1000;
}

type Times = { readonly "prefill ms": number; readonly "decode ms": number };

/** Reads on from length to length, on one thread: the time until so many positions were read, and of one token behind them. */
async function measure(
  feed: (ids: readonly number[]) => Promise<Float32Array>,
  ids: readonly number[],
  lengths: readonly number[],
): Promise<Times[]> {
  const times: Times[] = [];
  let prefill = 0;
  let held = 0;
  for (const length of lengths) {
    prefill += await processorMs(() => feed(ids.slice(held, length - decoded)));
    const decode = await processorMs(async () => {
      for (let at = length - decoded; at < length; at++) await feed(ids.slice(at, at + 1));
    });
    held = length;
    times.push({ "prefill ms": prefill, "decode ms": decode / decoded });
  }
  return times;
}

/** What a decoder's cache takes when so many positions were read. */
function cacheBytes(config: ModelConfig, positions: number): number {
  let cache: KeyValueCache | undefined;
  for (let held = 0; held < positions; held += piece)
    cache = withRoom(cache, config, { positions: Math.min(positions, held + piece), held, forgets: true });
  return Object.values(cache!.past).reduce((sum, { data }) => sum + data.byteLength, 0);
}
