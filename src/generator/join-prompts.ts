/** @file Which prompts share a row of a batch, the cloud's or that of a model behind prompts: short ones behind each other, so that little is padding. */
import type { ModelConfig } from "../models/config.ts";
import { linearMaps, linearSize } from "../models/parameters.ts";

/**
 * Prompts as rows that take the least time: every row is as long as the longest, each of its tokens is multiplied by a layer's matrices,
 * and attention looks at all of a row, also at the prompts that it may not see.
 * @param lengths tokens of each prompt, its meta tokens among them
 * @returns the numbers of the prompts in each row, every prompt once; no row that joins any is longer than the model's context
 */
export function joinPrompts(lengths: readonly number[], model: ModelConfig): number[][] {
  const longestFirst = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]!);
  let best: Rows = { prompts: lengths.map((_, i) => [i]), time: Math.max(...lengths) };
  for (let count = lengths.length - 1; count > 0; count--) {
    const rows = spread(longestFirst, lengths, count);
    if (rows.time <= model.context && cost(rows, model) < cost(best, model)) best = rows;
  }
  return best.prompts;
}

type Rows = { readonly prompts: number[][]; readonly time: number };

/** Each prompt, the longest first, into the row that is still the shortest. */
function spread(longestFirst: readonly number[], lengths: readonly number[], count: number): Rows {
  const rows = Array.from({ length: count }, () => ({ prompts: [] as number[], time: 0 }));
  for (const prompt of longestFirst) {
    const shortest = rows.reduce((a, b) => (b.time < a.time ? b : a));
    shortest.prompts.push(prompt);
    shortest.time += lengths[prompt]!;
  }
  return { prompts: rows.map(({ prompts }) => prompts), time: Math.max(...rows.map(({ time }) => time)) };
}

/** What a pair of tokens costs in attention, in multiplications by one number of a matrix and per unit of a layer's width: measured. */
const attentionCost = 6;

function cost({ prompts, time }: Rows, model: ModelConfig): number {
  const matrices = linearMaps(model).reduce((sum, target) => {
    const { inputs, outputs } = linearSize(model, target);
    return sum + inputs * outputs;
  }, 0);
  return prompts.length * time * (matrices + attentionCost * model.heads * model.headDim * time);
}
