/** @file What the process of `cost.ts` is asked, and what it tells. */
import { z } from "zod";

const repeats = z.int().min(1);

/** Steps of a training by its configuration file, or questions of so many tokens read by a method over a model. */
export const CostTask = z.discriminatedUnion("way", [
  z.strictObject({ way: z.literal("training"), config: z.string(), repeats }),
  z.strictObject({
    way: z.literal("inference"),
    /** The edge model, or the pair whose it is. */
    model: z.string(),
    isPair: z.boolean(),
    method: z.string(),
    /** The system prompt that a method may prepare itself by. */
    prompt: z.string(),
    /** Labelled examples of random inputs, for a method that searches by them. */
    examples: z.int().min(0),
    tokens: z.int().min(1),
    /** So many tokens stand before these. They are read once, before the clock runs, and their keys and values are kept. */
    kept: z.int().min(0),
    /** Questions of a batch, one after the other. */
    questions: z.int().min(1),
    repeats,
  }),
]);
export type CostTask = z.infer<typeof CostTask>;

export const CostSeen = z.strictObject({
  /** 10⁹ floating-point operations of matrix products in the graph that runs: of a step, or of all questions of a batch. */
  gigaFlops: z.number(),
  /** Median milliseconds of the same, after one that is not counted. */
  ms: z.number(),
  /** Peak resident memory of the whole process, in MB. */
  peakMb: z.number(),
  /** Weights that are trained; none in inference. */
  trained: z.number(),
  /** What the method made of an instruction before the first question: seconds, bytes that are kept, labelled examples read. None in training. */
  made: z.strictObject({ seconds: z.number(), bytes: z.number(), examples: z.number() }),
});
export type CostSeen = z.infer<typeof CostSeen>;
