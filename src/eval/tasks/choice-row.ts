/** @file A row with a question, its options and which of them is right. */
import { z } from "zod";

/** `label` counts from 0. */
export const ChoiceRow = z
  .object({ question: z.string(), choices: z.array(z.string()).min(2), label: z.int().min(0) })
  .refine(({ choices, label }) => label < choices.length, "expected label to be the place of a choice");
