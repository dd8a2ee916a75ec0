/** @file 2,000 damaged specialisation files: each is read soundly, into gates that its pair takes or refuses, or is refused itself. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutate, mutateJsonBytes } from "../../test/support/mutate.ts";
import { openTinyPair, specializationOf } from "../../test/support/tiny-pair.ts";
import { AppError } from "../base/errors.ts";
import type { Rng } from "../base/rng.ts";
import { assembleLora } from "./merge.ts";
import type { Pair } from "./pair-file.ts";
import { parseSpecialization, specializationLimits } from "./specialization.ts";
import { encodeSpecialization, readSpecialization, type Specialization } from "./specialization-file.ts";

let pair: Pair;
beforeAll(async () => {
  pair = await openTinyPair();
});

/** What whoever holds a specialisation relies on. */
function expectSound(specialization: Specialization): void {
  const { gates, topK, layers, experts, promptTokens, truncated, version } = specialization;
  for (const count of [topK, layers, experts, promptTokens])
    expect(Number.isSafeInteger(count) && count >= 1).toBe(true);
  expect(layers).toBeLessThanOrEqual(specializationLimits.layers);
  expect(experts).toBeLessThanOrEqual(specializationLimits.experts);
  expect(topK).toBeLessThanOrEqual(experts);
  expect(gates).toHaveLength(layers);
  for (const row of gates) {
    expect(row).toHaveLength(experts);
    expect(row.every((gate) => Number.isFinite(gate) && Math.fround(gate) === gate)).toBe(true);
    expect(row.filter((gate) => gate !== 0).length).toBeLessThanOrEqual(topK);
  }
  const { promptHmac, cloudSha256, edgeSha256, generatorSha256 } = specialization;
  for (const hash of [cloudSha256, edgeSha256, generatorSha256, ...(promptHmac === undefined ? [] : [promptHmac])])
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(typeof truncated).toBe("boolean");
  expect(version).toMatch(/^\P{C}{1,40}$/u);
  // Written again it says the same, and stays within the limit of reading.
  expect(parseSpecialization(encodeSpecialization(specialization), "written again")).toEqual(specialization);
}

/** Damages the file: every second time the bytes of its gates and hashes, which stand in base64, else its text. */
function mutateFile(bytes: Uint8Array, rng: Rng): Uint8Array {
  if (rng.int(2) === 0) return mutateJsonBytes(bytes, rng);
  const text = new TextDecoder()
    .decode(bytes)
    .replaceAll(/"(gates|cloud|edge|generator)":"([^"]+)"/g, (whole, key, value) => {
      if (rng.int(3) > 0) return whole as string;
      const damaged = mutate(Buffer.from(value as string, "base64"), rng);
      const written = Buffer.from(damaged).toString("base64");
      return `"${key}":"${key === "gates" ? written : written.replace(/=+$/, "")}"`;
    });
  return new TextEncoder().encode(text);
}

/** The same gates in files of different sizes: the tiny pair's, one with every expert in use, and one as large as large models need. */
const gatesOf = {
  "a small": [
    [0.25, 0, 0.75, 0],
    [0, 0, 0, 1],
  ],
  "a dense": [
    [0.125, 0.25, 0.5, 0.125],
    [0.7, 0.1, 0.1, 0.1],
  ],
  "a large": Array.from({ length: 80 }, (_, layer) => Array.from({ length: 64 }, (_, i) => (i === layer % 64 ? 1 : 0))),
};

test.each(Object.entries(gatesOf))(
  "2,000 mutations of %s specialisation are read soundly or refused",
  async (kind, gates) => {
    const dir = mkdtempSync(join(tmpdir(), "fuzz-"));
    const topK = Math.max(...gates.map((row) => row.filter((gate) => gate !== 0).length));
    const original = encodeSpecialization(specializationOf(pair, gates, { topK }));
    const found = { read: 0, forPair: 0, forOthers: 0 };
    const { outcomes, reasons } = await fuzz({
      seed: `${kind} specialization.json`,
      damage: damageFile(join(dir, "specialization.json"), new TextEncoder().encode(original), mutateFile),
      read: async () => {
        const specialization = await readSpecialization(dir);
        found.read++;
        expectSound(specialization);
        try {
          expect(await readSpecialization(dir, pair)).toEqual(specialization);
          found.forPair++;
        } catch (error) {
          if (!(error instanceof AppError && error.code === "E_MISMATCH")) throw error;
          found.forOthers++;
          return;
        }
        for (const { a, b } of assembleLora(pair, specialization).values())
          expect(a.every(Number.isFinite) && b.every(Number.isFinite)).toBe(true);
      },
    });
    expect(outcomes["read"]).toBe(found.read);
    expect(found.read).toBeGreaterThan(100);
    expect(found.forOthers).toBeGreaterThan(kind === "a large" ? found.read - 1 : 10);
    if (kind !== "a large") expect(found.forPair).toBeGreaterThan(50);
    expect(outcomes["E_FORMAT"]).toBeGreaterThan(1000);
    expect(reasons).toBeGreaterThan(20);
  },
);
