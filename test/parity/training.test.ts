/** @file Training as a process: killed and resumed, out of disk space, and what it takes of memory. */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../src/base/rng.ts";
import { isTemporaryName } from "../../src/base/temporary-name.ts";
import { bundle } from "../support/bundle.ts";
import { configureGenerator, configureLanguageModel, runSteps, writeRunInputs } from "../support/training-runs.ts";

const names = ["train", "peak-memory", "open-close"] as const;
const scripts = new Map<string, string>();
const node = (name: (typeof names)[number], ...args: (string | number)[]) => [scripts.get(name)!, ...args.map(String)];

let root: string;
beforeAll(async () => {
  for (const name of names) scripts.set(name, await bundle(name));
  root = mkdtempSync(join(tmpdir(), "training-"));
  await writeRunInputs(root);
});
afterAll(() => rmSync(root, { recursive: true }));

const kinds = {
  model: configureLanguageModel,
  generator: configureGenerator,
} as const;
type Kind = keyof typeof kinds;
const configure = (kind: Kind, output: string) => kinds[kind](root, output);

const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
const resultOf = (kind: Kind, output: string) => join(output, kind, "model.safetensors");
const lastCheckpointOf = (output: string) =>
  join(output, "checkpoints", `step-${String(runSteps).padStart(8, "0")}.safetensors`);
const logOf = (output: string) =>
  readFileSync(join(output, "log.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const { tokensPerSecond: _, memoryMb: __, ...rest } = JSON.parse(line) as Record<string, unknown>;
      return rest;
    });

/** Trains without interruption; once for all tests. */
const whole = new Map<Kind, Promise<string>>();
function uninterrupted(kind: Kind): Promise<string> {
  const train = async () => {
    const output = join(root, `whole-${kind}`);
    await promisify(execFile)(process.execPath, node("train", configure(kind, output)));
    return output;
  };
  const running = whole.get(kind) ?? train();
  whole.set(kind, running);
  return running;
}

/** Trains until the process kills itself at the given moment. Returns the signal that ended it. */
async function trainAndKill(config: string, step: number, turns: number): Promise<string | null> {
  const args = node("train", config, step, turns);
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  const [, signal] = (await once(child, "exit")) as [number | null, string | null];
  return signal;
}

describe("SIGKILL", () => {
  test.each(["model", "generator"] as const)(
    "a %s killed at 10 random moments and resumed each time ends bit-identical to an uninterrupted run",
    async (kind) => {
      const expected = await uninterrupted(kind);
      const output = join(root, `killed-${kind}`);
      const config = configure(kind, output);
      const rng = createRng(`kills of a ${kind}`);
      const steps = Array.from({ length: 10 }, () => rng.int(runSteps - 3)).sort((a, b) => a - b);
      for (const step of steps) {
        // From within a product to many file operations later: turns of the event loop are that unequal.
        const turns = Math.floor(2 ** (13 * rng.next()));
        expect(await trainAndKill(config, step, turns), `step ${step}, ${turns} turns`).toBe("SIGKILL");
      }
      expect(existsSync(resultOf(kind, output))).toBe(false); // it had not come to its end
      await promisify(execFile)(process.execPath, node("train", config));
      expect(sha256(resultOf(kind, output))).toBe(sha256(resultOf(kind, expected)));
      expect(sha256(lastCheckpointOf(output))).toBe(sha256(lastCheckpointOf(expected)));
      expect(logOf(output)).toEqual(logOf(expected));
    },
  );
});

// A limit on the size of files stands for a full disk: writes fail half-way in the same place.
describe.skipIf(process.platform === "win32")("a disk that takes no more", () => {
  test("stops with E_IO, leaves nothing half-written, and goes on once there is room", async () => {
    const expected = await uninterrupted("model");
    const output = join(root, "full");
    const config = configure("model", output);
    const command = `ulimit -f 40; exec "$0" "$@"`; // 20 or 40 kB: a log line fits, a checkpoint does not
    const limited = promisify(execFile)("sh", ["-c", command, process.execPath, ...node("train", config)]);
    await expect(limited).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^E_IO: cannot write .*\/(checkpoints|best)\/step-\d+\.safetensors: .+\n$/,
      ) as unknown,
    });
    const files = readdirSync(output, { recursive: true, encoding: "utf8" });
    expect(files.filter((name) => isTemporaryName(name.replace(/.*\//, "")))).toEqual([]);
    expect(files.filter((name) => name.endsWith(".safetensors"))).toEqual([]);
    await promisify(execFile)(process.execPath, node("train", config));
    expect(sha256(resultOf("model", output))).toBe(sha256(resultOf("model", expected)));
  });
});

describe("memory", () => {
  const measure = async (work: string): Promise<{ loss: number; grown: number }> => {
    const { stdout } = await promisify(execFile)(process.execPath, node("peak-memory", work));
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

  test.each(["trainer", "decoder"])("a %s that is closed gives its memory back", async (what) => {
    const args = ["--expose-gc", ...node("open-close", what)];
    const resident = JSON.parse((await promisify(execFile)(process.execPath, args)).stdout) as number[];
    // One opening takes more than 33 MB of weights; what the first ones leave is pools that the later ones use.
    const [early, late] = [Math.max(...resident.slice(0, 4)), Math.min(...resident.slice(-4))];
    expect(late - early, String(resident)).toBeLessThan(33e6);
  });
});
