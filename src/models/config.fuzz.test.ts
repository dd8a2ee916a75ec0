/** @file 2,000 damaged `config.json`: each gives a shape a model can have, or is refused. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateJsonBytes } from "../../test/support/mutate.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { type ModelConfig, readModelConfig, toConfigJson } from "./config.ts";

const counts = ["hidden", "ffn", "layers", "heads", "kvHeads", "headDim", "vocab", "context"] as const;

function expectPossible(config: ModelConfig): void {
  for (const name of counts) {
    expect(config[name], name).toBeGreaterThanOrEqual(1);
    expect(config[name], name).toBeLessThanOrEqual(2 ** 24);
    expect(Number.isInteger(config[name]), name).toBe(true);
  }
  expect(config.headDim % 2).toBe(0);
  expect(config.heads % config.kvHeads).toBe(0);
  expect(config.epsilon).toBeGreaterThan(0);
  expect(Number.isFinite(config.epsilon) && Number.isFinite(config.ropeTheta)).toBe(true);
  expect([...config.eosIds, config.bosId ?? 0].every(Number.isSafeInteger)).toBe(true);
}

test("2,000 mutated configurations give a possible shape or are refused", async () => {
  const dir = mkdtempSync(join(tmpdir(), "fuzz-"));
  const original = new TextEncoder().encode(JSON.stringify(toConfigJson(randomLlama().config), null, 2));
  const { outcomes, reasons } = await fuzz({
    seed: "config.json",
    damage: damageFile(join(dir, "config.json"), original, mutateJsonBytes),
    read: async () => expectPossible(await readModelConfig(dir)),
  });
  expect(outcomes["read"]).toBeGreaterThan(200);
  expect(reasons).toBeGreaterThan(15);
});
