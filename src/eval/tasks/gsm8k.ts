/** @file GSM8K: word problems of grade school, solved in steps. */
import { z } from "zod";
import { benchmark } from "./benchmark.ts";

/** The calculator's marks, `<<16-3-4=9>>`, are no part of a text. */
const plain = (solution: string): string => solution.replaceAll(/<<.*?>>/g, "");

export const gsm8k = benchmark({
  summary: "GSM8K: word problems of grade school, solved in steps",
  citation: "Cobbe et al., Training Verifiers to Solve Math Word Problems, arXiv:2110.14168, 2021. MIT",
  version: 1,
  kind: "math",
  files: { folder: "gsm8k", test: "test", train: "train" },
  source: "https://github.com/openai/grade-school-math",
  row: z.object({ question: z.string(), answer: z.string() }),
  forms: {
    written: {
      systemPrompt: "Solve the math problem step by step. End with a line of four number signs and the number: #### 42",
      scorers: ["last-number"],
      maxTokens: 400,
      sampleOf: ({ question, answer }) => ({ input: question, target: plain(answer) }),
    },
  },
});
