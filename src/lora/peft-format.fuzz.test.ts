/** @file 2,000 damaged PEFT adapters, configuration or weights: each gives an adapter that fits, or is refused. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateJsonBytes, mutateSafetensors } from "../../test/support/mutate.ts";
import { randomAdapter, shapesOf } from "../../test/support/random-adapter.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { peftFiles } from "./peft-config.ts";
import { readPeft, writePeft } from "./peft-format.ts";

test.each([
  [peftFiles.config, mutateJsonBytes],
  [peftFiles.weights, mutateSafetensors],
] as const)("2,000 mutations of %s give an adapter that fits or are refused", async (name, mutate) => {
  const dir = mkdtempSync(join(tmpdir(), "fuzz-"));
  const { config } = randomLlama({ layers: 1 });
  const shapes = shapesOf(config);
  await writePeft(dir, randomAdapter(config, { rank: 2, targets: ["up", "q"] }), { baseName: "base" });
  const path = join(dir, name);
  const { outcomes } = await fuzz({
    seed: `peft ${name}`,
    damage: damageFile(path, new Uint8Array(readFileSync(path)), mutate),
    read: async () => {
      for (const [weight, { rank, inputs, outputs, a, b }] of await readPeft(dir, shapes)) {
        expect([outputs, inputs]).toEqual(shapes.get(weight));
        expect([a.length, b.length]).toEqual([rank * inputs, rank * outputs]);
      }
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(20);
  expect(outcomes["E_MISMATCH"]).toBeGreaterThan(20);
  expect(outcomes["E_FORMAT"]).toBeGreaterThan(100);
});
