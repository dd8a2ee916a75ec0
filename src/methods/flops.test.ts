import { expect, test } from "vitest";
import { randomAdapter } from "../../test/support/random-adapter.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { weight } from "../graph/build.ts";
import { parameterShapes } from "../models/parameters.ts";
import { type TokenExperts, withTokenExperts } from "../models/token-experts.ts";
import { readingCounter, readingFlops } from "./flops.ts";

const model = randomLlama({ tied: true });
const { config } = model;
const { hidden, ffn, layers, heads, kvHeads, headDim, vocab } = config;

test("reading tokens takes two operations for each weight of the layers and each token, attention, and one row of logits", () => {
  const [tokens, before] = [7, 5];
  const matrices = [...parameterShapes(config)].filter(
    ([name, shape]) => shape.length === 2 && name.includes("layers"),
  );
  const weights = matrices.reduce((sum, [, [rows, columns]]) => sum + rows! * columns!, 0);
  expect(weights).toBe(layers * (2 * hidden * hidden + 2 * hidden * kvHeads * headDim + 3 * hidden * ffn));
  const attention = (seen: number) => 4 * layers * tokens * heads * headDim * seen;
  const rest = 2 * weights * tokens + 2 * hidden * vocab;
  expect(readingFlops({ model }, tokens)).toBe(rest + attention(tokens));
  const prefix = { positions: before, layers: [] };
  expect(readingFlops({ model, prefix }, tokens)).toBe(rest + attention(tokens + before));
});

test("what stands beside the weights costs its own products: an adapter both its factors, MixLoRA its slots", () => {
  const count = readingCounter({ model });
  const adapter = randomAdapter(config, { rank: 3, targets: ["up"] });
  expect(readingFlops({ model: { ...model, adapter } }, 3) - count(3)).toBe(2 * 3 * (3 + 2) * (hidden + ffn)); // odd layers have one rank less
  const settings: TokenExperts = { form: "mixlora", experts: 4, topK: 2, rank: 2, alpha: 1, targets: [] };
  const change = {
    wrap: (parts: Parameters<typeof withTokenExperts>[2]) =>
      withTokenExperts(config, settings, parts, (name, shape) => weight(name, shape)).parts,
    weights: {},
    feeds: {},
  };
  const ranks = 4 * 2;
  // Gate and up: A once, B for both slots. Down: A for both, B once. And the router.
  const block = 2 * (ranks * hidden + 2 * ranks * ffn) + 2 * ranks * ffn + ranks * hidden + 4 * hidden;
  expect(readingFlops({ model, change }, 3) - count(3)).toBe(2 * 3 * layers * block);
});
