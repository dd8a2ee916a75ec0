/** @file `s0-table23`: how long a CPU reads an instruction and an input, with all, some or none of the instruction's tokens. */
import { createRng } from "../../../src/base/rng.ts";
import { createDecoder } from "../../../src/decode/decoder.ts";
import { compressionRatio } from "../../../src/eval/compression.ts";
import { quantile } from "../../../src/eval/statistics.ts";
import { openModel } from "../../../src/models/model-file.ts";
import { number, paragraphs, table } from "../markdown.ts";
import { table23 } from "../paper.ts";
import type { Budget, Context, Page } from "../row.ts";

const repeats: Readonly<Record<Budget, number>> = { minutes: 5, hours: 30, full: 30 };

export async function cpuLatencyPage({ model: path, budget, tell }: Context): Promise<Page> {
  const model = await openModel(path, { keepBlocks: true });
  await using decoder = await createDecoder(model);
  const rng = createRng("tokens of table 23");
  const rows = Object.entries(table23);
  const times = new Map<string, number[]>(rows.map(([name]) => [name, []]));
  for (let round = -1; round < repeats[budget]; round++)
    for (const [name, { residual, input }] of rows) {
      const tokens = Array.from({ length: residual + input }, () => rng.int(model.config.vocab));
      const from = performance.now();
      await decoder.score(tokens, [[0]], { reusePrefix: false });
      if (round >= 0) times.get(name)!.push(performance.now() - from);
      tell(`s0-table23: round ${round + 1} of ${repeats[budget]}`);
    }
  const quartiles = (name: string) => {
    const sorted = times.get(name)!.sort((a, b) => a - b);
    return [0.5, 0.25, 0.75].map((p) => quantile(sorted, p)) as [number, number, number];
  };
  const [slowest] = quartiles("baseline");
  return {
    text: paragraphs(
      `Milliseconds to read all tokens of a question and to predict the next one, the cache empty; rounds in turn, ${repeats[budget]} each after one that is not counted. Median, and the quartiles in brackets.`,
      table(
        [
          "",
          "instruction left + input",
          "compression ratio",
          "the paper's ms",
          "times as fast",
          "ours, ms",
          "times as fast",
        ],
        rows.map(([name, { instruction, residual, input, ms }]) => {
          const [median, low, high] = quartiles(name);
          return [
            name,
            `${residual} + ${input}`,
            `${number(compressionRatio({ prompt: instruction, input, residual }), 2)}×`,
            number(ms),
            number(table23.baseline.ms / ms, 2),
            `${number(median)} [${number(low)}, ${number(high)}]`,
            number(slowest / median, 2),
          ];
        }),
      ),
      "The compression ratio is no speed-up: both are printed. The tokens are random: what they say costs nothing. AutoCompressors' row reads 50 tokens in the place of its 50 summary vectors. LoRA-Gen's row is of the model's own weights, to which a merged LoRA adds no operation; the pair that ships has its LoRA beside weights in blocks, which takes some more (`fig1` has its times). A base model that keeps the instruction in its cache reads the last row's tokens too.",
    ),
  };
}
