/** @file Generation: a prompt, then one token after the other until something says stop. */
import { AppError } from "../base/errors.ts";
import { createTextStream } from "../text/text-stream.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";
import type { CachedModel } from "./cached-model.ts";
import { requireTemperature, scaleConfidence } from "./confidence.ts";
import { type Constraint, createMask, logShare } from "./constraint.ts";
import { createSampler, type Sampling } from "./sampling.ts";
import { createStopFilter } from "./stop-strings.ts";

export type GenerateOptions = Sampling & {
  readonly maxTokens?: number | undefined;
  /** Tokens that end the answer without being part of it; the model's end tokens by default. */
  readonly stopIds?: readonly number[] | undefined;
  /** Texts that end the answer without being part of it. They need a tokenizer, as `onText` does. */
  readonly stopStrings?: readonly string[] | undefined;
  readonly tokenizer?: Tokenizer | undefined;
  /** Called with each piece of text as soon as it is certain. The pieces together are `text`. */
  readonly onText?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether the beginning a prompt shares with the sequence before is taken from the cache. */
  readonly reusePrefix?: boolean | undefined;
  /** Which tokens may come next; any without it. Tokens that cannot be otherwise are not asked for, and are read together. */
  readonly constraint?: Constraint | undefined;
  /** Called with each token as it is chosen, the stop token too, before `onText` shows its text. */
  readonly onToken?: ((chosen: ChosenToken) => void) | undefined;
  /** The temperature of `confidence`; without it, and without a constraint, none is computed. */
  readonly confidenceTemperature?: number | undefined;
};

export type ChosenToken = {
  readonly id: number;
  /** What it was chosen from (vocab), valid during the call; undefined where the constraint left no choice. */
  readonly logits: Float32Array | undefined;
  /** The tokens that the constraint allowed; undefined: any. */
  readonly allowed: ArrayLike<number> | undefined;
  readonly isStop: boolean;
};

/** What generating needs of a model: one sequence that is read on. */
export type SequenceModel = Pick<CachedModel, "capacity" | "rewind" | "feed">;

export type Generated = {
  /** Without the stop token; with the tokens that made up a stop string. */
  readonly ids: number[];
  /** Where a tokenizer was given: special tokens and the stop string left out. */
  readonly text?: string;
  readonly inputTokens: number;
  /** How many tokens were generated, a stop token among them. */
  readonly outputTokens: number;
  /** Π p(token | tokens before it) among what the constraint allowed, the end token included, at the temperature asked for. */
  readonly confidence?: number;
  /** "length": `maxTokens` or the cache's capacity was reached. */
  readonly finish: "stop" | "length" | "aborted";
  /** `prefill`: until the prompt was read; `decode`: all that followed. */
  readonly ms: { readonly prefill: number; readonly decode: number };
};

/** What a decoder decides once for all calls. */
export type GenerateDefaults = {
  readonly vocab: number;
  readonly eosIds: readonly number[];
  readonly reusePrefix: boolean;
  readonly now: () => number;
};

/**
 * Continues a prompt.
 * @throws E_PROMPT for an empty prompt, E_LIMIT for one beyond the capacity or with unknown tokens, E_USAGE for options that do not fit
 */
export async function generate(
  model: SequenceModel,
  promptIds: readonly number[],
  defaults: GenerateDefaults,
  options: GenerateOptions,
): Promise<Generated> {
  const {
    maxTokens = 128,
    stopIds = defaults.eosIds,
    signal,
    reusePrefix = defaults.reusePrefix,
    constraint,
    onToken,
  } = options;
  if (!Number.isInteger(maxTokens) || maxTokens < 0)
    throw new AppError("E_USAGE", `maxTokens: expected a whole number from 0, found ${maxTokens}`);
  const pick = createPicker(defaults.vocab, options);
  const output = createOutput(options);
  const from = defaults.now();
  let logits = await readPrompt(model, promptIds, { reuse: reusePrefix, signal });
  const read = defaults.now();
  const ids: number[] = [];
  const unread: number[] = [];
  let finish: Generated["finish"] | undefined = maxTokens === 0 ? "length" : undefined;
  let stopTokens = 0;
  while (finish === undefined) {
    const allowed = constraint?.(ids);
    const isForced = allowed !== undefined && allowed.length <= 1;
    if (!isForced && unread.length > 0 && signal?.aborted !== true) logits = await model.feed(unread.splice(0), signal);
    if (signal?.aborted) {
      finish = "aborted";
      break;
    }
    const id = isForced ? allowed[0] : pick.next(logits, allowed);
    const isStop = id === undefined || stopIds.includes(id);
    if (id !== undefined) onToken?.({ id, logits: isForced ? undefined : logits, allowed, isStop });
    if (isStop) {
      stopTokens = id === undefined ? 0 : 1;
      finish = "stop";
      break;
    }
    ids.push(id);
    unread.push(id);
    if (output?.push(id)) finish = "stop";
    else if (ids.length === maxTokens || promptIds.length + ids.length > model.capacity) finish = "length";
  }
  const text = output?.end();
  return {
    ids,
    ...(text === undefined ? {} : { text }),
    inputTokens: promptIds.length,
    outputTokens: ids.length + stopTokens,
    ...pick.confidence(),
    finish,
    ms: { prefill: read - from, decode: defaults.now() - read },
  };
}

type Picker = {
  next(logits: Float32Array, allowed: ArrayLike<number> | undefined): number;
  confidence(): Pick<Generated, "confidence">;
};

/** A sampler over what is allowed, and how sure it was. */
function createPicker(vocab: number, options: GenerateOptions): Picker {
  const { constraint, confidenceTemperature: temperature } = options;
  if (temperature !== undefined) requireTemperature(temperature, "confidenceTemperature");
  const sample = createSampler(vocab, options);
  const mask = constraint === undefined ? undefined : createMask(vocab);
  let logProbability = 0;
  return {
    next(logits, allowed) {
      if (allowed === undefined || mask === undefined) return sample(logits);
      const id = sample(mask(logits, allowed));
      if (temperature !== undefined) logProbability += logShare(logits, allowed, id);
      return id;
    },
    confidence: () =>
      temperature === undefined || mask === undefined
        ? {}
        : { confidence: scaleConfidence(Math.exp(logProbability), temperature) },
  };
}

/** Reads a prompt behind what the cache shares with it; at least the last token is fed. Returns its logits (vocab). */
export function readPrompt(
  model: SequenceModel,
  promptIds: readonly number[],
  { reuse, signal }: { readonly reuse: boolean; readonly signal?: AbortSignal | undefined },
): Promise<Float32Array> {
  if (promptIds.length === 0) throw new AppError("E_PROMPT", "prompt: expected at least one token, found none");
  if (promptIds.length > model.capacity)
    throw new AppError("E_LIMIT", `prompt: expected at most ${model.capacity} tokens, found ${promptIds.length}`);
  const shared = model.rewind(promptIds.slice(0, -1), { reuse });
  return model.feed(promptIds.slice(shared), signal);
}

type Output = {
  /** Takes a token; true where a stop string is complete. */
  push(id: number): boolean;
  /** Shows what was held back, and returns the whole text. */
  end(): string;
};

function createOutput({ tokenizer, stopStrings = [], onText }: GenerateOptions): Output | undefined {
  if (tokenizer === undefined) {
    if (stopStrings.length > 0 || onText !== undefined)
      throw new AppError("E_USAGE", "generate: stop strings and streamed text need a tokenizer");
    return undefined;
  }
  const stream = createTextStream(tokenizer);
  const filter = createStopFilter(stopStrings);
  let whole = "";
  const show = (text: string): void => {
    if (text === "") return;
    whole += text;
    onText?.(text);
  };
  return {
    push(id) {
      show(filter.push(stream.push(id)));
      return filter.stopped;
    },
    end() {
      show(filter.push(stream.flush()));
      show(filter.flush());
      return whole;
    },
  };
}
