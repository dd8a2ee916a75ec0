/** @file What the documents say twice, and not alike: what follows from their own numbers, where it follows. */
import { mean } from "../../src/eval/statistics.ts";
import { table2, table3, table10, table12, table19, table20, table22 } from "./paper.ts";

export type Contradiction = {
  readonly says: string;
  /** The other side, or what the numbers give. */
  readonly against: string;
  /** Whether the arithmetic shows it; absent where there is nothing to compute. */
  readonly holds?: boolean;
};

const ave = (cells: readonly number[]): number => Number(mean(cells).toFixed(1));
const of19 = (name: string): number => ave(table19.find((one) => one.name === name)!.cells);
const gapOf = (one: keyof typeof table20, other: keyof typeof table20): number =>
  Number((ave(table20[one].cells) - ave(table20[other].cells)).toFixed(1));

/** Largest standard error that n answers of 0 or 1 can have. */
export const largestError = (n: number): number => 0.5 / Math.sqrt(n - 1);
/** Of a share of right answers among n. */
export const standardError = (share: number, n: number): number => Math.sqrt((share * (1 - share)) / (n - 1));

const [base, lora] = [table2[0]!, table2[1]!];
const loraGen = table2.find(({ name }) => name === "TinyLLaMA-1.1B + LoRA-Gen")!;

/** In the order of the specification's section 7. */
export const contradictions: readonly Contradiction[] = [
  {
    says: "meta tokens come autoregressively (first rebuttal)",
    against: "one forward pass, nothing is sampled (last rebuttal)",
  },
  {
    says: "a coefficient of 0.001 is the best",
    against: `table 19 has no 0.001; its best AVE is ${of19("0.01")} at 0.01`,
    holds: table19.every(({ name, average }) => name === "0.01" || average < of19("0.01")),
  },
  {
    says: "without the balance loss AVE falls by 1.2 (first version)",
    against: `${of19("0.01")} − ${of19("without")} = 2.6`,
    holds: Math.abs(of19("0.01") - of19("without") - 2.6) < 0.05,
  },
  {
    says: `AutoCompressors' mean is ${table20["LLaMA2-7B, AutoCompressors"].average}`,
    against: `its cells give ${ave(table20["LLaMA2-7B, AutoCompressors"].cells)}`,
    holds: ave(table20["LLaMA2-7B, AutoCompressors"].cells) === 67.9,
  },
  {
    says: "OPT-2.7B gains 1.4 points in the text",
    against: `the cells give ${gapOf("OPT-2.7B, LoRA-Gen", "OPT-2.7B, AutoCompressors")}`,
    holds: gapOf("OPT-2.7B, LoRA-Gen", "OPT-2.7B, AutoCompressors") === 1.5,
  },
  { says: "HellaSwag has 10,046 items (bootstrap)", against: "10,042 (table 11, and the data set)" },
  { says: "NPUs of 65 GB", against: "64 GB elsewhere" },
  {
    says: `table 10: a standard error of ${table10["Qwen-1.5B"]![2]} on OpenBookQA's 500 items`,
    against: `at most ${largestError(500).toFixed(4)} is possible`,
    holds: table10["Qwen-1.5B"]![2]! > largestError(500),
  },
  {
    says: "the bootstrap of table 24 compares methods",
    against: `its half-width, 0.01375, is 1.96 · √2 · 0.005 = ${(1.96 * Math.SQRT2 * 0.005).toFixed(5)}: unpaired, on the one set where LoRA-Gen wins`,
    holds: Math.abs(1.96 * Math.SQRT2 * 0.005 - 0.01375) < 2e-4,
  },
  { says: "Gumbel noise has mean 0", against: "its mean is Euler's constant, 0.5772" },
  { says: "10.1 times as fast (first version)", against: "10.1 is the compression ratio (last version)" },
  {
    says: "8 new tools, 21 tools in training",
    against: "26 descriptions in the demo; 22 or 23 in GPT4Tools' own files",
  },
  {
    says: "comparable or better on all tasks",
    against: `Social IQa: LoRA-Gen ${loraGen.cells[4]}, LoRA ${lora!.cells[4]} (base ${base!.cells[4]})`,
    holds: loraGen.cells[4]! < lora!.cells[4]!,
  },
  { says: "AVE ± 0.01", against: "from two runs" },
  {
    says: "table 22 is of validation rows",
    against: "its cells of Social IQa, WinoGrande and PIQA are those of the test",
    holds: table22.every(({ name, cells }) =>
      table19
        .find((one) => one.name === name)!
        .cells.slice(3)
        .every((cell, i) => cell === cells[3 + i]),
    ),
  },
  {
    says: "Transformer²: z free, KL(new ‖ reference), sampled answers, attention too",
    against:
      "its code: a sigmoid, renormalised, KL(reference ‖ new) with coefficient 0, greedy, feed-forward maps only, chosen on the test set",
  },
  {
    says: "without specialised training it outperforms LoRA (abstract)",
    against: "in table 2 five of eight tasks were trained on; only the unseen ones and one row of table 3 were not",
  },
];

/** What a table calls FLOPs, by the parameters of Qwen-1.5B: multiplications of one pass over 300 tokens. */
export const perToken = table12.LoRA.infer / 300;
/** Queries after which the cloud pass is paid back, in those multiplications. */
export const breakEven =
  (table12["LoRA-Gen"].train - table12["LoRA-Gen"].infer) / (table12.LoRA.infer - table12["LoRA-Gen"].infer);

/** Averages of table 3 that do not follow from their cells within the rounding of one digit. */
export const wrongAverages = Object.entries(table3).filter(
  ([, { cells, average }]) => Math.abs(mean(cells) - average) > 0.1,
);
