/** @file Restaurant8k (Coope et al., 2020): spans in restaurant bookings. CC BY 4.0. */
import { join } from "node:path";
import { z } from "zod";
import { readRows } from "./rows.ts";

const Row = z.object({
  text: z.string(),
  requested_slots: z.array(z.string()),
  slots: z.array(z.object({ slot: z.string(), value: z.string() })),
});
export type RestaurantRow = z.infer<typeof Row>;

/** Rows of one split. */
export const readRestaurant = (data: string, split: "train" | "test"): Promise<RestaurantRow[]> =>
  readRows(join(data, "restaurant8k", `${split}.jsonl.gz`), Row);
