/** @file The claims of the documents' texts, each computed anew from the cells of their tables. */
import { compressionRatio } from "../../src/eval/compression.ts";
import { harmonicMean, mean } from "../../src/eval/statistics.ts";
import type { OwnName } from "./own-headlines.ts";
import { type PaperRow, seenTasks, table2, table3, table6, table8, table19, table20, table23 } from "./paper.ts";

export type Headline = {
  readonly claim: string;
  /** As the text says it. */
  readonly said: number;
  /** From the cells. */
  readonly found: number;
  readonly digits: number;
  /** How far both may differ: the rounding of cells and of what was said. */
  readonly tolerance: number;
  readonly note?: string;
  /** What ours is beside it. */
  readonly own: OwnName;
};

const of = (name: string): PaperRow => table2.find((one) => one.name === name)!;
const seen = (name: string): number => mean(of(name).cells.slice(0, seenTasks));
const speedUp = (slow: string, fast: string): number => of(slow).ms! / of(fast).ms!;
const coefficient = (name: string): number => mean(table19.find((one) => one.name === name)!.cells);

/** AVE and HAR of a row from its cells. */
export const summaryOf = ({ cells }: PaperRow): { readonly average: number; readonly harmonic: number } => ({
  average: mean(cells),
  harmonic: harmonicMean(cells),
});

const cpu = ({ instruction, residual, input }: (typeof table23)[keyof typeof table23]): number =>
  compressionRatio({ prompt: instruction, input, residual });

export const headlines: readonly Headline[] = [
  {
    claim: "TinyLLaMA: share of the sequence that is left, input against 5 shots and input",
    own: "tokensLeft",
    said: 1 / 6,
    found: 1 / cpu(table23["LoRA-Gen"]),
    digits: 3,
    tolerance: 0.01,
  },
  {
    claim: "TinyLLaMA: HAR over LoRA",
    own: "overLora",
    said: 1.3,
    found: summaryOf(of("TinyLLaMA-1.1B + LoRA-Gen")).harmonic - summaryOf(of("TinyLLaMA-1.1B + LoRA")).harmonic,
    digits: 1,
    tolerance: 0.1,
  },
  {
    claim: "TinyLLaMA: times as fast as LoRA",
    own: "speedOverLora",
    said: 2.1,
    found: speedUp("TinyLLaMA-1.1B + LoRA", "TinyLLaMA-1.1B + LoRA-Gen"),
    digits: 2,
    tolerance: 0.05,
  },
  {
    claim: "Gemma: times as fast as LoRA",
    own: "speedOverLora",
    said: 2.42,
    found: speedUp("Gemma-2B + LoRA", "Gemma-2B + LoRA-Gen"),
    digits: 2,
    tolerance: 0.01,
  },
  {
    claim: "Qwen: times as fast as MixLoRA",
    own: "speedOverMixlora",
    said: 5.3,
    found: speedUp("Qwen-1.5B + MixLoRA", "Qwen-1.5B + LoRA-Gen"),
    digits: 2,
    tolerance: 0.05,
  },
  {
    claim: "Qwen: times as fast as LoRAMoE",
    own: "speedOverLoramoe",
    said: 2.5,
    found: speedUp("Qwen-1.5B + LoRAMoE", "Qwen-1.5B + LoRA-Gen"),
    digits: 2,
    tolerance: 0.05,
  },
  {
    claim: "OPT-2.7B: times as fast as AutoCompressors",
    own: "speedOverAutocompressors",
    said: 1.52,
    found: table20["OPT-2.7B, AutoCompressors"].ms / table20["OPT-2.7B, LoRA-Gen"].ms,
    digits: 2,
    tolerance: 0.01,
    note: "1.512: the text rounds up",
  },
  {
    claim: "CPU: tokens with the instruction over tokens without",
    own: "ratio",
    said: 6.22,
    found: cpu(table23["LoRA-Gen"]),
    digits: 2,
    tolerance: 0.005,
  },
  {
    claim: "CPU: the same with AutoCompressors' 50 tokens",
    own: "ratioOfAutocompressors",
    said: 3.14,
    found: cpu(table23.AutoCompressors),
    digits: 2,
    tolerance: 0.005,
  },
  {
    claim: "GPT4Tools untrained: average over the base model with tools",
    own: "toolsInWeights",
    said: 4.9,
    found: mean(table3["LoRA-Gen, untrained"].cells) - mean(table3["base, tools in the prompt"].cells),
    digits: 1,
    tolerance: 0.1,
  },
  {
    claim: "GPT4Tools trained: average over LoRA with tools",
    own: "untrainable",
    said: 3.1,
    found: mean(table3["LoRA-Gen, trained"].cells) - mean(table3["LoRA, tools in the prompt"].cells),
    digits: 1,
    tolerance: 0.1,
  },
  {
    claim: "GPT4Tools: SR of LoRA where tools are taken away",
    own: "untrainable",
    said: -26.1,
    found: table3["LoRA, no tools"].cells[3] - table3["LoRA, tools in the prompt"].cells[3],
    digits: 1,
    tolerance: 0.1,
  },
  {
    claim: "GPT4Tools: IoU of LoRA where tools are taken away",
    own: "untrainable",
    said: -9.7,
    found: table3["LoRA, no tools"].cells[4] - table3["LoRA, tools in the prompt"].cells[4],
    digits: 1,
    tolerance: 0.1,
  },
  {
    claim: "No balance loss: AVE lost",
    own: "withoutBalance",
    said: -2.6,
    found: coefficient("without") - coefficient("0.01"),
    digits: 1,
    tolerance: 0.1,
  },
  {
    claim: "Qwen: mean of the seen tasks, LoRA-Gen",
    own: "seenMean",
    said: 57,
    found: seen("Qwen-1.5B + LoRA-Gen"),
    digits: 1,
    tolerance: 0.5,
  },
  {
    claim: "Qwen: mean of the seen tasks, MixLoRA",
    own: "seenMeanOfMixlora",
    said: 56,
    found: seen("Qwen-1.5B + MixLoRA"),
    digits: 1,
    tolerance: 0.5,
  },
  {
    claim: "1 shot against the base model's 5: HAR",
    own: "oneShot",
    said: 3.5,
    found: table6["LoRA-Gen, 1 shot"][1] - table6["base, 5 shots"][1],
    digits: 1,
    tolerance: 0.1,
  },
  {
    claim: "Direct generation: mean of the unseen tasks lost",
    own: "direct",
    said: -11.1,
    found: table8.direct.unseen - table8.indirect.unseen,
    digits: 1,
    tolerance: 0.1,
  },
];

/** Claims that no table has the cells of. */
export const withoutCells: readonly (Pick<Headline, "claim" | "said" | "digits" | "own"> & { readonly why: string })[] =
  [
    {
      claim: "GPT4Tools: times compressed",
      said: 10.1,
      digits: 1,
      why: "its tokens are not given",
      own: "toolsCompressed",
    },
    {
      claim: "Agent with 26 tools: times as fast",
      said: 3.2,
      digits: 1,
      why: "seconds of one run, in a figure",
      own: "agentSpeed",
    },
  ];
