/** @file BoolQ (Clark et al., 2019): yes/no questions, many with a passage. CC BY-SA 3.0. */
import { join } from "node:path";
import { z } from "zod";
import { readRows } from "./rows.ts";

const Row = z.object({ question: z.string(), passage: z.string().nullable(), answer: z.boolean() });
export type BoolqRow = z.infer<typeof Row>;

/** Rows of one split; train rows may lack a passage. */
export const readBoolq = (data: string, split: "train" | "test"): Promise<BoolqRow[]> =>
  readRows(join(data, "boolq", `${split}.jsonl.gz`), Row);
