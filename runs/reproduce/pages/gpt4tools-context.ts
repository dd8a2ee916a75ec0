/** @file `gpt4tools-context`: how much of what a model reads are definitions of tools. */
import { compressionRatio } from "../../../src/eval/compression.ts";
import { mean } from "../../../src/eval/statistics.ts";
import { splitInstruction } from "../../../src/eval/tasks/gpt4tools.ts";
import { readSplit } from "../../../src/eval/tasks/rows.ts";
import { benchmarks } from "../../../src/eval/tasks/table.ts";
import { readingCounter } from "../../../src/methods/flops.ts";
import { openModel } from "../../../src/models/model-file.ts";
import { loadTokenizer, type Tokenizer } from "../../../src/text/tokenizer-file.ts";
import { demoPrompt } from "../agent.ts";
import { number, paragraphs, table } from "../markdown.ts";
import type { Context, Page } from "../row.ts";

/** Tokens of one prompt: its definitions of tools, all that does not change between questions, and the user's part. */
type Counts = { readonly definitions: number; readonly system: number; readonly input: number };

const definitions = /^> ?.*$/gm;

function countsOf(tokenizer: Tokenizer, instruction: string): Counts {
  const { system, input } = splitInstruction({ instruction });
  const length = (text: string) => tokenizer.encode(text).length;
  return {
    definitions: length((system.match(definitions) ?? []).join("\n")),
    system: length(system),
    input: length(input),
  };
}

export type ContextCounts = { readonly items: readonly Counts[]; readonly demo: Counts };

/** Of the test items, and of the agent with 26 tools. */
export async function contextCounts({ data, model }: Pick<Context, "data" | "model">): Promise<ContextCounts> {
  const tokenizer = await loadTokenizer(model);
  const rows = (await readSplit("gpt4tools", benchmarks.gpt4tools, "test", data)) as { instruction: string }[];
  return {
    items: rows.map(({ instruction }) => countsOf(tokenizer, instruction)),
    demo: countsOf(tokenizer, await demoPrompt(data)),
  };
}

export const ratioOf = (counts: readonly Counts[]): number =>
  mean(counts.map(({ system, input }) => compressionRatio({ prompt: system, input })));

export async function gpt4toolsContextPage(context: Context): Promise<Page> {
  const { items, demo } = await contextCounts(context);
  const flopsOf = readingCounter({ model: await openModel(context.model, { keepBlocks: true }) });
  const line = (name: string, counts: readonly Counts[]) => {
    const of = (key: keyof Counts) => mean(counts.map((one) => one[key]));
    const shareOf = (key: keyof Counts) => mean(counts.map((one) => one[key] / (one.system + one.input)));
    const fewer = mean(counts.map(({ system, input }) => flopsOf(system + input) / flopsOf(input)));
    return [
      name,
      number(of("definitions"), 0),
      number(of("system"), 0),
      number(of("input"), 0),
      `${number(100 * shareOf("definitions"), 1)} %`,
      `${number(100 * shareOf("system"), 1)} %`,
      `${number(ratioOf(counts), 2)}×`,
      `${number(fewer, 2)}×`,
    ];
  };
  return {
    text: paragraphs(
      "The paper: tool definitions are 91 % of what the model reads, and are compressed 10.1 times. Counted here with the edge model's tokenizer: definitions alone, all of the prompt that LoRA-Gen takes away (definitions, format, rules), and what stays (conversation and request).",
      table(
        [
          "prompts",
          "tokens of definitions",
          "of the whole system prompt",
          "of the input",
          "share of definitions",
          "share of the system prompt",
          "compression ratio",
          "speed-up of reading, in operations",
        ],
        [
          line(`${items.length} test items, 2 to 5 tools each`, items),
          line("the agent of tables 15 to 17, 26 tools, one short request", [demo]),
        ],
      ),
      "Ratio: (system prompt + input) / input, in tokens. Speed-up: the same in operations of the edge model, which reads until the first token of its answer, counted in its graph; writing the answer is no faster, and seconds stand in `fig4`. The test file's prompts have too few tools for the paper's 91 % and 10.1; a prompt with the demo's 26 tools and a short request has more. How the paper counted is not said.",
    ),
  };
}
