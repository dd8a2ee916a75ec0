/** @file How long parties take with an input, each asked alone. */
import { requireRunning } from "../../base/interrupt.ts";
import { quantile } from "../../eval/statistics.ts";
import { type Ask, fitting, isOfCloud } from "./asking.ts";
import type { Party } from "./certificate.ts";

/** Milliseconds of one input; none of a party that it does not fit, or of a cloud model that fails by then. */
export type Times = Readonly<Partial<Record<Party, number>>>;

/** Asks all parties an input before the next one, each time another party first, so that a busy moment slows none more than others. */
export async function askInTurn(
  inputs: readonly { readonly input: string }[],
  parties: readonly Party[],
  { ask, signal }: { readonly ask: Ask; readonly signal?: AbortSignal | undefined },
): Promise<Times[]> {
  const times: Times[] = [];
  for (const [i, { input }] of inputs.entries()) {
    const first = i % parties.length;
    const own: Partial<Record<Party, number>> = {};
    for (const party of [...parties.slice(first), ...parties.slice(0, first)]) {
      requireRunning(signal, "certificate: interrupted");
      const told = await fitting(() => ask(party, input)).catch((error: unknown) => {
        if (isOfCloud(party, error)) return undefined;
        throw error;
      });
      if (told !== undefined) own[party] = told.ms;
    }
    times.push(own);
  }
  return times;
}

/** null where it was timed on none. */
export function medianMs(times: readonly Times[], party: Party): number | null {
  const own = times.flatMap((each) => each[party] ?? []).sort((a, b) => a - b);
  return own.length === 0 ? null : quantile(own, 0.5);
}

/** How much longer the prompted model takes, of each input that both have a time of. */
export const savedMs = (times: readonly Times[], party: Party): number[] =>
  times.flatMap(({ prompted, [party]: own }) => (prompted === undefined || own === undefined ? [] : [prompted - own]));
