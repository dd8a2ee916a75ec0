/** @file 2,000 damaged `config.json` of each kind: each gives a shape a model can have, or is refused. */
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
  const { windowRotary, multipliers, convolution, unturned = [] } = config;
  if (convolution !== undefined) {
    expect(convolution.layers).toHaveLength(config.layers);
    expect(Number.isInteger(convolution.width) && convolution.width >= 2 && convolution.width <= 64).toBe(true);
  }
  const ofWindows = windowRotary && { ...config, ropeTheta: windowRotary.theta, ropeScaling: windowRotary.scaling };
  for (const each of [config, ofWindows ?? config])
    expect(ropeFrequencies(each).every((frequency) => Number.isFinite(frequency))).toBe(true);
  expect(Object.values(multipliers ?? {}).every((value) => Number.isFinite(value) && value > 0)).toBe(true);
  expect(config.turned === undefined || (config.turned % 2 === 0 && config.turned < config.headDim)).toBe(true);
  expect(unturned.length === 0 || unturned.length === config.layers).toBe(true);
  expect([...config.eosIds, config.bosId ?? 0].every(Number.isSafeInteger)).toBe(true);
}

const fixtures = resolve(import.meta.dirname, "../../test/fixtures/models");
/** Each of these has 2,000 mutations of its own; wrappers around them share as many, and so do all others. */
const apart = ["qwen3", "gemma3_text", "granite", "smollm3", "phi3", "lfm2"];
const read = (name: string) => JSON.parse(readFileSync(join(fixtures, name, "config.json"), "utf8")) as object;
const others = readdirSync(fixtures).filter((name) => !apart.includes(name));
const kinds: readonly (readonly [string, readonly object[]])[] = [
  ...apart.map((name) => [name, [read(name)]] as const),
  ["wrappers", apart.map((name) => ({ model_type: "many_senses", text_config: read(name), eos_token_id: [1, 106] }))],
  ["all others", others.map(read)],
];

test.each(kinds)("2,000 mutated configurations of %s give a possible shape or are refused", async (name, configs) => {
  const dir = mkdtempSync(join(tmpdir(), "fuzz-"));
  const files = configs.map((config) => new TextEncoder().encode(JSON.stringify(config, undefined, 2)));
  let next = 0;
  const { outcomes, reasons } = await fuzz({
    seed: `config.json of ${name}`,
    damage: (rng) => damageFile(join(dir, "config.json"), files[next++ % files.length]!, mutateJsonBytes)(rng),
    read: async () => expectPossible(await readModelConfig(dir)),
  });
  expect(outcomes["read"]).toBeGreaterThan(200);
  expect(reasons).toBeGreaterThan(30);
});
