/** @file 2,000 damaged training configurations of each kind: each gives a complete configuration or is refused. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../../test/support/fuzz.ts";
import { mutateJsonBytes } from "../../../test/support/mutate.ts";
import { readJsonFile } from "../../base/json-file.ts";
import { TrainConfig } from "./table.ts";

const common = { output: "out", steps: 100, optimizer: { learningRate: 1e-3, warmupSteps: 10 } };
const tasks = { files: ["a.jsonl", { path: "b.jsonl", weight: 0.5 }], queriesPerPrompt: 2, weights: { routing: 2 } };
const runs = {
  "language-model": {
    kind: "language-model",
    ...common,
    tokenizer: "tokenizer",
    model: { hidden: 64, ffn: 128, layers: 2, heads: 4, kvHeads: 2 },
    text: { tokens: "train.bin", validationTokens: "validation.bin", share: 0.5 },
    tasks,
  },
  generator: {
    kind: "generator",
    ...common,
    cloud: "cloud",
    edge: "edge",
    tokenizer: "tokenizer",
    generator: { experts: 4, topK: 2, targets: ["gate", "up"], strategy: "gumbel" },
    tasks,
    distillShare: 0.5,
  },
  lora: {
    kind: "lora",
    ...common,
    edge: "edge",
    lora: { rank: 8, targets: ["q", "v"] },
    weights: { edge: "int8" },
    tasks,
  },
};

test.each(Object.entries(runs))("2,000 mutations of a %s run are complete or refused", async (kind, run) => {
  const path = join(mkdtempSync(join(tmpdir(), "fuzz-")), "train.json");
  const { outcomes, reasons } = await fuzz({
    seed: `${kind} run`,
    damage: damageFile(path, new TextEncoder().encode(JSON.stringify(run, null, 2)), mutateJsonBytes),
    read: async () => {
      const config = await readJsonFile(path, TrainConfig);
      // Every default is filled in and is itself allowed, and nothing is infinite.
      const written = JSON.stringify(config);
      expect(JSON.stringify(TrainConfig.parse(JSON.parse(written)))).toBe(written);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(100);
  expect(reasons).toBeGreaterThan(50);
});
