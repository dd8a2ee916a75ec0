/** @file Asking a model the queries of a task: which answers are right, and how long a query takes. */
import { AppError } from "../base/errors.ts";
import { createDecoder, type DecodableModel, type Decoder } from "../decode/decoder.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { encodeInput, encodePrompted, encodeTarget, type PromptLayout } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";
import { mostLikely, mostLikelyPerByte } from "./choices.ts";
import { type ExactMatchOptions, isGreedyAnswer, judge } from "./exact-match.ts";
import type { ForcedQuery } from "./packing.ts";
import type { TaskSample } from "./task-file.ts";
import { createTeacherForcing, type ForcedAnswer, sequenceLength } from "./teacher-forcing.ts";

/** A sample as tokens: what the model reads before it answers, and the target's tokens or those of every choice. */
export type Query = ForcedQuery & { readonly sample: TaskSample };

export type Outcome = {
  readonly isRight: boolean;
  /** By the log-likelihood per byte where there are choices; else the same as `isRight`. */
  readonly isRightPerByte: boolean;
};

/** Owns the sessions of one set of weights: close it. */
export type Asker = AsyncDisposable & {
  /** With choices the likeliest one must be the target, without them the greedy answer must equal it (both trimmed). */
  ask(queries: readonly Query[], signal?: AbortSignal): Promise<Outcome[]>;
  /**
   * Mean milliseconds of a query asked alone, its whole prompt read; one query before the first is not counted. Greedy
   * answers end with the longest of the targets at the latest, so that a model is not slow because it rambles.
   */
  time(queries: readonly Query[]): Promise<number>;
};

export type Edge = {
  readonly model: DecodableModel;
  readonly tokenizer: Tokenizer;
  readonly layout: PromptLayout;
};

/** Encodes samples, behind `context` where it is given. Throws E_LIMIT, naming the sample, where one exceeds the model's context. */
export function encodeQueries(
  { model, tokenizer, layout }: Edge,
  samples: readonly TaskSample[],
  context: string | undefined,
): Query[] {
  return samples.map((sample, index) => {
    const { input, target, choices = [target] } = sample;
    const prompt =
      context === undefined
        ? encodeInput(tokenizer, layout, input)
        : encodePrompted(tokenizer, layout, { prompt: context, input });
    const answers = choices.map((choice) => encodeTarget(tokenizer, layout, choice));
    const length = sequenceLength({ prompt, answers });
    if (length > model.config.context)
      throw new AppError(
        "E_LIMIT",
        `samples.${index}: ${length} tokens exceed the edge model's context of ${model.config.context}`,
      );
    return { sample, prompt, answers };
  });
}

/** Compiles a model for asking. Its decoder is compiled at the first need. */
export async function createAsker(
  { model, tokenizer }: Edge,
  options: Pick<CompileOptions, "threads" | "device"> & { readonly now?: () => number } = {},
): Promise<Asker> {
  const { now = () => performance.now(), ...compileOptions } = options;
  const forcing = await createTeacherForcing(model, compileOptions);
  let opened: Promise<Decoder> | undefined;
  const decoder = () => {
    opened ??= createDecoder(model, compileOptions);
    return opened;
  };

  const stopping = { tokenizer, stopIds: model.config.eosIds };

  async function ask(queries: readonly Query[], signal?: AbortSignal): Promise<Outcome[]> {
    const forced = await forcing.run(queries, signal);
    const outcomes: Outcome[] = [];
    for (const [i, query] of queries.entries()) {
      const { choices, target } = query.sample;
      outcomes.push(
        choices === undefined
          ? await judgeAnswer(query, forced[i]![0]!.greedy, decoder, { ...stopping, signal })
          : judgeChoices(choices, target, forced[i]!),
      );
    }
    return outcomes;
  }

  async function timeOne({ sample, prompt, answers }: Query, maxTokens: number): Promise<number> {
    const from = now();
    if (sample.choices === undefined)
      await (await decoder()).generate(prompt, { maxTokens, ...stopping, reusePrefix: false });
    else await (await decoder()).score(prompt, answers, { reusePrefix: false });
    return now() - from;
  }

  async function time(queries: readonly Query[]): Promise<number> {
    const maxTokens = Math.max(...queries.flatMap(({ answers }) => answers.map(({ length }) => length)));
    await timeOne(queries[0]!, maxTokens);
    let total = 0;
    for (const query of queries) total += await timeOne(query, maxTokens);
    return total / queries.length;
  }

  return {
    ask,
    time,
    async [Symbol.asyncDispose]() {
      await forcing.close();
      await (await opened)?.close();
    },
  };
}

async function judgeAnswer(
  { sample, prompt, answers }: Query,
  greedy: readonly number[],
  decoder: () => Promise<Decoder>,
  options: ExactMatchOptions & { readonly signal?: AbortSignal | undefined },
): Promise<Outcome> {
  const verdict = judge(answers[0]!, greedy, sample.target, options);
  const isRight =
    verdict === "open" ? await isGreedyAnswer(await decoder(), prompt, sample.target, options) : verdict === "equal";
  return { isRight, isRightPerByte: isRight };
}

function judgeChoices(choices: readonly string[], target: string, answers: readonly ForcedAnswer[]): Outcome {
  const scored = answers.map(({ logLikelihood }, j) => ({ logLikelihood, text: choices[j]! }));
  return {
    isRight: choices[mostLikely(scored)] === target,
    isRightPerByte: choices[mostLikelyPerByte(scored)] === target,
  };
}
