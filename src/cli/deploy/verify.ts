/** @file Whether a server answers as the specialisation does: both are asked the same, and the base model beside them. */
import { AppError } from "../../base/errors.ts";
import { requireRunning } from "../../base/interrupt.ts";
import { createAnswerer } from "../../pair/answer.ts";
import type { EdgePair } from "../../pair/pair.ts";
import type { Specialization } from "../../pair/specialization.ts";
import { encodeInput } from "../../text/prompt.ts";

/**
 * Tokens of each answer; the least share of answers that must be the same, for servers round otherwise; the least inputs that tell
 * specialisation and base model apart.
 */
export const verifyLimits = { tokens: 16, leastShare: 0.8, leastTelling: 3 } as const;

export const probes = [
  "where is my parcel?",
  "I want my money back",
  "please cancel my subscription",
  "what is the capital of France?",
  "the app crashes when I open it",
  "thank you, that was great!",
  "how much does it cost?",
  "write to me tomorrow",
] as const;

export type Verified = {
  /** Inputs to which specialisation and base model answer differently: only those tell the two apart. */
  readonly asked: number;
  /** How often the server answered as the specialisation does. */
  readonly same: number;
  /** How often it answered as the base model does. */
  readonly asBase: number;
};

/** @throws E_USAGE where less than three inputs tell specialisation and base model apart; E_MISMATCH where the server does not answer as it should */
export async function verify(
  pair: EdgePair,
  specialization: Specialization,
  inputs: readonly string[],
  ask: (ids: readonly number[], maxTokens: number) => Promise<string>,
  { threads, signal }: { readonly threads: number; readonly signal: AbortSignal },
): Promise<Verified> {
  const maxTokens = verifyLimits.tokens;
  const free = { constraint: false, threads } as const;
  await using specialized = await createAnswerer(pair, { ...free, specialization });
  await using base = await createAnswerer(pair, free);
  let [asked, same, asBase] = [0, 0, 0];
  for (const input of inputs) {
    requireRunning(signal, "deploy: interrupted");
    const wanted = (await specialized.answer(input, { maxTokens })).text.trim();
    const plain = (await base.answer(input, { maxTokens })).text.trim();
    if (wanted === plain) continue;
    const found = (await ask(encodeInput(pair.tokenizer, pair.layout, input), maxTokens)).trim();
    asked++;
    if (found === wanted) same++;
    if (found === plain) asBase++;
  }
  if (same < verifyLimits.leastShare * asked)
    throw new AppError(
      "E_MISMATCH",
      `deploy: expected the server to answer ${asked} inputs as the specialisation does, found ${same} the same and ${asBase} as the base model answers them`,
    );
  if (asked < verifyLimits.leastTelling)
    throw new AppError(
      "E_USAGE",
      `deploy: expected at least ${verifyLimits.leastTelling} inputs that specialisation and base model answer differently, found ${asked} of ${inputs.length}: give --input more texts of your task`,
    );
  return { asked, same, asBase };
}
