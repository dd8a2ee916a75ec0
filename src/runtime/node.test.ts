/** @file Sessions in Node: where results go, and what errors say. */
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from "../base/half.ts";
import { createRng } from "../base/rng.ts";
import { add, gather, input, matmul, neg, sum, weight } from "../graph/build.ts";
import { compile } from "./node.ts";
import { maxThreads, requireThreads } from "./session.ts";
import { floats, floatTensor, intTensor, zeros } from "./tensor.ts";
import { threadsByDefault } from "./threads.ts";

test("results are written into the memory given for them, and handed back in it", async () => {
  const x = input("x", ["rows", 2]);
  await using session = await compile({ outputs: { minus: neg(x), total: sum(x) } }, { threads: 1 });
  const minus = zeros("f32", [2, 2]);
  const fed = { x: floatTensor([2, 2], [1, 2, 3, 4]) };
  for (let run = 0; run < 2; run++) {
    const results = await session.run(fed, { minus });
    expect(results["minus"]).toBe(minus);
    expect([...minus.data]).toEqual([-1, -2, -3, -4]);
    expect(results["total"]).toEqual(floatTensor([], [10]));
  }
});

test("a result without memory gets its own, whether or not its shape is known", async () => {
  const outputs = { open: neg(input("x", ["rows"])), known: neg(input("y", [2])) };
  await using session = await compile({ outputs }, { threads: 1 });
  const fed = { x: floatTensor([3], [1, 2, 3]), y: floatTensor([2], [4, 5]) };
  const expected = { open: floatTensor([3], [-1, -2, -3]), known: floatTensor([2], [-4, -5]) };
  expect(await session.run(fed)).toEqual(expected);
  expect(await session.run(fed, { known: zeros("f32", [2]) })).toEqual(expected);
  const first = await session.run(fed, { open: zeros("f32", [3]) });
  await session.run({ ...fed, y: floatTensor([2], [6, 7]) }, { open: zeros("f32", [3]) });
  expect(first).toEqual(expected); // not overwritten by the run after
});

test("a run into given memory makes no copy of the results", async () => {
  const [length, megabyte] = [1 << 22, 1 << 20];
  await using session = await compile({ outputs: { y: neg(input("x", [length])) } }, { threads: 1 });
  const fed = { x: zeros("f32", [length]) };
  const y = zeros("f32", [length]);
  await session.run(fed, { y });
  const before = process.memoryUsage().arrayBuffers;
  await session.run(fed, { y });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(megabyte);
});

test("what ONNX Runtime refuses is an E_RUNTIME error with its words, given memory or not", async () => {
  const rows = gather(input("table", [2, 3]), input("at", [1], "i64"));
  await using session = await compile({ outputs: { rows } }, { threads: 1 });
  const fed = { table: zeros("f32", [2, 3]), at: intTensor([1], [7]) };
  const refusal = expect.objectContaining({
    code: "E_RUNTIME",
    message: expect.stringMatching(/^run: .*out of .*bounds/),
  });
  await expect(session.run(fed)).rejects.toThrow(refusal);
  await expect(session.run(fed, { rows: zeros("f32", [1, 3]) })).rejects.toThrow(refusal);
  const good = { ...fed, at: intTensor([1], [1]) };
  expect(await session.run(good, { rows: zeros("f32", [1, 3]) })).toEqual({ rows: zeros("f32", [1, 3]) });
});

test("a weight's file that is cut off under a session ends its runs with a code, not the process; one that is replaced does not", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mapped-"));
  const path = join(folder, "weights");
  const bytes = 2 ** 20;
  const w = weight("w", [bytes / 4]);
  const open = async () => {
    writeFileSync(path, new Uint8Array(bytes));
    const weights = { w: { kind: "file", path, offset: 0, bytes } } as const;
    return compile({ outputs: { total: sum(add(w, input("x", []))) } }, { weights, threads: 1 });
  };
  const fed = { x: floatTensor([], [1]) };
  await using cut = await open();
  expect((await cut.run(fed))["total"]?.data[0]).toBe(bytes / 4);
  truncateSync(path, 5000);
  await expect(cut.run(fed)).rejects.toMatchObject({
    code: "E_FORMAT",
    message: `${path}: a weight ends at byte ${bytes}, found 5000 bytes: it was cut off`,
  });
  await using replaced = await open();
  writeFileSync(join(folder, "other"), "short");
  renameSync(join(folder, "other"), path);
  expect((await replaced.run(fed))["total"]?.data[0]).toBe(bytes / 4);
  rmSync(folder, { recursive: true });
});

test("inputs that are missing or do not fit are refused by name", async () => {
  const y = add(input("a", [2]), input("b", [2]));
  const session = await compile({ outputs: { y } }, { threads: 1 });
  const a = zeros("f32", [2]);
  await expect(session.run({ a })).rejects.toThrow(
    expect.objectContaining({ code: "E_SHAPE", message: 'input "b" is missing' }),
  );
  await expect(session.run({ a, b: zeros("f32", [3]) })).rejects.toThrow('input "b": expected [2], found [3]');
  await expect(session.run({ a, b: zeros("i64", [2]) })).rejects.toThrow('input "b": expected f32, found i64');
  await session.close();
  await session.close();
  await expect(session.run({ a, b: a })).rejects.toThrow("closed");
});

test.each([
  ["f16", float32ToFloat16, float16ToFloat32],
  ["bf16", float32ToBfloat16, bfloat16ToFloat32],
] as const)("weights stored as %s give, bit for bit, what their fp32 values do", async (storedAs, narrow, widen) => {
  const directory = mkdtempSync(join(tmpdir(), "narrow-"));
  const path = join(directory, "weights");
  const shape = [600, 520]; // larger than what travels inside a model
  const stored = narrow(createRng("narrow").fillNormal(new Float32Array(600 * 520), 1));
  writeFileSync(path, Buffer.concat([Buffer.alloc(6), Buffer.from(stored.buffer)]));
  const w = weight("w", shape);
  const row = gather(w, input("at", [1], "i64"));
  const graph = { outputs: { row, y: matmul(row, w, { transB: true }) } };
  const fed = { at: intTensor([1], [599]) };
  const mapped = { kind: "file", path, offset: 6, bytes: stored.byteLength, storedAs } as const;
  await using narrowSession = await compile(graph, { threads: 1, weights: { w: mapped } });
  await using wideSession = await compile(graph, { threads: 1, weights: { w: { kind: "data", data: widen(stored) } } });
  expect(await narrowSession.run(fed)).toEqual(await wideSession.run(fed));
  const short = { ...mapped, bytes: stored.byteLength - 2 };
  await expect(compile(graph, { weights: { w: short } })).rejects.toMatchObject({ code: "E_SHAPE" });
  rmSync(directory, { recursive: true });
});

test.each([0, maxThreads])("%d threads are taken", (threads) => expect(() => requireThreads(threads)).not.toThrow());

test("threads that nobody named are as many as LORAGEN_THREADS says, which is refused where it is no number of threads", async () => {
  const graph = { outputs: { y: neg(input("x", [1])) } };
  vi.stubEnv("LORAGEN_THREADS", "many");
  try {
    expect(threadsByDefault).toThrow('LORAGEN_THREADS: expected a whole number from 0 to 256, found "many"');
    await expect(compile(graph)).rejects.toMatchObject({ code: "E_USAGE" });
    await using named = await compile(graph, { threads: 1 });
    expect(floats((await named.run({ x: floatTensor([1], [2]) }))["y"])).toEqual(Float32Array.of(-2));
    vi.stubEnv("LORAGEN_THREADS", "3");
    expect(threadsByDefault()).toBe(3);
  } finally {
    vi.unstubAllEnvs();
  }
});

test.each([-1, 1.5, 257, Number.NaN])("%d threads are refused", async (threads) => {
  await expect(compile({ outputs: { y: neg(input("x", [1])) } }, { threads })).rejects.toMatchObject({
    code: "E_USAGE",
    message: `threads: expected a whole number from 0 to 256, found ${threads}`,
  });
});

test("a profile names every operator by its result, and is there once the session is closed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "profile-"));
  try {
    const session = await compile({ outputs: { minus: neg(input("x", [2])) } }, { profile: join(folder, "run") });
    await session.run({ x: floatTensor([2], [1, 2]) });
    await session.close();
    const [file] = readdirSync(folder);
    const events = JSON.parse(readFileSync(join(folder, file!), "utf8")) as { name: string; dur: number }[];
    expect(events.filter(({ name }) => name === "minus_kernel_time")).toHaveLength(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
