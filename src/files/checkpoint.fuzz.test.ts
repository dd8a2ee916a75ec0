/** @file 2,000 damaged checkpoints: each loads whole or is refused. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateSafetensors } from "../../test/support/mutate.ts";
import { createRng } from "../base/rng.ts";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";

test("2,000 mutated checkpoints load whole or are refused", async () => {
  const rng = createRng("fuzz checkpoint");
  const path = await saveCheckpoint(mkdtempSync(join(tmpdir(), "fuzz-")), {
    step: 123,
    tensors: {
      "p/w": { shape: [3, 4], data: rng.fillNormal(new Float32Array(12), 1) },
      "m/w": { shape: [3, 4], data: new Float32Array(12) },
      "s/count": { shape: [], data: new Float32Array(1) },
    },
    state: { bestLoss: 1.5, bestStep: 100, seed: "fuzz" },
  });
  const { outcomes, reasons } = await fuzz({
    seed: "checkpoint",
    damage: damageFile(path, new Uint8Array(readFileSync(path)), mutateSafetensors),
    read: async () => {
      const { step, tensors, state } = await loadCheckpoint(path);
      expect(Number.isSafeInteger(step) && step >= 0).toBe(true);
      expect(JSON.parse(JSON.stringify(state))).toEqual(state);
      for (const { shape, data } of Object.values(tensors)) expect(data).toHaveLength(shape.reduce((a, b) => a * b, 1));
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(20);
  expect(reasons).toBeGreaterThan(15);
});
