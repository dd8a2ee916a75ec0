/** @file BoolQ: yes or no, from a passage. */
import { z } from "zod";
import { benchmark, continuationSample } from "./benchmark.ts";

export const boolQ = benchmark({
  summary: "BoolQ: yes or no, from a passage",
  citation:
    "Clark et al., BoolQ: Exploring the Surprising Difficulty of Natural Yes/No Questions, NAACL 2019. CC BY-SA 3.0",
  version: 1,
  kind: "reasoning",
  files: { folder: "boolq", test: "test", train: "train" },
  source: "https://huggingface.co/datasets/google/boolq (its validation rows are the test)",
  row: z.object({ question: z.string(), passage: z.string().nullable(), answer: z.boolean() }),
  forms: {
    continuation: {
      systemPrompt: "Answer the question on the passage with yes or no.",
      layout: "text",
      scorers: ["choice"],
      sampleOf: ({ question, passage, answer }) =>
        passage === null
          ? undefined
          : continuationSample(`${passage}\nQuestion: ${question}?\nAnswer:`, ["no", "yes"], answer ? 1 : 0),
    },
    letters: {
      systemPrompt: "Answer the question with true or false.",
      layout: "text",
      scorers: ["choice"],
      // MixLoRA shows no passage and asks for the words.
      sampleOf: ({ question, answer }) =>
        continuationSample(
          `Please answer the following question with true or false: ${question}?\nAnswer:`,
          ["true", "false"],
          answer ? 0 : 1,
        ),
    },
  },
});
