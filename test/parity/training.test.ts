/** @file Training as a process: killed and resumed, out of disk space, and what it takes of memory. */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  type FSWatcher,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isTemporaryName } from "../../src/base/atomic-file.ts";
import { createRng } from "../../src/base/rng.ts";
import { writeTokenCache } from "../../src/data/token-cache.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { writeSmallTokenizer } from "../support/small-tokenizer.ts";

const script = (name: string) => join(import.meta.dirname, "../support", name);
const node = (name: string, argument: string) => ["--import", "tsx", script(name), argument];
const steps = 120;

let root: string;
let tokens: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "training-"));
  writeSmallTokenizer(join(root, "tokenizer"));
  tokens = join(root, "text.tokens");
  const text = Array.from({ length: 40 }, (_, i) => `the ${["cat", "dog", "bird"][i % 3]} and another band`);
  await writeTokenCache(tokens, await loadTokenizer(join(root, "tokenizer")), text, { maxTokens: 2000 });
});
afterAll(() => rmSync(root, { recursive: true }));

/** A run whose result is decided by this file alone. Returns the path of its configuration. */
function configure(output: string): string {
  const config = {
    kind: "language-model",
    output,
    seed: 11,
    steps,
    batch: 4,
    optimizer: { learningRate: 0.01, warmupSteps: 10 },
    checkpointEvery: 2,
    validateEvery: 5,
    validationBatches: 1,
    logEvery: 1,
    tokenizer: join(root, "tokenizer"),
    model: { hidden: 16, ffn: 24, layers: 1, heads: 2, kvHeads: 1, context: 64 },
    text: { tokens, validationTokens: tokens, window: 16 },
  };
  const path = `${output}.json`;
  writeFileSync(path, JSON.stringify(config));
  return path;
}

const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
const modelOf = (output: string) => join(output, "model", "model.safetensors");
const lastCheckpointOf = (output: string) =>
  join(output, "checkpoints", `step-${String(steps).padStart(8, "0")}.safetensors`);
const logOf = (output: string) =>
  readFileSync(join(output, "log.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { tokensPerSecond: _, memoryMb: __, ...rest } = JSON.parse(line) as Record<string, unknown>;
      return rest;
    });

/** Trains without interruption; once for all tests. */
let whole: Promise<string> | undefined;
const uninterrupted = (): Promise<string> => {
  whole ??= (async () => {
    const output = join(root, "whole");
    await promisify(execFile)(process.execPath, node("train.ts", configure(output)));
    return output;
  })();
  return whole;
};

/** Trains until the folders of the run have seen `changes` changes, then kills the process. Returns whether it was killed. */
async function trainAndKill(output: string, config: string, changes: number): Promise<boolean> {
  const child = spawn(process.execPath, node("train.ts", config), { stdio: ["ignore", "ignore", "inherit"] });
  let seen = 0;
  const watchers: FSWatcher[] = [output, join(output, "checkpoints")].map((folder) =>
    watch(folder, () => {
      if (++seen === changes) child.kill("SIGKILL");
    }),
  );
  const [, signal] = (await once(child, "exit")) as [number | null, string | null];
  for (const watcher of watchers) watcher.close();
  return signal === "SIGKILL";
}

describe("SIGKILL", () => {
  test("killed at 10 random moments and resumed each time, a run ends bit-identical to an uninterrupted one", async () => {
    const expected = await uninterrupted();
    const output = join(root, "killed");
    const config = configure(output);
    mkdirSync(join(output, "checkpoints"), { recursive: true }); // to be watched from the first moment on
    const rng = createRng("kills");
    let kills = 0;
    while (kills < 10) {
      expect(await trainAndKill(output, config, 1 + rng.int(100)), `kill ${kills + 1}`).toBe(true);
      kills++;
    }
    expect(existsSync(modelOf(output))).toBe(false); // it had not come to its end
    await promisify(execFile)(process.execPath, node("train.ts", config));
    expect(sha256(modelOf(output))).toBe(sha256(modelOf(expected)));
    expect(sha256(lastCheckpointOf(output))).toBe(sha256(lastCheckpointOf(expected)));
    expect(logOf(output)).toEqual(logOf(expected));
  });
});

// A limit on the size of files stands for a full disk: writes fail half-way in the same place.
describe.skipIf(process.platform === "win32")("a disk that takes no more", () => {
  test("stops with E_IO, leaves nothing half-written, and goes on once there is room", async () => {
    const expected = await uninterrupted();
    const output = join(root, "full");
    const config = configure(output);
    const command = `ulimit -f 40; exec "$0" "$@"`; // 20 or 40 kB: a log line fits, a checkpoint does not
    const limited = promisify(execFile)("sh", ["-c", command, process.execPath, ...node("train.ts", config)]);
    await expect(limited).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^E_IO: cannot write .*\/(checkpoints|best)\/step-\d+\.safetensors: .+\n$/,
      ) as unknown,
    });
    const files = readdirSync(output, { recursive: true, encoding: "utf8" });
    expect(files.filter((name) => isTemporaryName(name.replace(/.*\//, "")))).toEqual([]);
    expect(files.filter((name) => name.endsWith(".safetensors"))).toEqual([]);
    await promisify(execFile)(process.execPath, node("train.ts", config));
    expect(sha256(modelOf(output))).toBe(sha256(modelOf(expected)));
  });
});

describe("memory", () => {
  const measure = async (work: string): Promise<{ loss: number; grown: number }> => {
    const { stdout } = await promisify(execFile)(process.execPath, node("peak-memory.ts", work));
    return JSON.parse(stdout) as { loss: number; grown: number };
  };

  test("recomputation needs less than half of the memory and gives the same loss", async () => {
    const [kept, recomputed] = [await measure("kept"), await measure("recomputed")];
    expect(recomputed.loss).toBe(kept.loss);
    expect(recomputed.grown).toBeLessThan(0.5 * kept.grown);
  });

  test("frozen int8 weights are never all unfolded to fp32 at the same time", async () => {
    const fp32Bytes = 32 * 1024 * 1024 * 4;
    // 131 MB when written: runtime, weights, and their copy packed for the product. Unfolded, 134 MB more.
    expect((await measure("int8")).grown).toBeLessThan(1.3 * fp32Bytes);
  });
});
