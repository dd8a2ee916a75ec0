/** @file 2,000 damaged `config.json`: each gives a shape a model can have, or is refused. */
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateJsonBytes } from "../../test/support/mutate.ts";
import type { ModelConfig } from "./config.ts";
import { readModelConfig } from "./config-file.ts";
import { ropeFrequencies } from "./rope.ts";

const counts = ["hidden", "ffn", "layers", "heads", "kvHeads", "headDim", "vocab", "context"] as const;

function expectPossible(config: ModelConfig): void {
  for (const name of counts) {
    expect(config[name], name).toBeGreaterThanOrEqual(1);
    expect(config[name], name).toBeLessThanOrEqual(2 ** 24);
    expect(Number.isInteger(config[name]), name).toBe(true);
  }
  if (config.modelType !== "opt") expect(config.headDim % 2).toBe(0);
  expect(config.heads % config.kvHeads).toBe(0);
  expect(config.epsilon).toBeGreaterThan(0);
  expect(Number.isFinite(config.epsilon) && Number.isFinite(config.ropeTheta)).toBe(true);
  expect(config.windows.length === 0 || config.windows.length === config.layers).toBe(true);
  expect(config.windows.every((window) => Number.isInteger(window) && window >= 0)).toBe(true);
  expect(ropeFrequencies(config).every((frequency) => Number.isFinite(frequency))).toBe(true);
  expect([...config.eosIds, config.bosId ?? 0].every(Number.isSafeInteger)).toBe(true);
}

const fixtures = resolve(import.meta.dirname, "../../test/fixtures/models");
const files = readdirSync(fixtures).map((name) => new Uint8Array(readFileSync(join(fixtures, name, "config.json"))));

test("2,000 mutated configurations of all architectures give a possible shape or are refused", async () => {
  const dir = mkdtempSync(join(tmpdir(), "fuzz-"));
  let next = 0;
  const { outcomes, reasons } = await fuzz({
    seed: "config.json",
    damage: (rng) => damageFile(join(dir, "config.json"), files[next++ % files.length]!, mutateJsonBytes)(rng),
    read: async () => expectPossible(await readModelConfig(dir)),
  });
  expect(outcomes["read"]).toBeGreaterThan(200);
  expect(reasons).toBeGreaterThan(30);
});
