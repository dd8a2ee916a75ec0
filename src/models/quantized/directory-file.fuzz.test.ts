/** @file 3,000 damaged folders of quantised models: each opens with the tensors that were written, or is refused. */
import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageModelFolder, fuzz } from "../../../test/support/fuzz.ts";
import { randomLlama } from "../../../test/support/random-llama.ts";
import type { Model } from "../model.ts";
import { openModel, saveModel } from "../model-file.ts";
import { parameterShapes } from "../parameters.ts";
import { quantizeDirectory } from "./directory-file.ts";
import { quantizations, storedWeights } from "./layout.ts";

/** Every tensor of the quantised weights lies in its file with the bytes it needs. */
function expectSound({ config, quantization, weights }: Model): void {
  if (quantization === undefined) return; // the damage took that away: an ordinary model, which has its own test
  for (const { tensors } of storedWeights(config, quantization))
    for (const { name, shape, dtype } of tensors) {
      const source = weights[name]!;
      if (source.kind !== "file") throw new Error(`${name} is not mapped`);
      expect(source.bytes).toBe(shape.reduce((a, b) => a * b, 1) * (dtype === "u8" ? 1 : 4));
      expect(source.offset + source.bytes).toBeLessThanOrEqual(statSync(source.path).size);
    }
}

test("3,000 mutated folders of int4 weights with zero points open soundly or are refused", async () => {
  const [plain, dir] = [0, 1].map(() => mkdtempSync(join(tmpdir(), "fuzz-"))) as [string, string];
  const { config: shape, weights: values } = randomLlama({ hidden: 8, ffn: 12, headDim: 2, vocab: 20 });
  const tensors = [...parameterShapes(shape).keys()].map(
    (name) => [name, (values[name] as { data: Float32Array }).data] as const,
  );
  await saveModel(plain, shape, new Map(tensors));
  await quantizeDirectory(plain, dir, quantizations["int4-asymmetric"]);
  const { outcomes } = await fuzz({
    seed: "quantised folder",
    count: 3000,
    damage: damageModelFolder(dir),
    read: async () => expectSound(await openModel(dir)),
  });
  expect(outcomes["read"]).toBeGreaterThan(20);
  for (const code of ["E_FORMAT", "E_SHAPE", "E_MISMATCH"]) expect(outcomes[code], code).toBeGreaterThan(3);
});
