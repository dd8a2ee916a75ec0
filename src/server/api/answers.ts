/** @file From a request to an answer of the engine: what chats and completions share. */
import { AppError } from "../../base/errors.ts";
import { createRng } from "../../base/rng.ts";
import type { CompiledConstraint } from "../../constraint/compile.ts";
import type { Generated } from "../../decode/generate.ts";
import type { EdgePair } from "../../pair/pair.ts";
import type { Engine } from "../engine/engine.ts";
import type { ServedModel } from "../models.ts";
import { type ChosenLogprob, logprobOf } from "./log-probabilities.ts";
import type { Sampled } from "./schemas.ts";

export type Question = {
  readonly model: ServedModel;
  readonly ids: readonly number[];
  readonly prefixTokens: number;
  readonly tokensSaved: number;
  readonly constraint: CompiledConstraint | undefined;
  readonly sampled: Sampled;
  readonly maxTokens: number | undefined;
  /** How many of the likeliest tokens are told beside each chosen one; undefined: no log-probabilities. */
  readonly logprobs: number | undefined;
  readonly tenant: string;
  readonly deadline: number | undefined;
  readonly signal: AbortSignal | undefined;
};

export type Usage = {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  /** Tokens of the prompt that the specialisation stands for: nobody had to read them. */
  readonly tokens_saved: number;
};

export type Answered = {
  readonly text: string;
  readonly finish: "stop" | "length";
  readonly logprobs: readonly ChosenLogprob[] | undefined;
  /** Of labels: how sure the model is of its choice. */
  readonly confidence: number | undefined;
  readonly usage: Usage;
  /** From the first token that was read to the last one; of an answer from another host the whole round trip, with its waiting there. */
  readonly ms: number;
};

/** Called with what is certain of the answer so far. */
export type OnPiece = (text: string, logprobs: readonly ChosenLogprob[]) => void;

/**
 * Asks the engine.
 * @throws E_LIMIT for a prompt beyond the context, and as the engine
 */
export async function answer(
  engine: Engine,
  { tokenizer, edge, confidenceTemperature = 1 }: Pick<EdgePair, "tokenizer" | "edge" | "confidenceTemperature">,
  question: Question,
  onPiece?: OnPiece,
): Promise<Answered> {
  const { model, ids, constraint, sampled, logprobs: top } = question;
  const room = engine.capacity - ids.length + 1;
  if (room < 1)
    throw new AppError("E_LIMIT", `messages: expected at most ${engine.capacity} tokens, found ${ids.length}`);
  const { temperature, top_p: topP, top_k: topK, seed, stop } = sampled;
  const chosen: ChosenLogprob[] = [];
  const untold: ChosenLogprob[] = [];
  const isLabel = constraint?.labelOf !== undefined;
  const generated: Generated = await engine.ask({
    ids,
    gates: model.specialized?.gates,
    prefixTokens: question.prefixTokens,
    tenant: question.tenant,
    deadline: question.deadline,
    signal: question.signal,
    maxTokens: Math.min(question.maxTokens ?? defaultMaxTokens, room),
    tokenizer,
    stopStrings: stop === undefined || stop === null ? [] : typeof stop === "string" ? [stop] : stop,
    ...(temperature ? { temperature, rng: createRng(seed ?? 0) } : {}),
    topP: topP ?? 1,
    topK: topK ?? 0,
    ...(constraint === undefined
      ? {}
      : { constraint: constraint.next, stopIds: [...edge.config.eosIds, ...constraint.stopIds] }),
    ...(isLabel ? { confidenceTemperature: model.specialized?.gates === undefined ? 1 : confidenceTemperature } : {}),
    ...(top === undefined
      ? {}
      : {
          onToken(token) {
            if (token.isStop) return;
            const found = logprobOf(tokenizer, token, top);
            chosen.push(found);
            untold.push(found);
          },
        }),
    ...(onPiece === undefined || isLabel ? {} : { onText: (text: string) => onPiece(text, untold.splice(0)) }),
  });
  if (generated.finish === "aborted") throw new AppError("E_INTERRUPTED", "the client went away");
  const label = generated.finish === "stop" ? constraint?.labelOf?.(generated.ids) : undefined;
  const text = label ?? generated.text ?? "";
  if (isLabel) onPiece?.(text, untold.splice(0)); // a label is told as a whole: without the space that may lead it
  return {
    text,
    finish: generated.finish,
    logprobs: top === undefined ? undefined : chosen,
    confidence: label === undefined ? undefined : generated.confidence,
    usage: {
      prompt_tokens: generated.inputTokens,
      completion_tokens: generated.outputTokens,
      total_tokens: generated.inputTokens + generated.outputTokens,
      tokens_saved: question.tokensSaved,
    },
    ms: generated.ms.prefill + generated.ms.decode,
  };
}

const defaultMaxTokens = 256;
