/** @file 500 damaged files of what was trained beside a model: a method has finite values of the right sizes, or refuses them. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateSafetensors } from "../../test/support/mutate.ts";
import { storedLlama } from "../../test/support/stored-llama.ts";
import { smallTokenizer as tokenizer } from "../../test/support/talkative-model.ts";
import { createRng } from "../base/rng.ts";
import { writeLearned } from "../models/learned-file.ts";
import { type TokenExperts, tokenExpertShapes } from "../models/token-experts.ts";
import { SPECIAL_TOKEN_LAYOUT as layout } from "../text/prompt.ts";
import type { Subject, Task } from "./method.ts";
import { parseMethods } from "./table.ts";

test("500 mutations of MixLoRA's experts give finite values or are refused", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fuzz-"));
  const stored = await storedLlama(join(folder, "model"), {
    layers: 1,
    hidden: 8,
    ffn: 8,
    heads: 2,
    kvHeads: 1,
    headDim: 4,
  });
  const settings: TokenExperts = { form: "mixlora", experts: 2, topK: 1, rank: 1, alpha: 1, targets: ["q"] };
  const shapes = tokenExpertShapes(stored.config, settings);
  const rng = createRng("experts");
  const tensors = new Map(
    [...shapes].map(([name, shape]) => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
      return [name, rng.fillNormal(values, 1)] as const;
    }),
  );
  const path = join(folder, "learned.safetensors");
  await writeLearned(path, { modelSha256: stored.sha256, settings, tensors }, shapes);
  const subject: Subject = { name: "tiny", sha256: stored.sha256, model: stored, stored, tokenizer, layout };
  const task: Task = { name: "t", stratum: "tasks", kind: "task", systemPrompt: "?", examples: [] };
  const [method] = parseMethods([`mixlora:${path}`]);
  const { outcomes, reasons } = await fuzz({
    seed: "learned",
    count: 500,
    damage: damageFile(path, new Uint8Array(readFileSync(path)), mutateSafetensors),
    read: async () => {
      const { change } = await method!.prepare(subject, task);
      for (const source of Object.values(change!.weights))
        expect((source as { readonly data: Float32Array }).data.every(Number.isFinite)).toBe(true);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(2);
  expect(outcomes["E_FORMAT"]).toBeGreaterThan(100);
  expect(reasons).toBeGreaterThan(15);
});
