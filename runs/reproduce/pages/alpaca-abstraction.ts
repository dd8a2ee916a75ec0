/** @file `alpaca-abstraction`: specific instructions as (system prompt, input, output), by rules. */
import { abstract, readInstructionFile } from "../../paper/abstraction.ts";
import { number, paragraphs, table } from "../markdown.ts";
import type { Context, Page } from "../row.ts";

export async function alpacaAbstractionPage({ data }: Context): Promise<Page> {
  const instructions = await readInstructionFile(`${data}/gpteacher_roleplay/train.jsonl.gz`);
  const { episodes, counts } = abstract(instructions);
  return {
    text: paragraphs(
      "The paper lets GPT-4 rewrite Alpaca's instructions into (system prompt, input, output): 37,658 samples, not published. `runs/paper/abstraction.ts` does it by rules, here over the role-play part of GPTeacher (MIT licence): each rule cuts apart what an instruction holds, and what fits none is dropped.",
      table(
        ["what the rule finds", "instructions", "share"],
        Object.entries(counts)
          .sort(([, a], [, b]) => b - a)
          .map(([what, count]) => [what, String(count), `${number((100 * count) / instructions.length, 1)} %`]),
      ),
      `${instructions.length} instructions became ${episodes.length} system prompts with ${episodes.reduce((sum, { queries }) => sum + queries.length, 0)} inputs. Most of these prompts have one input: unlike the paper's rewriting, the rules find a role, but do not generalise a task to other inputs.`,
    ),
  };
}
