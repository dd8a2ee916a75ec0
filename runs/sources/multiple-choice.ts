/** @file ARC (Clark et al., 2018; CC BY-SA 4.0) and OpenBookQA (Mihaylov et al., 2018; Apache-2.0). */
import { join } from "node:path";
import { z } from "zod";
import { readRows } from "./rows.ts";

const Row = z.object({ question: z.string(), choices: z.array(z.string()), label: z.int().min(0) });
export type ChoiceRow = z.infer<typeof Row>;
export type ChoiceSet = "arc_easy" | "arc_challenge" | "openbookqa";

/** Rows of one split; only `openbookqa` has `dev`. */
export const readChoices = (data: string, set: ChoiceSet, split: "train" | "dev" | "test"): Promise<ChoiceRow[]> =>
  readRows(join(data, set, `${split}.jsonl.gz`), Row);
