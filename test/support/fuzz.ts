/** @file Reads thousands of damaged inputs: each gives a sound value or a coded error, and none makes its reader allocate much. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { AppError } from "../../src/base/errors.ts";
import { createRng, type Rng } from "../../src/base/rng.ts";
import { mutateJsonBytes, mutateSafetensors } from "./mutate.ts";
import { watchAllocations } from "./watch-allocations.ts";

export type Fuzz = {
  /** Names the random stream. */
  readonly seed: string;
  readonly count?: number;
  /** Writes the next damaged input; returns its size in bytes, which no allocation may exceed. */
  readonly damage: (rng: Rng) => number;
  /** Reads it, and checks what was read. */
  readonly read: () => Promise<void>;
};

export type FuzzReport = {
  /** How many were read, and how many refused by each code. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Different wordings of refusals, names and numbers left out: how deep the damage reaches. */
  readonly reasons: number;
};

/** What a read may take whatever the file holds: pools, messages, stack traces. */
const floorBytes = 2 ** 16;

/** Throws with the mutation's number on any error without a code, and on an allocation beyond the bound. */
export async function fuzz({ seed, count = 2000, damage, read }: Fuzz): Promise<FuzzReport> {
  const rng = createRng(seed);
  const outcomes: Record<string, number> = {};
  const reasons = new Set<string>();
  const allocations = watchAllocations();
  try {
    for (let i = 0; i < count; i++) {
      const bound = Math.max(floorBytes, damage(rng.split(`mutation-${i}`)));
      Object.assign(allocations, { largest: 0, total: 0 });
      let outcome = "read";
      try {
        await read();
      } catch (error) {
        if (!(error instanceof AppError)) throw new Error(`${seed}, mutation ${i}: ${error}`, { cause: error });
        outcome = error.code;
        reasons.add(error.message.replace(/\(.*|"(?:[^"\\]|\\.)*"|\d+/g, ""));
      }
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      expect(allocations.largest, `${seed}, mutation ${i}: largest allocation`).toBeLessThanOrEqual(bound);
      expect(allocations.total, `${seed}, mutation ${i}: all allocations`).toBeLessThanOrEqual(16 * bound);
    }
  } finally {
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  }
  console.info(`${seed}: ${count} mutations: ${JSON.stringify(outcomes)}, ${reasons.size} reasons`);
  return { outcomes, reasons: reasons.size };
}

/** Damages one file of several: the others stay as they are. Returns the size of the damaged file. */
export function damageFile(
  path: string,
  original: Uint8Array,
  mutate: (bytes: Uint8Array, rng: Rng) => Uint8Array,
): (rng: Rng) => number {
  return (rng) => {
    const bytes = mutate(original, rng);
    writeFileSync(path, bytes);
    return bytes.length;
  };
}

/** Damages the configuration of a model's folder, its weights, or both. Returns the size of both. */
export function damageModelFolder(directory: string): (rng: Rng) => number {
  const [config, weights] = ["config.json", "model.safetensors"].map((name) => join(directory, name)) as [
    string,
    string,
  ];
  const sound = { config: new Uint8Array(readFileSync(config)), weights: new Uint8Array(readFileSync(weights)) };
  const damageConfig = damageFile(config, sound.config, mutateJsonBytes);
  const damageWeights = damageFile(weights, sound.weights, mutateSafetensors);
  return (rng) => {
    writeFileSync(config, sound.config);
    writeFileSync(weights, sound.weights);
    const part = rng.int(3); // the configuration, the weights, or both
    const configBytes = part === 1 ? sound.config.length : damageConfig(rng.split("config"));
    const weightBytes = part === 0 ? sound.weights.length : damageWeights(rng.split("weights"));
    return configBytes + weightBytes;
  };
}
