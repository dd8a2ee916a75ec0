/** @file SNIPS (Coucke et al., 2018): 7 intents of a voice assistant, with slots. CC0 1.0. */
import { join } from "node:path";
import { z } from "zod";
import { readRows } from "./rows.ts";

const Row = z.object({
  text: z.string(),
  intent: z.string(),
  slots: z.array(z.object({ slot: z.string(), value: z.string(), start: z.int() })),
});
export type SnipsRow = z.infer<typeof Row>;

/** Rows of one split; slots in order of appearance. */
export const readSnips = (data: string, split: "train" | "test"): Promise<SnipsRow[]> =>
  readRows(join(data, "snips", `${split}.jsonl.gz`), Row);
