/** @file Social IQa: what people want, feel and do next. Asked only: no licence is stated, so nothing is trained on it. */
import { z } from "zod";
import { benchmark, continuationSample, lettered, letterSample } from "./benchmark.ts";

const Row = z.object({
  context: z.string(),
  question: z.string(),
  answerA: z.string(),
  answerB: z.string(),
  answerC: z.string(),
  /** Counts from 1. */
  label: z.int().min(1).max(3),
});
const optionsOf = ({ answerA, answerB, answerC }: z.infer<typeof Row>): string[] => [answerA, answerB, answerC];

export const socialIqa = benchmark({
  summary: "Social IQa: what people want, feel and do next",
  citation: "Sap et al., Social IQa: Commonsense Reasoning about Social Interactions, EMNLP 2019. Licence not stated",
  version: 1,
  kind: "reasoning",
  files: { folder: "social_iqa", test: "test" },
  source: "https://huggingface.co/datasets/allenai/social_i_qa (its validation rows are the test)",
  row: Row,
  forms: {
    continuation: {
      systemPrompt: "Answer the question on what the people in the story want, feel or do.",
      layout: "text",
      scorers: ["choice", "choice-per-byte"],
      sampleOf: (row) => continuationSample(`Q: ${row.context} ${row.question}\nA:`, optionsOf(row), row.label - 1),
    },
    letters: {
      systemPrompt: "Choose the correct answer to the question on the people in the story. Say its letter.",
      layout: "text",
      scorers: ["choice"],
      sampleOf: (row) =>
        letterSample(
          [
            "Please choose the correct answer to the question.",
            `Question: ${row.context} ${row.question}`,
            ...lettered(optionsOf(row)),
            "Answer:",
          ].join("\n"),
          optionsOf(row),
          row.label - 1,
        ),
    },
  },
});
