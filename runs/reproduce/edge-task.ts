/** @file What the process of `edge-memory.ts` is asked, and what it tells. */
import { z } from "zod";

export const EdgeTask = z.strictObject({
  way: z.enum(["edge", "specialised", "cloud"]),
  pair: z.string(),
  model: z.string(),
  /** What the edge model reads; for the cloud pass, `prompt`. */
  tokens: z.array(z.int()),
  prompt: z.string(),
  /** Of a specialisation that was made before. */
  specialization: z.string(),
  maxTokens: z.int(),
});
export type EdgeTask = z.infer<typeof EdgeTask>;

export const EdgeSeen = z.strictObject({ peakMb: z.number(), loadMs: z.number(), answerMs: z.number() });
export type EdgeSeen = z.infer<typeof EdgeSeen>;
