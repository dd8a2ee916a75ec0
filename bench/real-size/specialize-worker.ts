/** @file A process that specialises: `specialize-worker.ts PAIR THREADS TOKENS`; opens the pair, then answers `specialize` and `memory`. */
import { loadPair } from "../../src/pair/pair-file.ts";
import { createSpecializer } from "../../src/pair/specialize.ts";
import { fitPrompt } from "../../src/text/truncate-prompt.ts";
import { description } from "../support/bank-router.ts";
import { watchMemory } from "../support/memory.ts";
import { serve } from "../support/worker.ts";
import { goFirst } from "./memory.ts";

goFirst();
const memory = watchMemory();
const [directory, threads, tokens] = process.argv.slice(2);
const from = performance.now();
const pair = await loadPair(directory!);
const opened = performance.now();
await using specializer = await createSpecializer(pair, { threads: Number(threads) });
const compiled = performance.now();

/** A description, again and again, up to the most words that fit into so many tokens. */
function promptOf(most: number): string {
  const { cloudTokenizer, cloudLayout } = pair;
  const words = Array.from({ length: most }, () => description.split(" ")).flat();
  const count = (length: number) =>
    fitPrompt(cloudTokenizer, cloudLayout, words.slice(0, length).join(" "), { maxTokens: 2 ** 30 }).tokens;
  let [low, high] = [1, most];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (count(middle) <= most) low = middle;
    else high = middle - 1;
  }
  return words.slice(0, low).join(" ");
}

const prompt = promptOf(Number(tokens));

await serve(
  { openMs: opened - from, compileMs: compiled - opened },
  {
    specialize: async () => {
      const start = performance.now();
      const { promptTokens, gates, topK } = await specializer.specialize(prompt);
      const ms = performance.now() - start;
      for (const row of gates)
        if (Math.abs(row.reduce((a, b) => a + b, 0) - 1) > 1e-3 || row.filter((gate) => gate !== 0).length > topK)
          throw new Error(`internal: gates [${row}] are no ${topK} shares of 1`);
      return { ms, promptTokens };
    },
    memory,
  },
);
