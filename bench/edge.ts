/** @file `edge`: what a specialised model costs at use, beside the base model and beside a prompt with five examples. */
import { createDecoder, type Decoder } from "../src/decode/decoder.ts";
import { merge } from "../src/generator/merge.ts";
import { createSpecializer } from "../src/generator/specialize.ts";
import { encodeInput, encodePrompted, renderSystemPrompt } from "../src/text/prompt.ts";
import { description, examples, queries } from "./support/bank-router.ts";
import { atMost, type Bench, interleave, median, medians } from "./support/bench.ts";
import { benchPair } from "./support/bench-pair.ts";

/** Merging may not make a token slower than this. */
const limit = 1.03;
/** Enough tokens that a pass over them is measured well, few enough that attention stays small. */
const generatedTokens = 64;
/** An answer: a label. */
const answerTokens = 4;
/** A query takes milliseconds, so there are many. */
const leastRepetitions = 41;

export const edge: Bench = {
  summary: "merged against base model, per token; specialised against prompted with five examples, per query",
  run: async (options) => {
    const pair = await benchPair(options);
    const { tokenizer, layout } = pair;
    const { threads } = options;
    await using specializer = await createSpecializer(pair, { threads });
    const merged = await merge(pair, await specializer.specialize(description));
    await using base = await createDecoder(pair.edge, { threads });
    await using specialized = await createDecoder(merged, { threads });
    const repetitions = options.quick ? 3 : Math.max(options.repetitions, leastRepetitions);
    const rounds = { ...options, repetitions };

    const start = encodeInput(tokenizer, layout, queries[0]!);
    const perToken = (decoder: Decoder) => async () => {
      const { ms, outputTokens } = await decoder.generate(start, {
        maxTokens: generatedTokens,
        stopIds: [],
        reusePrefix: false,
      });
      return ms.decode / outputTokens;
    };
    const tokens = await interleave({ base: perToken(base), merged: perToken(specialized) }, rounds);

    const prompt = renderSystemPrompt({ description, examples });
    const prompted = queries.map((query) => encodePrompted(tokenizer, layout, { prompt, input: query }));
    const alone = queries.map((query) => encodeInput(tokenizer, layout, query));
    const perQuery = (decoder: Decoder, asked: readonly (readonly number[])[], reusePrefix: boolean) => {
      let turn = 0;
      return async () => {
        const from = performance.now();
        await decoder.generate(asked[turn++ % asked.length]!, { maxTokens: answerTokens, stopIds: [], reusePrefix });
        return performance.now() - from;
      };
    };
    const specializedQueries = await interleave(
      { specialized: perQuery(specialized, alone, false), prompted: perQuery(base, prompted, false) },
      rounds,
    );
    // Each decoder has its own cache, so taking turns leaves both caches warm.
    const cached = await interleave(
      { specialized: perQuery(specialized, alone, true), prompted: perQuery(base, prompted, true) },
      rounds,
    );

    const raw = {
      "base, ms per token": tokens.base,
      "merged, ms per token": tokens.merged,
      "specialized, ms per query": specializedQueries.specialized,
      "prompted-5shot, ms per query": specializedQueries.prompted,
      "prompted-5shot with a cached prompt, ms per query": cached.prompted,
      "specialized beside it, ms per query": cached.specialized,
    };
    const perTokenRatio = median(tokens.merged) / median(tokens.base);
    return {
      configuration: {
        pair: pair.name,
        edge: { ...pair.edge.config, parameters: pair.edge.parameterCount },
        generatedTokens,
        answerTokens,
        inputTokens: {
          specialized: median(alone.map((ids) => ids.length)),
          "prompted-5shot": median(prompted.map((ids) => ids.length)),
        },
      },
      raw,
      medians: medians(raw),
      ratios: {
        "merged / base, time per token": perTokenRatio,
        "prompted-5shot / specialized, time per query":
          median(specializedQueries.prompted) / median(specializedQueries.specialized),
        "prompted-5shot with a cached prompt / specialized, time per query":
          median(cached.prompted) / median(cached.specialized),
      },
      checks: [atMost("merged / base, time per token", perTokenRatio, limit)],
    };
  },
};
