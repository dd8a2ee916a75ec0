/** @file PIQA: which of two ways reaches a practical goal. */
import { z } from "zod";
import { benchmark, continuationSample, continuationScorers, lettered, letterSample } from "./benchmark.ts";

export const piqa = benchmark({
  summary: "PIQA: which of two ways reaches a practical goal",
  citation: "Bisk et al., PIQA: Reasoning about Physical Commonsense in Natural Language, AAAI 2020. AFL 3.0",
  version: 1,
  kind: "reasoning",
  files: { folder: "piqa", test: "test" },
  source: "https://huggingface.co/datasets/ybisk/piqa (its validation rows are the test)",
  row: z.object({ goal: z.string(), sol1: z.string(), sol2: z.string(), label: z.int().min(0).max(1) }),
  forms: {
    continuation: {
      systemPrompt: "Say how the goal is reached in practice.",
      layout: "text",
      scorers: continuationScorers,
      sampleOf: ({ goal, sol1, sol2, label }) => continuationSample(`Question: ${goal}\nAnswer:`, [sol1, sol2], label),
    },
    letters: {
      systemPrompt: "Choose the solution that reaches the goal in practice. Say its letter.",
      layout: "text",
      scorers: ["choice"],
      sampleOf: ({ goal, sol1, sol2, label }) =>
        letterSample(
          "Below is a common task along with two possible solutions labeled (A) and (B). " +
            `Please select the appropriate solution to achieve the task:\n${goal}\n\n` +
            `${lettered([sol1, sol2]).join("\n")}\n\nCorrect solution:`,
          [sol1, sol2],
          label,
        ),
    },
  },
});
