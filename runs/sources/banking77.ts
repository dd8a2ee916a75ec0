/** @file Banking77 (Casanueva et al., 2020): 77 intents of a bank's customers. CC BY 4.0. */
import { join } from "node:path";
import { z } from "zod";
import { readRows } from "./rows.ts";

const Row = z.object({ text: z.string(), intent: z.string() });
export type BankingRow = z.infer<typeof Row>;

/** Rows of one split. */
export const readBanking = (data: string, split: "train" | "test"): Promise<BankingRow[]> =>
  readRows(join(data, "banking77", `${split}.jsonl.gz`), Row);
