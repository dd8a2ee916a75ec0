/** @file Answers of a pair's edge model: as it is, with a system prompt in front, or specialised without it. */
import { AppError } from "../base/errors.ts";
import { createDecoder, type DecoderOptions, type Generated, type GenerateOptions } from "../decode/decoder.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import type { WeightSource } from "../runtime/session.ts";
import { encodeConversation } from "../text/prompt.ts";
import type { EdgePair } from "./pair.ts";
import type { Specialization } from "./specialization-file.ts";
import { specializedEdge } from "./specialized-edge.ts";

/** At most one of `specialization`, `edge`, `weights` and `prompt`; without any the base model answers. */
export type AnswererOptions = Pick<DecoderOptions, "threads" | "device" | "capacity" | "reusePrefix"> & {
  /** Merged into the edge model; beside its weights where they are quantised. */
  readonly specialization?: Specialization | undefined;
  /** Of an edge model merged before. */
  readonly weights?: Readonly<Record<string, WeightSource>> | undefined;
  /** An edge model specialised before. */
  readonly edge?: FrozenModel | undefined;
  /** Put in front of every input. */
  readonly prompt?: string | undefined;
};

export type Turn = { readonly input: string; readonly output: string };

export type AnswerOptions = Omit<GenerateOptions, "tokenizer"> & {
  /** What was said before, oldest first; dropped from the front where it does not fit beside the answer. */
  readonly history?: readonly Turn[];
};

export type Answer = Generated & { readonly text: string };

/** Holds a decoder: close it. */
export type Answerer = AsyncDisposable & {
  /** Throws E_LIMIT for an input beyond the context, E_PROMPT for an empty system prompt. */
  answer(input: string, options?: AnswerOptions): Promise<Answer>;
  close(): Promise<void>;
};

/** Compiles the edge model of a pair in one of its three roles. Throws E_MISMATCH for another pair's specialisation. */
export async function createAnswerer(pair: EdgePair, options: AnswererOptions = {}): Promise<Answerer> {
  const { specialization, edge, weights, prompt, ...decoderOptions } = options;
  const given = Object.entries({ specialization, edge, weights, prompt }).filter(([, value]) => value !== undefined);
  if (given.length > 1)
    throw new AppError(
      "E_USAGE",
      `answerer: expected one of specialization, edge, weights and prompt, found ${given.map(([name]) => name).join(" and ")}`,
    );
  const onDevice = decoderOptions.device === undefined ? {} : { device: decoderOptions.device };
  const merged = weights && { config: pair.edge.config, weights };
  const specialized = specialization === undefined ? merged : await specializedEdge(pair, specialization, onDevice);
  const model: FrozenModel = edge ?? specialized ?? pair.edge;
  const decoder = await createDecoder(model, decoderOptions);
  const { tokenizer, layout } = pair;

  async function answer(input: string, { history = [], ...options }: AnswerOptions = {}): Promise<Answer> {
    const room = decoder.capacity - (options.maxTokens ?? 128);
    let ids = encodeConversation(tokenizer, layout, { prompt, history, input });
    for (let from = 1; ids.length > room && from <= history.length; from++)
      ids = encodeConversation(tokenizer, layout, { prompt, history: history.slice(from), input });
    const generated = await decoder.generate(ids, { ...options, tokenizer });
    return { ...generated, text: generated.text ?? "" };
  }

  return { answer, close: decoder.close, [Symbol.asyncDispose]: decoder.close };
}

/** One input, one answer: opens and closes the edge model around it. */
export async function generate(
  pair: EdgePair,
  input: string,
  {
    specialization,
    weights,
    prompt,
    threads,
    device,
    ...options
  }: Omit<AnswererOptions, "reusePrefix"> & AnswerOptions = {},
): Promise<Answer> {
  const role = { specialization, weights, prompt };
  await using answerer = await createAnswerer(pair, {
    ...role,
    ...(threads === undefined ? {} : { threads }),
    ...(device === undefined ? {} : { device }),
  });
  return await answerer.answer(input, options);
}
