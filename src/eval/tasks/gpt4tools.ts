/** @file GPT4Tools: which tool, with which arguments, on tools that were never trained on. Asked only: no licence is stated. */
import { z } from "zod";
import { benchmark } from "./benchmark.ts";

const Row = z.object({ instruction: z.string(), output: z.string() });
type Row = z.infer<typeof Row>;

const turn = "Previous conversation:\n";

/** What the tools are and how they are called, and what a user wants: the two parts of an instruction. */
export function splitInstruction({ instruction }: Pick<Row, "instruction">): { system: string; input: string } {
  const at = Math.max(0, instruction.indexOf(turn));
  return { system: instruction.slice(0, at).trim(), input: instruction.slice(at).trim() };
}

export const gpt4tools = benchmark({
  summary: "GPT4Tools: which tool with which arguments, by its five metrics; a system prompt for each question",
  citation: "Yang et al., GPT4Tools: Teaching Large Language Model to Use Tools via Self-instruction, NeurIPS 2023",
  version: 1,
  kind: "tool-call",
  stratum: "unseen tools",
  files: { folder: "gpt4tools", test: "test", validation: null },
  source: "https://github.com/AILab-CVC/GPT4Tools (test_unseen_tools)",
  row: Row,
  forms: {
    written: {
      systemPrompt: (row) => splitInstruction(row).system,
      scorers: [
        "gpt4tools",
        "gpt4tools-thought",
        "gpt4tools-action",
        "gpt4tools-arguments",
        "gpt4tools-success",
        "gpt4tools-iou",
      ],
      maxTokens: 256,
      sampleOf: (row) => ({ input: splitInstruction(row).input, target: row.output.trim() }),
    },
  },
});
