/** @file Asking a model the queries of a task: what it answers, and how long a query takes. */
import { inOrder } from "../base/at-once.ts";
import { AppError } from "../base/errors.ts";
import { requireRunning } from "../base/interrupt.ts";
import type { CompiledConstraint } from "../constraint/compile.ts";
import type { EvalSample } from "../data/eval-task.ts";
import type { TextLayout } from "../data/text-question.ts";
import { type BatchDecoder, createBatchDecoder } from "../decode/batch-decoder.ts";
import type { SavedPositions } from "../decode/batch-model.ts";
import type { StepChange } from "../decode/cached-model.ts";
import { createDecoder, type Decoder } from "../decode/decoder.ts";
import { behindPrefix, type Prefix } from "../decode/prefix.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { encodeBehindPrompt, encodeInput, encodePrompted, encodeTarget, type PromptLayout } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";
import { commonLength, type ForcedQuery } from "./packing.ts";
import { createTeacherForcing, type ForcedAnswer, sequenceLength, type TeacherForcing } from "./teacher-forcing.ts";
import { encodeTextQuery } from "./text-query.ts";

/** A sample as tokens: what the model reads before it answers, and the target's tokens or those of every choice; none of a target that is no answer. */
export type Query = ForcedQuery & {
  readonly target: string;
  readonly choices: readonly string[] | undefined;
};

export type Answered = {
  /** Which query it is. */
  readonly index: number;
  /** What was chosen or written, without special tokens. */
  readonly answer: string;
  /** "choice": the likeliest of the given answers; "stop": the answer ended; "length": it was cut off. */
  readonly finish: "choice" | "stop" | "length";
  /** Of each choice. Where it ends an answer its end token is included: a choice that begins another one is no likelier for being shorter. */
  readonly logLikelihoods?: readonly number[];
  /** Of the label that was written, where a constraint allowed labels alone. */
  readonly confidence?: number;
  /** Of the target, its end token included, where it was read in one pass. */
  readonly targetLogLikelihood?: number;
};

/** Owns the sessions of one set of weights: close it. */
export type Asker = AsyncDisposable & {
  /** With choices the likeliest one is the answer, without them the greedy answer of at most `maxTokens`. Those with choices come first, each kind in the queries' order. */
  ask(queries: readonly Query[], options: AskOptions): AsyncGenerator<Answered, void>;
  /**
   * Milliseconds of each query asked alone, its whole prompt read; one query before the first is not counted. Written answers
   * end with the longest of the targets at the latest, so that a model is not slow because it rambles.
   */
  time(queries: readonly Query[], options: AskOptions): Promise<number[]>;
};

export type AskOptions = {
  readonly maxTokens: number;
  /** Which tokens may come next where an answer is written. */
  readonly constraint?: CompiledConstraint | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type Edge = {
  readonly model: FrozenModel;
  readonly change?: StepChange | undefined;
  readonly prefix?: Prefix | undefined;
  /** The prompt whose place the prefix takes: inputs are written as they follow it, without a begin token. Without it they begin a text. */
  readonly behind?: string | undefined;
  readonly tokenizer: Tokenizer;
  readonly layout: PromptLayout;
};

/** Encodes a sample, behind `context` where it is given. Throws E_LIMIT where it exceeds the model's context. */
export function encodeQuery(
  { model, prefix, behind, tokenizer, layout }: Edge,
  { input, target }: EvalSample,
  {
    choices,
    context,
    isAnswer = true,
    textLayout,
  }: {
    readonly choices: readonly string[] | undefined;
    readonly context: string | undefined;
    /** Of a question in plain text, which has choices. */
    readonly textLayout?: TextLayout | undefined;
    /** Whether the target is an answer; else it tests answers. */
    readonly isAnswer?: boolean;
  },
): Query {
  const read = (): number[] => {
    if (context !== undefined) return encodePrompted(tokenizer, layout, { prompt: context, input });
    if (behind !== undefined) return encodeBehindPrompt(tokenizer, layout, { prompt: behind, input });
    return encodeInput(tokenizer, layout, input);
  };
  const laidOut = (): ForcedQuery => ({
    prompt: read(),
    answers: (choices ?? (isAnswer ? [target] : [])).map((choice) => encodeTarget(tokenizer, layout, choice)),
  });
  const query =
    textLayout === undefined || choices === undefined
      ? laidOut()
      : encodeTextQuery(tokenizer, textLayout, { input, choices, context, addSpecial: behind === undefined });
  const length = behindPrefix(prefix) + sequenceLength(query);
  if (length > model.config.context)
    throw new AppError("E_LIMIT", `${length} tokens exceed the model's context of ${model.config.context}`);
  return { target, choices, ...query };
}

export type AskerOptions = Pick<CompileOptions, "threads" | "device"> & {
  readonly now?: () => number;
  /** Off where the change is steered between questions: what the cache holds is not true any more. */
  readonly reusePrefix?: boolean;
};

/** Queries that are worked on at once where answers are written: some are known from their targets, of others as many are decoded as have room. */
const ahead = 32;
/** Tokens that prompts have in common from which on these are read once for all of them. */
const leastShared = 16;

/** Sessions are compiled at the first need: not every task needs both. */
export function createAsker({ model, change, prefix, tokenizer }: Edge, options: AskerOptions = {}): Asker {
  const { now = () => performance.now(), reusePrefix = true, ...compileOptions } = options;
  const compiled: { choosing?: Promise<TeacherForcing>; writing?: Promise<TeacherForcing> } = {};
  let opened: Promise<Decoder> | undefined;
  let openedMany: Promise<BatchDecoder> | undefined;
  /** Elsewhere caches stay on the device, and behind a prefix tokens stand where the batch's do not. */
  const writesMany = prefix === undefined && (options.device ?? "cpu") === "cpu";
  const forcing = (use: keyof typeof compiled) => {
    const writes = use === "writing";
    const what = { change, prefix, greedy: writes, holds: writes && writesMany };
    compiled[use] ??= createTeacherForcing(model, { ...compileOptions, ...what });
    return compiled[use];
  };
  const decoder = () => {
    opened ??= createDecoder(model, {
      ...compileOptions,
      ...(change === undefined ? {} : { change }),
      prefix,
      reusePrefix,
    });
    return opened;
  };
  const batchDecoder = () => {
    openedMany ??= createBatchDecoder(model, { ...compileOptions, ...(change === undefined ? {} : { change }) });
    return openedMany;
  };
  const capacity = model.config.context - behindPrefix(prefix);
  const stopIds = model.config.eosIds;
  const textOf = (ids: readonly number[]): string => tokenizer.decode([...ids], { skipSpecial: true });

  /** What a forward pass over given answers tells of a query, or decoding alone where there is a constraint or no given answer. */
  async function* ask(queries: readonly Query[], options: AskOptions) {
    for (const use of ["choosing", "writing"] as const) {
      const asked = ofUse(queries, use);
      if (asked.length === 0) continue;
      const isAlone = options.constraint !== undefined || asked[0]!.query.answers.length === 0;
      if (use === "writing" && isAlone) yield* writeAlone(asked, options);
      else yield* askTogether(use, asked, options);
    }
  }

  /** Answers of which nothing is known beforehand. What prompts have in common is read once. */
  async function* writeAlone(asked: readonly PlacedQuery[], options: AskOptions) {
    const [first] = asked;
    const shared = commonLength(asked.map(({ query }) => query.prompt));
    const beginning = first!.query.prompt.slice(0, shared);
    const saved = writesMany && shared >= leastShared ? await (await batchDecoder()).read(beginning) : undefined;
    yield* inOrder(asked, writesMany ? ahead : 1, async ({ at, query }) => {
      requireRunning(options.signal, "evaluation: interrupted");
      return { index: at, ...(await decode(query.prompt, [], options, saved && (() => saved))) };
    });
  }

  async function* askTogether(use: Use, asked: readonly PlacedQuery[], options: AskOptions) {
    const forced = await forcing(use);
    const run = forced.run(
      asked.map(({ query }) => query),
      options.signal,
    );
    yield* inOrder(run, use === "writing" && writesMany ? ahead : 1, async ({ index, answers }) => {
      const { at, query } = asked[index]!;
      const { choices } = query;
      const told =
        choices === undefined
          ? await write(query, answers[0]!, options)
          : choose(
              choices,
              answers.map(({ logLikelihood }) => logLikelihood),
            );
      const target = answers[choices === undefined ? 0 : choices.indexOf(query.target)];
      const known = target === undefined ? {} : { targetLogLikelihood: target.logLikelihood };
      return { index: at, ...told, ...known };
    });
  }

  /** The greedy answer. What it shares with the target is known from one forward pass over the target; only the rest is decoded. */
  async function write({ prompt, answers }: Query, { greedy, held }: ForcedAnswer, options: AskOptions): Promise<Told> {
    const target = answers[0]!;
    const leaves = target.findIndex((id, i) => greedy[i] !== id);
    const said = leaves < 0 ? [...target] : [...target.slice(0, leaves), greedy[leaves]!];
    return stopIds.includes(said.at(-1)!)
      ? { answer: textOf(said.slice(0, -1)), finish: "stop" }
      : decode(prompt, said, options, held && (() => held(said.length - 1)));
  }

  /** What follows `said`. @param held what was read of both already */
  async function decode(
    prompt: readonly number[],
    said: readonly number[],
    { maxTokens, constraint, signal }: AskOptions,
    held?: () => SavedPositions,
  ): Promise<Told> {
    if (said.length >= maxTokens || prompt.length + said.length > capacity)
      return { answer: textOf(said), finish: "length" };
    const writer = await (writesMany ? batchDecoder() : decoder());
    const { ids, finish, confidence } = await writer.generate([...prompt, ...said], {
      maxTokens: maxTokens - said.length,
      held,
      signal,
      ...underConstraint(constraint),
    });
    requireRunning(signal, "evaluation: interrupted");
    return {
      answer: textOf([...said, ...ids]),
      finish: finish === "stop" ? "stop" : "length",
      ...(confidence === undefined ? {} : { confidence }),
    };
  }

  const underConstraint = (constraint: CompiledConstraint | undefined) =>
    constraint === undefined
      ? { stopIds }
      : {
          stopIds: [...stopIds, ...constraint.stopIds],
          constraint: constraint.next,
          ...(constraint.labelOf === undefined ? {} : { confidenceTemperature: 1 }),
        };

  async function timeOne(query: Query, { maxTokens, constraint }: AskOptions): Promise<number> {
    const from = now();
    if (query.choices === undefined)
      await (await decoder()).generate(query.prompt, {
        maxTokens,
        reusePrefix: false,
        ...underConstraint(constraint),
      });
    else for await (const _ of (await forcing("choosing")).run([query]));
    return now() - from;
  }

  async function time(queries: readonly Query[], options: AskOptions): Promise<number[]> {
    if (queries.length === 0) return [];
    const lengths = queries.flatMap(({ answers }) => answers.map(({ length }) => length));
    const bounded = lengths.length === 0 ? options : { ...options, maxTokens: Math.max(...lengths) };
    await timeOne(queries[0]!, bounded);
    const times: number[] = [];
    for (const query of queries) times.push(await timeOne(query, bounded));
    return times;
  }

  return {
    ask,
    time,
    async [Symbol.asyncDispose]() {
      for (const forced of Object.values(compiled)) await (await forced).close();
      await (await opened)?.close();
      await (await openedMany)?.[Symbol.asyncDispose]();
    },
  };
}

type Use = "choosing" | "writing";
type PlacedQuery = { readonly at: number; readonly query: Query };
type Told = Omit<Answered, "index">;

/** The queries whose answer is chosen, or written, with their places. */
function ofUse(queries: readonly Query[], use: Use): PlacedQuery[] {
  return queries
    .map((query, at) => ({ at, query }))
    .filter(({ query }) => (query.choices === undefined) === (use === "writing"));
}

/** Digits of a log-likelihood that are kept: as many as it has. */
const digits = 9;

function choose(choices: readonly string[], exact: readonly number[]): Told {
  const logLikelihoods = exact.map((value) => Number(value.toPrecision(digits)));
  const best = logLikelihoods.indexOf(Math.max(...logLikelihoods));
  return { answer: choices[best]!, finish: "choice", logLikelihoods };
}
