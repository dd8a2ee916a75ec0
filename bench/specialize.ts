/** @file `specialize`: what making a specialisation costs beside one plain forward pass of the cloud model over the same tokens. */

import { input } from "../src/graph/build.ts";
import { embed, forward } from "../src/models/decoder.ts";
import { frozenParts } from "../src/models/frozen-model.ts";
import { createSpecializer } from "../src/pair/specialize.ts";
import { compile } from "../src/runtime/node.ts";
import { intTensor } from "../src/runtime/tensor.ts";
import { encodeCloudPrompt, renderSystemPrompt } from "../src/text/prompt.ts";
import { description, examples } from "./support/bank-router.ts";
import {
  atMost,
  type Bench,
  type BenchResult,
  interleave,
  joined,
  medians,
  pairedRatio,
  timed,
} from "./support/bench.ts";
import { benchPair } from "./support/bench-pair.ts";

const limit = 1.15;
/** A pass takes milliseconds, so there are many. */
const leastRepetitions = 61;

/** Prompts from short to long. The limit holds for each. */
const prompts: Readonly<Record<string, string>> = {
  description,
  "description and 5 examples": renderSystemPrompt({ description, examples }),
  "description and 30 examples": renderSystemPrompt({
    description,
    examples: Array.from({ length: 6 }, () => examples).flat(),
  }),
};

export const specialize: Bench = {
  run: async (options) => {
    const pair = await benchPair(options);
    const { threads } = options;
    const { config, weights } = pair.cloud;
    const parts = frozenParts(pair.cloud);
    const tokens = input("tokens", ["rows", "time"], "i64");
    await using plain = await compile(
      { outputs: { hidden: forward(config, parts, embed(config, parts, tokens)) } },
      { weights, threads },
    );
    await using specializer = await createSpecializer(pair, { threads });
    const measure = async (name: string, prompt: string): Promise<BenchResult> => {
      const ids = encodeCloudPrompt(pair.cloudTokenizer, pair.cloudLayout, prompt, {
        metaTokens: pair.shape.edge.layers,
      });
      const fed = { tokens: intTensor([1, ids.length], ids) };
      const measured = await interleave(
        { specialize: () => timed(() => specializer.specialize(prompt)), forward: () => timed(() => plain.run(fed)) },
        { ...options, repetitions: options.quick ? 3 : Math.max(options.repetitions, leastRepetitions) },
      );
      const ratio = pairedRatio(measured.specialize, measured.forward);
      const raw = { [`${name}: specialize ms`]: measured.specialize, [`${name}: forward ms`]: measured.forward };
      return {
        configuration: { [`${name}: tokens`]: ids.length },
        raw,
        medians: medians(raw),
        ratios: { [`${name}: specialize / forward`]: ratio },
        checks: [atMost(`specialize / forward, ${ids.length} tokens`, ratio, limit)],
      };
    };
    const results: BenchResult[] = [];
    for (const [name, prompt] of Object.entries(prompts)) results.push(await measure(name, prompt));
    const { raw, ...rest } = joined(results);
    const cloud = { ...config, parameters: pair.cloud.parameterCount };
    return { ...rest, configuration: { pair: pair.name, cloud, ...rest.configuration }, raw };
  },
};
