/** @file Schema-Guided Dialogue (Rastogi et al., 2020): service calls in dialogues. CC BY-SA 4.0. */
import { join } from "node:path";
import { z } from "zod";
import { readRows } from "./rows.ts";

const Call = z.object({ service: z.string(), method: z.string(), parameters: z.record(z.string(), z.string()) });
const Dialogue = z.object({
  dialogue_id: z.string(),
  turns: z.array(
    z.object({ speaker: z.enum(["USER", "SYSTEM"]), utterance: z.string(), service_call: z.array(Call).optional() }),
  ),
});
const Service = z.object({
  service_name: z.string(),
  description: z.string(),
  intents: z.array(
    z.object({
      name: z.string(),
      description: z.string(),
      required_slots: z.array(z.string()),
      optional_slots: z.record(z.string(), z.unknown()),
    }),
  ),
});
export type SgdDialogue = z.infer<typeof Dialogue>;
export type SgdService = z.infer<typeof Service>;

/** The dialogues of one split. */
export const readDialogues = (data: string, split: "train" | "dev"): Promise<SgdDialogue[]> =>
  readRows(join(data, "sgd", `${split}.jsonl.gz`), Dialogue);

/** The services that the dialogues of one split call. */
export const readServices = (data: string, split: "train" | "dev"): Promise<SgdService[]> =>
  readRows(join(data, "sgd", `schema_${split}.jsonl.gz`), Service);
