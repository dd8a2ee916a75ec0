/** @file What opening a model takes in memory. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { writeRandomModel } from "../bench/real-size/weights.ts";
import { plainLlama } from "../src/models/config.ts";

const config = {
  ...plainLlama,
  ...{ hidden: 512, ffn: 2048, layers: 10, heads: 8, kvHeads: 8, headDim: 64, vocab: 4096, context: 64 },
  ...{ epsilon: 1e-5, ropeTheta: 10000, bosId: undefined, eosIds: [], tied: false },
};

test("a bf16 model is in memory once while it is opened, not widened and then copied", async () => {
  const directory = mkdtempSync(join(tmpdir(), "open-memory-"));
  await writeRandomModel(directory, config, "open");
  const script = resolve(import.meta.dirname, "support/open-memory.ts");
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", script, directory]);
  rmSync(directory, { recursive: true });
  const { grown, parameters, logit } = JSON.parse(stdout) as Record<string, number>;
  expect(Number.isFinite(logit)).toBe(true);
  expect(grown! / parameters!).toBeLessThan(7); // 4 are the weights; widened values and a copy of them would be 8
});
