/** @file 2,000 damaged skills and 500 damaged decompositions each: what is read is sound, anything else is refused. */
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageFile, fuzz } from "../../test/support/fuzz.ts";
import { mutateSafetensors } from "../../test/support/mutate.ts";
import { createRng } from "../base/rng.ts";
import { readExpert, writeExpert } from "./expert-file.ts";
import { openBasis } from "./svd-cache.ts";
import { openSvd } from "./svd-file.ts";

const sha256 = "a".repeat(64);
const map = { weight: "l.0.up.weight", outputs: 6, inputs: 4 } as const;

test("2,000 mutations of a skill give finite factors or are refused", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "fuzz-")), "expert.safetensors");
  const scales = new Map([
    [map.weight, Float32Array.of(1, 2, 3, 4)],
    ["l.1.up.weight", Float32Array.of(0.5, 1, 1, 1)],
  ]);
  await writeExpert(path, { modelSha256: sha256, renormalize: false, madeBy: { by: "fuzz" }, scales });
  const { outcomes } = await fuzz({
    seed: "skill",
    damage: damageFile(path, new Uint8Array(readFileSync(path)), mutateSafetensors),
    read: async () => {
      for (const z of (await readExpert(path)).scales.values()) expect(z.every(Number.isFinite)).toBe(true);
    },
  });
  expect(outcomes["read"]).toBeGreaterThan(20);
  expect(outcomes["E_FORMAT"]).toBeGreaterThan(100);
});

test("500 mutations of a decomposition are read as it was written or refused", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fuzz-"));
  const data = createRng("weight").fillNormal(new Float32Array(24), 1);
  await openBasis({ sha256, maps: [map], weights: { [map.weight]: { kind: "data", data } } }, { folder });
  const path = join(folder, sha256, readdirSync(join(folder, sha256))[0]!);
  const { outcomes } = await fuzz({
    seed: "decomposition",
    count: 500,
    damage: damageFile(path, new Uint8Array(readFileSync(path)), mutateSafetensors),
    read: async () => {
      const { rank, sources } = await openSvd(path, sha256, map);
      expect([rank, sources.u.kind]).toEqual([4, "file"]);
    },
  });
  expect((outcomes["E_FORMAT"] ?? 0) + (outcomes["E_MISMATCH"] ?? 0)).toBeGreaterThan(300);
});
