/** @file MBPP: small Python functions from a sentence and three tests. */
import { z } from "zod";
import { benchmark } from "./benchmark.ts";

const Row = z.object({
  text: z.string(),
  code: z.string(),
  test_setup_code: z.string(),
  test_list: z.array(z.string()).min(1),
});
const questionOf = ({ text, test_list }: z.infer<typeof Row>): string =>
  `${text}\nYour code should pass these tests:\n\n${test_list.join("\n")}`;

export const mbpp = benchmark({
  summary: "MBPP: small Python functions from a sentence and three tests; needs --allow-code",
  citation: "Austin et al., Program Synthesis with Large Language Models, arXiv:2108.07732, 2021. CC BY 4.0",
  version: 1,
  kind: "code",
  files: { folder: "mbpp", test: "test", train: "train" },
  source: "https://github.com/google-research/google-research/tree/master/mbpp (test: task_id 11 to 510)",
  row: Row,
  forms: {
    written: {
      systemPrompt: "You are an expert Python programmer. Write the function, and nothing else.",
      scorers: ["code-run"],
      maxTokens: 512,
      sampleOf: (row) => ({ input: questionOf(row), target: [row.test_setup_code, ...row.test_list].join("\n") }),
      exampleOf: (row) => ({ input: questionOf(row), target: row.code.replaceAll("\r\n", "\n").trim() }),
    },
  },
});
