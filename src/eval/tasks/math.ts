/** @file MATH: problems of mathematics competitions. Asked only: its training rows are not needed. */
import { z } from "zod";
import { benchmark } from "./benchmark.ts";

export const math = benchmark({
  summary: "MATH: problems of mathematics competitions, answers in LaTeX",
  citation: "Hendrycks et al., Measuring Mathematical Problem Solving With the MATH Dataset, NeurIPS 2021. MIT",
  version: 1,
  kind: "math",
  files: { folder: "math", test: "test", validation: null },
  source: "https://github.com/mosaicml/llm-foundry (scripts/eval/local_data/symbolic_problem_solving/math.jsonl)",
  row: z.object({ context: z.string(), answer: z.string() }),
  forms: {
    written: {
      systemPrompt: "Solve the problem step by step. Put the final answer, in LaTeX, into \\boxed{}.",
      scorers: ["math-answer"],
      maxTokens: 512,
      sampleOf: ({ context, answer }) => ({ input: context, target: answer }),
    },
  },
});
