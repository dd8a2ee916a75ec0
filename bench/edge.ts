/**
 * @file `edge`: what a specialised model costs at use, beside the base model and beside a prompt with five examples.
 *
 * Each turn begins with work that does not count: the threads of the session before are still spinning, and the cache
 * may hold another prompt.
 */
import { createDecoder, type Decoder } from "../src/decode/decoder.ts";
import { merge } from "../src/pair/merge.ts";
import { specialize } from "../src/pair/specialize.ts";
import { specializedEdge } from "../src/pair/specialized-edge.ts";
import { encodeInput, encodePrompted, renderSystemPrompt } from "../src/text/prompt.ts";
import { description, examples, queries } from "./support/bank-router.ts";
import {
  atMost,
  type Bench,
  type BenchOptions,
  interleave,
  median,
  medians,
  pairedRatio,
  timed,
} from "./support/bench.ts";
import { benchPair } from "./support/bench-pair.ts";

/** Merging may not make a token slower than this. */
const limit = 1.03;
/** Enough tokens that a pass over them is measured well, few enough that attention stays small. */
const generatedTokens = 32;
/** An answer: a label. */
const answerTokens = 4;
/** Enough for an interval; a round of all takes some ten seconds on two processors. */
const leastRepetitions = 15;

export const edge: Bench = {
  run: async (options) => {
    const repetitions = options.quick ? 3 : Math.max(options.repetitions, leastRepetitions);
    const rounds = { ...options, repetitions };
    const tokens = await measureTokens(rounds);

    const pair = await benchPair(options);
    const { tokenizer, layout } = pair;
    const { threads } = options;
    const specialization = await specialize(pair, description, { threads });
    await using base = await createDecoder(pair.edge, { threads });
    await using specialized = await createDecoder(await specializedEdge(pair, specialization), { threads });

    const prompt = renderSystemPrompt({ description, examples });
    const prompted = queries.map((query) => encodePrompted(tokenizer, layout, { prompt, input: query }));
    const alone = queries.map((query) => encodeInput(tokenizer, layout, query));
    const perQuery = (decoder: Decoder, asked: readonly (readonly number[])[], reusePrefix: boolean) => async () => {
      const answer = (ids: readonly number[]) =>
        decoder.generate(ids, { maxTokens: answerTokens, stopIds: [], reusePrefix });
      await answer(asked.at(-1)!);
      const ms = await timed(async () => {
        for (const ids of asked) await answer(ids);
      });
      return ms / asked.length;
    };
    const asked = await interleave(
      {
        specialized: perQuery(specialized, alone, true),
        prompted: perQuery(base, prompted, false),
        cached: perQuery(base, prompted, true),
      },
      rounds,
    );

    const raw = {
      "base, ms per token": tokens.base,
      "merged, ms per token": tokens.merged,
      "specialized, ms per query": asked.specialized,
      "prompted-5shot, ms per query": asked.prompted,
      "prompted-5shot with a cached prompt, ms per query": asked.cached,
    };
    const perTokenRatio = pairedRatio(tokens.merged, tokens.base);
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
        "prompted-5shot / specialized, time per query": pairedRatio(asked.prompted, asked.specialized),
        "prompted-5shot with a cached prompt / specialized, time per query": pairedRatio(
          asked.cached,
          asked.specialized,
        ),
      },
      checks: [atMost("merged / base, time per token", perTokenRatio, limit)],
    };
  },
};

/** Over dense weights, for into codes nothing is merged: milliseconds a token of the base model and of the merged one. */
async function measureTokens(options: BenchOptions): Promise<{ readonly base: number[]; readonly merged: number[] }> {
  const { threads } = options;
  const pair = await benchPair(options, { keepBlocks: false });
  const merged = await merge(pair, await specialize(pair, description, { threads }));
  await using plain = await createDecoder(pair.edge, { threads });
  await using changed = await createDecoder(merged, { threads });
  const start = encodeInput(pair.tokenizer, pair.layout, queries[0]!);
  const perToken = (decoder: Decoder) => async () => {
    const asked = { maxTokens: generatedTokens, stopIds: [], reusePrefix: false };
    await decoder.generate(start, { ...asked, maxTokens: answerTokens });
    const { ms, outputTokens } = await decoder.generate(start, asked);
    return ms.decode / outputTokens;
  };
  return await interleave({ base: perToken(plain), merged: perToken(changed) }, options);
}
