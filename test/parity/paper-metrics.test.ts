/** @file AVE and HAR give the paper's summary columns from its own cells. */
import { describe, expect, test } from "vitest";
import { mean as average, harmonicMean } from "../../src/eval/statistics.ts";

/** Cells, then AVE and HAR as printed. */
type Row = readonly [name: string, cells: readonly number[], average: number, harmonic: number];

const tables: Record<string, readonly Row[]> = {
  "Table 2 (three edge models, eight tasks)": [
    ["TinyLLaMA-1.1B", [34.2, 66.9, 27.4, 58.8, 46.0, 45.8, 60.7, 73.9], 51.7, 46.7],
    ["TinyLLaMA-1.1B + LoRA", [33.6, 67.6, 28.6, 71.9, 51.5, 44.5, 61.9, 75.1], 54.3, 48.5],
    ["TinyLLaMA-1.1B + LoRAMoE", [35.2, 68.8, 28.6, 73.2, 52.1, 45.4, 62.0, 74.1], 54.9, 49.3],
    ["TinyLLaMA-1.1B + MixLoRA", [33.5, 67.7, 28.4, 73.3, 51.4, 44.9, 62.3, 74.6], 54.5, 48.6],
    ["TinyLLaMA-1.1B + LoRA-Gen", [35.8, 69.1, 30.4, 73.6, 49.6, 45.5, 62.6, 74.1], 55.1, 49.8],
    ["Qwen-1.5B", [41.9, 73.1, 29.0, 73.3, 50.6, 49.0, 65.3, 76.2], 57.3, 51.9],
    ["Qwen-1.5B + LoRA", [43.3, 73.9, 31.2, 77.6, 54.9, 48.8, 66.5, 76.9], 59.1, 53.9],
    ["Qwen-1.5B + LoRAMoE", [43.9, 73.7, 29.8, 77.3, 53.4, 48.7, 66.3, 76.9], 58.8, 53.2],
    ["Qwen-1.5B + MixLoRA", [43.4, 73.8, 31.8, 78.2, 54.6, 48.9, 66.4, 76.5], 59.2, 54.2],
    ["Qwen-1.5B + LoRA-Gen", [44.3, 74.3, 33.4, 79.6, 53.6, 49.1, 67.4, 76.9], 59.8, 55.0],
    ["Gemma-2B", [50.3, 81.5, 33.8, 73.4, 49.3, 55.6, 71.5, 78.7], 61.8, 57.0],
    ["Gemma-2B + LoRA", [49.9, 78.2, 36.0, 80.9, 56.8, 55.4, 71.7, 79.2], 63.5, 59.2],
    ["Gemma-2B + LoRAMoE", [50.9, 82.0, 38.8, 78.4, 55.2, 54.0, 72.9, 79.3], 63.9, 60.0],
    ["Gemma-2B + MixLoRA", [52.3, 79.4, 38.6, 75.6, 59.1, 54.1, 72.7, 78.2], 63.8, 60.2],
    ["Gemma-2B + LoRA-Gen", [51.2, 81.9, 39.0, 76.2, 55.6, 56.0, 71.6, 79.5], 63.9, 60.2],
  ],
  "Table 17 (LLaMA3-8B)": [
    ["baseline", [53.2, 81.6, 34.2, 83.2, 52.6, 57.7, 71.6, 78.6], 64.1, 59.1],
    ["LoRA-Gen", [57.5, 83.6, 38.2, 84.5, 59.8, 58.2, 73.3, 79.8], 66.9, 62.8],
  ],
  "Table 19 (auxiliary loss, six tasks)": [
    ["0.1", [41.3, 73.1, 31.8, 54.5, 65.9, 75.9], 57.1, 51.7],
    ["0.05", [43.1, 74.2, 32.9, 54.3, 66.3, 76.2], 57.8, 52.8],
    ["0.01", [44.8, 74.7, 33.0, 55.3, 67.3, 76.8], 58.7, 53.6],
    ["0.005", [41.6, 72.8, 28.8, 54.5, 66.9, 76.3], 56.8, 50.5],
    ["without", [39.8, 71.5, 29.0, 53.0, 66.2, 76.8], 56.1, 49.8],
  ],
  "Table 22 (auxiliary loss, validation)": [
    ["0.005", [42.3, 72.7, 28.8, 54.5, 66.9, 76.3], 56.9, 50.6],
    ["without", [39.5, 71.3, 28.6, 53.0, 66.2, 76.8], 55.9, 49.5],
    ["0.01", [44.5, 74.7, 33.6, 55.3, 67.3, 76.8], 58.7, 53.7],
  ],
};

/** Cells are rounded to 0.1, and so is the printed summary. */
const tolerance = 0.1 + 1e-9;

describe.each(Object.entries(tables))("%s", (_, rows) => {
  test.each(rows)("%s: AVE and HAR follow from the cells", (_name, cells, printedAverage, printedHarmonic) => {
    expect(Math.abs(average(cells) - printedAverage)).toBeLessThanOrEqual(tolerance);
    expect(Math.abs(harmonicMean(cells) - printedHarmonic)).toBeLessThanOrEqual(tolerance);
  });
});

test("the mean that Table 20 prints as 68.9 for AutoCompressors is 67.9", () => {
  expect(average([57.3, 68.8, 77.5])).toBeCloseTo(67.9, 1);
});
