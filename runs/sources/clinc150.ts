/** @file CLINC150 (Larson et al., 2019): 150 intents in 10 domains. CC BY 3.0. */
import { join } from "node:path";
import { z } from "zod";
import { readRows } from "./rows.ts";

const Row = z.object({ text: z.string(), intent: z.string(), domain: z.string() });
export type ClincRow = z.infer<typeof Row>;
export type ClincSplit = "train" | "validation" | "test";

/** Rows of one split; out-of-scope rows (domain `oos`) are left out. */
export async function readClinc(data: string, split: ClincSplit): Promise<ClincRow[]> {
  const rows = await readRows(join(data, "clinc150", `${split}.jsonl.gz`), Row);
  return rows.filter((row) => row.domain !== "oos");
}
