/** @file What `run` and `chat` share: the edge model in the role that the flags ask for. */
import { Option } from "commander";
import { AppError } from "../base/errors.ts";
import { createRng } from "../base/rng.ts";
import { logitChange } from "../decode/compare-logits.ts";
import { requireArrival } from "../export/share-arrived.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import { quantizationName } from "../models/quantized/layout.ts";
import { requantize } from "../models/quantized/requantize.ts";
import { type Answerer, type AnswerOptions, createAnswerer } from "../pair/answer.ts";
import { loadPair, type Pair } from "../pair/pair-file.ts";
import { readSpecialization, type Specialization } from "../pair/specialization-file.ts";
import { specializedEdge } from "../pair/specialized-edge.ts";
import { encodeInput } from "../text/prompt.ts";
import { abstainOption, type ConstraintFlags, constraintOptions, readConstraint } from "./constraint-flags.ts";
import type { CliContext } from "./context.ts";
import { warnOfLoss } from "./export-source.ts";
import { formatLogitChange, formatShare } from "./format.ts";
import {
  type ExactFlag,
  exactOption,
  type PairFlags,
  type PromptFlags,
  type QuantizeFlag,
  quantizationOf,
  quantizeOption,
  readPrompt,
  type SamplingFlags,
} from "./options.ts";
import { warnOn } from "./output.ts";

export type AnsweringFlags = PairFlags &
  PromptFlags &
  SamplingFlags &
  QuantizeFlag &
  ExactFlag &
  ConstraintFlags & { readonly specialization?: string; readonly requantize?: boolean; readonly abstain?: number };

/** `--quantize`, `--exact`, `--requantize`, `--labels`, `--schema`, `--abstain`. */
export const edgeOptions = (): Option[] => [
  quantizeOption("edge model"),
  exactOption(),
  new Option("--requantize", "merge the specialisation into the quantised weights instead of keeping it beside them"),
  ...constraintOptions("answer freely, also where the specialisation has a constraint"),
  abstainOption(),
];

export type Role = "base" | "prompted" | "specialized";

export type Opened = { readonly pair: Pair; readonly answerer: Answerer; readonly role: Role };

/** Loads the pair and the edge model. Throws E_MISMATCH for a specialisation of another pair, E_PROMPT for an empty prompt. */
export async function openAnswerer(context: CliContext, flags: AnsweringFlags): Promise<Opened> {
  const { threads, device } = flags;
  const prompt = await readPrompt(context, flags);
  const constraint = await readConstraint(flags);
  if (flags.specialization !== undefined) await readSpecialization(flags.specialization); // a mistyped path is told at once
  const pair = await loadPair(flags.pair, {
    quantize: { edge: quantizationOf(flags) },
    exact: flags.exact,
    resolveModel: context.resolveModel,
    warn: warnOn(context),
  });
  const specialization =
    flags.specialization === undefined ? undefined : await readSpecialization(flags.specialization, pair);
  const edge = flags.requantize ? await requantized(context, pair, specialization, flags) : undefined;
  const weights = edge === undefined ? { specialization } : { edge };
  const answerer = await createAnswerer(pair, { ...weights, prompt, constraint, threads, device });
  const role = specialization !== undefined ? "specialized" : prompt !== undefined ? "prompted" : "base";
  return { pair, answerer, role };
}

/** What the two ways of specialising quantised weights are compared on. */
const probe = "The quick brown fox jumps over the lazy dog. Is my table for 8 at 19:30 confirmed?";

/** The edge model with the specialisation in its quantised weights; says how far that moves its logits. Throws E_USAGE, E_MISMATCH where it is lost in the rounding. */
async function requantized(
  context: CliContext,
  pair: Pair,
  specialization: Specialization | undefined,
  { threads, device }: AnsweringFlags,
): Promise<FrozenModel> {
  if (specialization === undefined || pair.edge.quantization === undefined)
    throw new AppError(
      "E_USAGE",
      "--requantize merges a specialisation into quantised weights: expected --specialization DIR and --quantize TYPE, or a quantised edge model",
    );
  const beside = await specializedEdge(pair, specialization);
  const merged = await requantize(beside);
  const arrived = await requireArrival(beside, merged);
  warnOfLoss(context, arrived, quantizationName(pair.edge.quantization));
  const ids = encodeInput(pair.tokenizer, pair.layout, probe);
  const change = await logitChange(beside, merged, ids, { threads, device });
  context.stderr.write(
    `merged and quantised again: ${formatLogitChange(change)}; ${formatShare(arrived)} of the specialisation arrived\n`,
  );
  return merged;
}

/** Shows streamed text: as it is in a pipe, without control characters on a terminal. */
export const textPrinter =
  ({ stdout, isTerminal }: CliContext) =>
  (text: string): void =>
    void (isTerminal.stdout ? stdout.write(text) : stdout.writeRaw(text));

/** The decoder's view of the flags. A new stream of draws begins: call it once. */
export function samplingOf(flags: SamplingFlags & Pick<AnsweringFlags, "abstain">): AnswerOptions {
  const { maxTokens, temperature, topP, topK, seed, stop, abstain } = flags;
  return { maxTokens, temperature, topP, topK, rng: createRng(seed), stopStrings: stop, abstain };
}
