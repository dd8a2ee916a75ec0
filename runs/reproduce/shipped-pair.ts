/** @file The pair that ships: what pages ask where no other is named, and what may be concluded from it. */
import { join } from "node:path";
import { AppError } from "../../src/base/errors.ts";
import type { Context } from "./row.ts";

export const shippedPair = join(import.meta.dirname, "../../pairs/smollm2");
export const shippedModel = join(shippedPair, "SmolLM2-135M-Instruct.Q4_1.gguf");

/** The folder of the pair. Throws E_DATA where a model alone was named: the page is of a pair. */
export function pairOf(id: string, { pair }: Pick<Context, "pair">): string {
  if (pair === undefined) throw new AppError("E_DATA", `${id}: expected a pair (--pair FOLDER), found a model alone`);
  return pair;
}

/** Stands under every table with rows of the pair. */
export const oneSeed =
  "LoRA-Gen's rows are of one generator from one training seed: how much another seed would change is not known, and intervals are over questions alone. Cloud and edge are the same model of 135 M parameters. So a difference says what this pair does; it says nothing of models of 1 to 8 B, nor of a cloud model that knows more than the edge model.";

/** The same where the tasks are the paper's. */
export const untrainedTasks =
  "The pair that ships was trained on prompts of its own (`runs/smollm2`), never on these tasks: all of them are unseen for it, where the paper's generator was trained on five of eight. Examples and questions are plain text, as lm-evaluation-harness has them; the pair was trained on prompts and inputs in the model's chat layout alone.";
