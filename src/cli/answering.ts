/** @file What `run` and `chat` share: the edge model in the role that the flags ask for. */
import { AppError } from "../base/errors.ts";
import { createRng } from "../base/rng.ts";
import { type Answerer, type AnswerOptions, createAnswerer } from "../generator/answer.ts";
import { loadPair, type Pair } from "../generator/pair.ts";
import { readSpecialization } from "../generator/specialization.ts";
import type { CliContext } from "./context.ts";
import { type PairFlags, type PromptFlags, readPrompt, type SamplingFlags } from "./options.ts";
import { printable } from "./printable.ts";

export type AnsweringFlags = PairFlags & PromptFlags & SamplingFlags & { readonly specialization?: string };

export type Role = "base" | "prompted" | "specialized";

export type Opened = { readonly pair: Pair; readonly answerer: Answerer; readonly role: Role };

/** Loads the pair and the edge model. Throws E_MISMATCH for a specialisation of another pair, E_PROMPT for an empty prompt. */
export async function openAnswerer(context: CliContext, flags: AnsweringFlags): Promise<Opened> {
  const { threads, device } = flags;
  const prompt = await readPrompt(context, flags);
  if (prompt !== undefined && prompt.trim() === "")
    throw new AppError("E_PROMPT", "system prompt: expected text, found none");
  const pair = await loadPair(flags.pair, { resolveModel: context.resolveModel });
  const specialization =
    flags.specialization === undefined ? undefined : await readSpecialization(flags.specialization, pair);
  const answerer = await createAnswerer(pair, { specialization, prompt, threads, device });
  const role = specialization !== undefined ? "specialized" : prompt !== undefined ? "prompted" : "base";
  return { pair, answerer, role };
}

/** Shows streamed text: as it is in a pipe, without control characters on a terminal. */
export const textPrinter = ({ stdout, isTerminal }: CliContext) => {
  const show = isTerminal.stdout ? printable : (text: string) => text;
  return (text: string): void => void stdout.write(show(text));
};

/** The decoder's view of the flags. A new stream of draws begins: call it once. */
export function samplingOf({ maxTokens, temperature, topP, topK, seed, stop }: SamplingFlags): AnswerOptions {
  return { maxTokens, temperature, topP, topK, rng: createRng(seed), stopStrings: stop };
}
