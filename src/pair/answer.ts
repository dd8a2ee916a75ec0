/** @file Answers of a pair's edge model: as it is, with a system prompt in front, or specialised without it. */
import { AppError } from "../base/errors.ts";
import { type CompiledConstraint, compileConstraint } from "../constraint/compile.ts";
import type { ConstraintSpec } from "../constraint/spec.ts";
import {
  createDecoder,
  type Decoder,
  type DecoderOptions,
  type Generated,
  type GenerateOptions,
} from "../decode/decoder.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import type { WeightSource } from "../runtime/session.ts";
import type { ChatTurn } from "../text/chat-layout.ts";
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
  /** Of the pair's edge model as it is, open already. It stays open, and may serve several answerers in turn. */
  readonly decoder?: Decoder | undefined;
  /** What answers must be, in any of the roles; the specialisation's own unless told otherwise. False: free text. */
  readonly constraint?: ConstraintSpec | false | undefined;
};

export type AnswerOptions = Omit<GenerateOptions, "tokenizer" | "constraint"> & {
  /** What was said before, oldest first; dropped from the front where it does not fit beside the answer. */
  readonly history?: readonly ChatTurn[];
  /** With labels: answers of less confidence than this, from 0 to 1, become `abstention`. Text is then streamed at once, in the end. */
  readonly abstain?: number | undefined;
};

/** What is answered in place of a label that is too uncertain. */
export const abstention = "none";

export type Answer = Generated & {
  readonly text: string;
  /** The label chosen, where answers are labels; `confidence` is its probability. None where the answer was cut off. */
  readonly label?: string;
  /** Whether `abstain` replaced the label by "none". */
  readonly abstained?: boolean;
};

/** Holds a decoder: close it. */
export type Answerer = AsyncDisposable & {
  /** Throws E_LIMIT for an input beyond the context, E_PROMPT for an empty system prompt. */
  answer(input: string, options?: AnswerOptions): Promise<Answer>;
  close(): Promise<void>;
};

/** Compiles the edge model of a pair in one of its three roles. Throws E_MISMATCH for another pair's specialisation. */
export async function createAnswerer(pair: EdgePair, options: AnswererOptions = {}): Promise<Answerer> {
  const { specialization, edge, weights, prompt, decoder: open, constraint: asked, ...decoderOptions } = options;
  const given = Object.entries({ specialization, edge, weights, prompt }).filter(([, value]) => value !== undefined);
  if (given.length > 1)
    throw new AppError(
      "E_USAGE",
      `answerer: expected one of specialization, edge, weights and prompt, found ${given.map(([name]) => name).join(" and ")}`,
    );
  if (open !== undefined && given.some(([name]) => name !== "prompt"))
    throw new AppError("E_USAGE", `answerer: ${given[0]![0]} needs a decoder of its own, found an open one`);
  const onDevice = decoderOptions.device === undefined ? {} : { device: decoderOptions.device };
  const merged = weights && { config: pair.edge.config, weights };
  const specialized = specialization === undefined ? merged : await specializedEdge(pair, specialization, onDevice);
  const model: FrozenModel = edge ?? specialized ?? pair.edge;
  const { tokenizer, layout } = pair;
  const demanded = asked ?? specialization?.constraint;
  const constraint = demanded ? compileConstraint(tokenizer, layout, demanded) : undefined;
  const decoder = open ?? (await createDecoder(model, decoderOptions));
  const close = async () => (open === undefined ? decoder.close() : undefined);
  // It was fitted on answers of specialised models: of another role it would say nothing.
  const fitted = model === pair.edge ? undefined : pair.confidenceTemperature;

  async function answer(input: string, { history = [], abstain, ...options }: AnswerOptions = {}): Promise<Answer> {
    requireAbstain(abstain, constraint);
    const room = decoder.capacity - (options.maxTokens ?? 128);
    let ids = encodeConversation(tokenizer, layout, { prompt, history, input });
    for (let from = 1; ids.length > room && from <= history.length; from++)
      ids = encodeConversation(tokenizer, layout, { prompt, history: history.slice(from), input });
    const { onText, ...rest } = options;
    const streamed = abstain === undefined && onText !== undefined ? { onText } : {};
    const restricted =
      constraint &&
      restrict(constraint, model, { ...rest, confidenceTemperature: rest.confidenceTemperature ?? fitted });
    const generated = await decoder.generate(ids, { ...rest, ...restricted, ...streamed, tokenizer });
    const answered = { ...generated, text: generated.text ?? "", ...labelled(generated, constraint, abstain) };
    if (abstain !== undefined) onText?.(answered.text);
    return answered;
  }

  return { answer, close, [Symbol.asyncDispose]: close };
}

/** Throws E_USAGE for what is no probability, and where there are no labels. */
function requireAbstain(abstain: number | undefined, constraint: CompiledConstraint | undefined): void {
  if (abstain === undefined) return;
  if (!(abstain >= 0 && abstain <= 1))
    throw new AppError("E_USAGE", `abstain: expected a number from 0 to 1, found ${abstain}`);
  if (constraint?.labelOf === undefined)
    throw new AppError("E_USAGE", "abstain: expected labels to choose from, found none: free text has no confidence");
}

/** The options of decoding under a constraint. */
function restrict(
  { next, stopIds, labelOf }: CompiledConstraint,
  { config }: FrozenModel,
  { stopIds: ends = config.eosIds, confidenceTemperature = 1 }: AnswerOptions,
): Pick<GenerateOptions, "constraint" | "stopIds" | "confidenceTemperature"> {
  return {
    constraint: next,
    stopIds: [...ends, ...stopIds],
    ...(labelOf === undefined ? {} : { confidenceTemperature }),
  };
}

/** Which label was chosen, or that none was. */
function labelled(
  { ids, finish, confidence = 0 }: Generated,
  constraint: CompiledConstraint | undefined,
  abstain: number | undefined,
): Partial<Pick<Answer, "text" | "label" | "abstained">> {
  if (constraint?.labelOf === undefined || finish !== "stop") return {};
  const abstained = abstain === undefined ? {} : { abstained: confidence < abstain };
  if (abstained.abstained) return { text: abstention, ...abstained };
  const label = constraint.labelOf(ids);
  return label === undefined ? abstained : { text: label, label, ...abstained };
}

/** One input, one answer: opens and closes the edge model around it. */
export async function answer(
  pair: EdgePair,
  input: string,
  {
    specialization,
    weights,
    prompt,
    constraint,
    threads,
    device,
    ...options
  }: Omit<AnswererOptions, "reusePrefix"> & AnswerOptions = {},
): Promise<Answer> {
  const role = { specialization, weights, prompt, constraint };
  await using answerer = await createAnswerer(pair, {
    ...role,
    ...(threads === undefined ? {} : { threads }),
    ...(device === undefined ? {} : { device }),
  });
  return await answerer.answer(input, options);
}
