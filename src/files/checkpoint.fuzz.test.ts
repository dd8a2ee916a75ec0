/** @file 2,000 damaged checkpoints of each kind: each loads whole or is refused. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateSafetensors } from "../../test/support/mutate.ts";
import { createRng } from "../base/rng.ts";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import { writeSafetensors } from "./safetensors-write.ts";

const folder = () => mkdtempSync(join(tmpdir(), "fuzz-"));
const saved = {
  step: 123,
  tensors: {
    "p/w": { shape: [3, 4], data: createRng("fuzz checkpoint").fillNormal(new Float32Array(12), 1) },
    "m/w": { shape: [3, 4], data: new Float32Array(12) },
    "s/count": { shape: [], data: new Float32Array(1) },
  },
  state: { bestLoss: 1.5, bestStep: 100, seed: "fuzz" },
};

test("2,000 mutated checkpoints without a checksum load whole or are refused", async () => {
  const path = join(folder(), "step-00000123.safetensors");
  await writeSafetensors(
    path,
    Object.entries(saved.tensors).map(([name, tensor]) => ({ name, dtype: "F32" as const, ...tensor })),
    { kind: "lora-gen checkpoint 1", step: "123", state: JSON.stringify(saved.state) },
  );
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

test("2,000 mutated checkpoints with their checksum load as they were saved or are refused", async () => {
  const path = await saveCheckpoint(folder(), saved);
  const { outcomes, reasons } = await fuzz({
    seed: "checkpoint",
    damage: damageFile(path, new Uint8Array(readFileSync(path)), mutateSafetensors),
    read: async () => expect(await loadCheckpoint(path)).toEqual(saved),
  });
  expect(outcomes["read"]).toBeGreaterThan(5);
  expect(reasons).toBeGreaterThan(15);
});
