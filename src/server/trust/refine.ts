/** @file Gates refined for a rung of the ladder: found from the predicted ones on, on inputs that are not measured. */
import { type FromExamplesOptions, specializeFromExamples, splitExamples } from "../../dispatch/gates.ts";
import type { EdgePair } from "../../pair/pair.ts";
import type { Specialization } from "../../pair/specialization.ts";
import type { Example } from "../../text/prompt.ts";

export type RefineGates = (
  start: Specialization,
  examples: readonly Example[],
  options: Pick<FromExamplesOptions, "scorer" | "labels" | "signal">,
) => Promise<Specialization | undefined>;

/**
 * Learns gates from examples: a minute of gradients.
 * @returns resolves with undefined where none that were found are better than the start on the examples set aside; throws as `specializeFromExamples`
 */
export const refineWith =
  (pair: EdgePair, threads: number | undefined): RefineGates =>
  async (start, examples, options) => {
    const found = await specializeFromExamples(pair, start, splitExamples(examples), {
      ...options,
      way: "learnt",
      ...(threads === undefined ? {} : { threads }),
    });
    return found.kept.at === 0 ? undefined : found.specialization;
  };
