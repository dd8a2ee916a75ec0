/** @file How parties are asked, and which failures say something of a party rather than of the certificate. */
import { setTimeout as after } from "node:timers/promises";
import { AppError } from "../../base/errors.ts";
import { requireRunning } from "../../base/interrupt.ts";
import type { Party } from "./certificate.ts";

export type Told = {
  readonly text: string;
  readonly finish: "stop" | "length";
  readonly inputTokens: number;
  readonly ms: number;
  /** Logits (vocab) of the first token, where there was a choice. */
  readonly first?: Float32Array | undefined;
};

/** Answers an input. */
export type Ask = (party: Party, input: string) => Promise<Told>;

/** Asks again after each pause where there is too much to do: what was measured until then is not lost to a full queue. */
export const patient =
  (
    ask: Ask,
    {
      busyMs = [500, 2000, 8000],
      signal,
    }: { readonly busyMs?: readonly number[] | undefined; readonly signal?: AbortSignal | undefined },
  ): Ask =>
  async (party, input) => {
    for (const ms of busyMs) {
      try {
        return await ask(party, input);
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== "E_BUSY") throw error;
      }
      await after(ms, undefined, signal && { signal }).catch(() => undefined);
      requireRunning(signal, "certificate: interrupted");
    }
    return ask(party, input);
  };

/** undefined where an input is too long for the model. */
export const fitting = <T>(work: () => Promise<T>): Promise<T | undefined> =>
  work().catch((error: unknown) => {
    if (error instanceof AppError && (error.code === "E_LIMIT" || error.code === "E_PROMPT")) return undefined;
    throw error;
  });

/** Of a cloud model on another host, which may refuse a question too: what was measured without it is worth keeping. */
const ofCloud: ReadonlySet<string> = new Set(["E_IO", "E_BUSY", "E_DEADLINE", "E_MISMATCH", "E_FORMAT", "E_USAGE"]);
export const isOfCloud = (party: Party, error: unknown): error is AppError =>
  party === "cloud" && error instanceof AppError && ofCloud.has(error.code);

/** So many of a list at most, evenly spread over it: lists may be sorted. */
export const spread = <T>(list: readonly T[], count: number): T[] =>
  list.length <= count
    ? [...list]
    : Array.from({ length: count }, (_, i) => list[Math.floor((i * list.length) / count)]!);
