/** @file How the benchmark of full-size models makes its rounds and sums them up, with programs that only say how long they took. */
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { decodeRounds, type Program } from "../bench/real-size/decode-rounds.ts";
import type { GgufTask } from "../bench/real-size/gguf-worker.ts";
import { realModel } from "../bench/real-size/shapes.ts";
import { randomWeights } from "../bench/real-size/weights.ts";
import { watchMemory } from "../bench/support/memory.ts";
import { startWorker } from "../bench/support/worker.ts";
import { bfloat16ToFloat32, float32ToBfloat16 } from "../src/base/half.ts";
import { openGguf, readGgufTensor } from "../src/files/gguf/read.ts";
import { parameterShapes } from "../src/models/parameters.ts";

const lengths = { promptTokens: 256, newTokens: 32 };

/** A program whose steps take the milliseconds that are given, round by round; notes what it is asked. */
function fake(prefix: string, ms: Record<string, readonly number[]>, asked: string[]): Program {
  const made: Record<string, number> = {};
  const note = (what: string) => asked.push(`${prefix}${what}`);
  return {
    prefix,
    async start() {
      note("start");
      return {
        loadMs: 1500,
        memory: () => ({ ownMb: 7, mappedMb: 8 }),
        about: { [`${prefix}name`]: "fake" },
        worker: {
          async ask(step) {
            note(step);
            made[step] = (made[step] ?? -1) + 1;
            const found = ms[step]![made[step]!];
            if (found === undefined) throw new Error(`no answer to ${prefix}${step}`);
            return { ms: found };
          },
          async close() {
            note("close");
          },
        },
      };
    },
  };
}

const rounds = (repetitions: number, warmUp: number) => ({
  repetitions,
  warmUp,
  log: () => undefined,
  rest: async () => undefined,
});

test("in turn both read the prompt, then both decode, the other first in the next round; warm-up does not count", async () => {
  const asked: string[] = [];
  const ours = fake("", { prefill: [999, 100, 100], decode: [999, 10, 40] }, asked);
  const peer = fake("p ", { prefill: [1, 50, 100], decode: [1, 9, 36] }, asked);
  const { values, about, raw } = await decodeRounds(ours, peer, true, lengths, rounds(2, 1));
  const first = ["prefill", "p prefill", "decode", "p decode"];
  const second = ["p prefill", "prefill", "p decode", "decode"];
  expect(asked).toEqual(["start", "p start", ...first, ...second, ...first, "close", "p close"]);
  expect(raw).toEqual({
    "prefill ms": [100, 100],
    "decode ms": [10, 40],
    "p prefill ms": [50, 100],
    "p decode ms": [9, 36],
  });
  expect(values).toEqual({
    "load s": 1.5,
    "prefill tokens/s": 2560,
    "decode tokens/s": 1280,
    "own MB": 7,
    "mapped MB": 8,
    "p load s": 1.5,
    "p prefill tokens/s": 256000 / 75,
    "p decode tokens/s": 32000 / 22.5,
    "p own MB": 7,
    "p mapped MB": 8,
    "prefill, ours / p": 0.75,
    "decode, ours / p": 0.9,
  });
  expect(about).toEqual({ name: "fake", "p name": "fake" });
});

test("of six rounds in turn the ratio has an interval; one program after the other has none, and the ratio of the medians", async () => {
  const ms = { prefill: [10, 10, 10, 10, 10, 10], decode: [10, 20, 30, 40, 50, 60] };
  const theirs = { prefill: [10, 10, 10, 10, 10, 10], decode: [10, 18, 24, 40, 50, 66] };
  const name = "decode, ours / p";
  const paired = await decodeRounds(fake("", ms, []), fake("p ", theirs, []), true, lengths, rounds(6, 0));
  expect(paired.values).toMatchObject({ [name]: 1, [`${name}, low`]: 0.8, [`${name}, high`]: 1.1 });
  const asked: string[] = [];
  const apart = await decodeRounds(fake("", ms, asked), fake("p ", theirs, asked), false, lengths, rounds(6, 0));
  expect(apart.values[name]).toBe(32 / 35);
  expect(apart.values).not.toHaveProperty(`${name}, low`);
  expect(asked.indexOf("close")).toBeLessThan(asked.indexOf("p start"));
});

test("alone there is nothing to compare; a program that fails leaves none running", async () => {
  const asked: string[] = [];
  const alone = await decodeRounds(
    fake("", { prefill: [5], decode: [5] }, asked),
    undefined,
    false,
    lengths,
    rounds(1, 0),
  );
  expect(Object.keys(alone.values).filter((key) => key.includes("ours"))).toEqual([]);
  const broken: Program = { prefix: "p ", start: () => Promise.reject(new Error("no model")) };
  const ours = fake("", { prefill: [5], decode: [5] }, asked);
  await expect(decodeRounds(ours, broken, true, lengths, rounds(1, 0))).rejects.toThrow("no model");
  expect(asked.slice(-2)).toEqual(["start", "close"]);
  const short = fake("p ", { prefill: [5], decode: [] }, asked); // has no answer to its first "decode"
  await expect(decodeRounds(ours, short, true, lengths, rounds(1, 0))).rejects.toThrow("p decode");
  expect(asked.slice(-2)).toEqual(["close", "p close"]);
});

test("a GGUF file for llama.cpp is written by a process of its own and has the weights that ours were quantised from", async () => {
  const { config, name } = realModel("TinyLlama-1.1B", { quick: true });
  const path = join(mkdtempSync(join(tmpdir(), "decode-rounds-")), "model.gguf");
  const task: GgufTask = { path, model: "TinyLlama-1.1B", quick: true, type: "F32", stored: "int8" };
  const script = fileURLToPath(new URL("../bench/real-size/gguf-worker.ts", import.meta.url));
  const { worker } = await startWorker(process.execPath, ["--import", "tsx", script, JSON.stringify(task)]);
  await worker.close();
  const table = "model.embed_tokens.weight";
  const drawn = randomWeights(config, name)(table, parameterShapes(config).get(table)!);
  const wanted = bfloat16ToFloat32(float32ToBfloat16(drawn));
  expect(wanted).not.toEqual(drawn);
  expect(await readGgufTensor(await openGguf(path), "token_embd.weight")).toEqual(wanted);
});

test.skipIf(process.platform !== "linux")(
  "the memory of another process is watched by its number (skipped where /proc is missing)",
  async () => {
    const start = (code: string) =>
      spawn(process.execPath, ["-e", `${code}; console.log("ready"); setInterval(() => 0, 1e6)`]);
    const children = [start("globalThis.held = Buffer.alloc(600e6, 1)"), start("")];
    try {
      await Promise.all(children.map(({ stdout }) => new Promise((resolve) => stdout.once("data", resolve))));
      const [large, small] = children.map(({ pid }) => watchMemory(pid!)().ownMb!);
      expect(large).toBeGreaterThan(600);
      expect(small).toBeLessThan(300);
    } finally {
      for (const child of children) child.kill();
    }
  },
);
