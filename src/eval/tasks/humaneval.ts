/** @file HumanEval: Python functions from their docstring. */
import { z } from "zod";
import { benchmark } from "./benchmark.ts";

export const humanEval = benchmark({
  summary: "HumanEval: Python functions from their docstring; needs --allow-code",
  citation: "Chen et al., Evaluating Large Language Models Trained on Code, arXiv:2107.03374, 2021. MIT",
  version: 1,
  kind: "code",
  files: { folder: "humaneval", test: "test", validation: null },
  source: "https://github.com/openai/human-eval",
  row: z.object({ prompt: z.string(), entry_point: z.string(), test: z.string() }),
  forms: {
    written: {
      systemPrompt: "Complete the Python function. Write the whole function, with its first line, and nothing else.",
      scorers: ["code-run"],
      maxTokens: 512,
      // The prompt, with a body that does nothing, gives the imports and helpers; the answer's function takes its place.
      sampleOf: ({ prompt, entry_point, test }) => ({
        input: prompt.trimEnd(),
        target: `${prompt.trimEnd()}\n    pass\n\n\n{{answer}}\n\n${test}\n\ncheck(${entry_point})\n`,
      }),
    },
  },
});
