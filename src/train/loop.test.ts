import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { quietContext, toyBatch, toyConfig, toyJob } from "../../test/support/toy-training.ts";
import { loadCheckpoint } from "../files/checkpoint.ts";
import { mean, mul } from "../graph/build.ts";
import { floats, floatTensor, intTensor } from "../runtime/tensor.ts";
import type { BatchRequest, Job } from "./job.ts";
import { trainLoop } from "./loop.ts";

const folders: string[] = [];
afterAll(() => {
  for (const path of folders) rmSync(path, { recursive: true });
});
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "loop-"));
  folders.push(path);
  return path;
}

const logOf = (output: string): Record<string, unknown>[] =>
  readFileSync(join(output, "log.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const resultOf = (output: string): string => readFileSync(join(output, "result.json"), "utf8");
const checkpointOf = (output: string, step: number): Buffer =>
  readFileSync(join(output, "checkpoints", `step-${String(step).padStart(8, "0")}.safetensors`));
const withoutMemory = (lines: Record<string, unknown>[]) => lines.map(({ memoryMb: _, ...line }) => line);

/** A run that is asked to stop while step `at` is prepared, so that it stops behind it. */
async function interruptedAt(at: number, output: string, config = toyConfig(output)) {
  const stop = new AbortController();
  const batch = ({ rng, step }: BatchRequest) => {
    if (step === at) stop.abort();
    return toyBatch(rng);
  };
  const messages: string[] = [];
  const log = { info: (message: string) => messages.push(message), warn: () => undefined };
  const context = quietContext({ signal: stop.signal, log });
  return { result: await trainLoop(config, toyJob(output, { batch }), context), messages };
}

test.each([3, 5, 11])("stopped after step %i and resumed, a run ends bit-identical to one that was not", async (at) => {
  const [whole, parts] = [folder(), folder()];
  const expected = await trainLoop(toyConfig(whole), toyJob(whole), quietContext());
  const { result } = await interruptedAt(at, parts);
  expect(result).toMatchObject({ interrupted: true, steps: at });
  const resumed = await trainLoop(toyConfig(parts), toyJob(parts), quietContext({ resume: true }));
  expect(resumed).toEqual(expected);
  expect(checkpointOf(parts, 12).equals(checkpointOf(whole, 12))).toBe(true);
  expect(resultOf(parts)).toBe(resultOf(whole));
  // The window between two log lines is averaged only over what this process saw, so those lines may differ in it.
  expect(logOf(parts).map(({ step }) => step)).toEqual(logOf(whole).map(({ step }) => step));
});

test("the seed decides the run: the same one gives the same bytes, another one others", async () => {
  const outputs = [folder(), folder(), folder()];
  for (const [i, seed] of [1, 1, 2].entries())
    await trainLoop(toyConfig(outputs[i]!, { seed }), toyJob(outputs[i]!), quietContext());
  const [first, again, other] = outputs.map((output) => checkpointOf(output, 12)) as [Buffer, Buffer, Buffer];
  expect(first.equals(again)).toBe(true);
  expect(first.equals(other)).toBe(false);
  expect(withoutMemory(logOf(outputs[0]!))).toEqual(withoutMemory(logOf(outputs[1]!)));
});

test("accumulated micro-batches of a step are drawn apart, and a resumed run draws them again", async () => {
  const [whole, parts] = [folder(), folder()];
  const config = (output: string) => toyConfig(output, { accumulate: 2, steps: 6 });
  await trainLoop(config(whole), toyJob(whole), quietContext());
  await interruptedAt(4, parts, config(parts));
  await trainLoop(config(parts), toyJob(parts), quietContext({ resume: true }));
  expect(checkpointOf(parts, 6).equals(checkpointOf(whole, 6))).toBe(true);
});

test("an interrupted run says where it can be resumed from", async () => {
  const output = folder();
  const { messages } = await interruptedAt(5, output);
  expect(messages).toEqual([`interrupted; resumable from ${join(output, "checkpoints", "step-00000005.safetensors")}`]);
});

test("a run that does not resume refuses to write over an earlier one's checkpoints", async () => {
  const output = folder();
  await interruptedAt(5, output);
  await expect(trainLoop(toyConfig(output), toyJob(output), quietContext())).rejects.toMatchObject({
    code: "E_USAGE",
    message: expect.stringContaining("--resume") as unknown,
  });
});

test("the log has loss, gradient norm, rate and memory every few steps, and each validation", async () => {
  const output = folder();
  await trainLoop(toyConfig(output), toyJob(output), quietContext({ now: clock(1000) }));
  const lines = logOf(output);
  const steps = lines.filter((line) => !("validation" in line));
  expect(steps.map(({ step }) => step)).toEqual([2, 4, 6, 8, 10, 12]);
  for (const line of steps) {
    expect(line).toEqual({
      step: line["step"],
      loss: expect.any(Number) as unknown,
      gradientNorm: expect.any(Number) as unknown,
      learningRate: expect.any(Number) as unknown,
      tokensPerSecond: 0,
      memoryMb: expect.any(Number) as unknown,
    });
  }
  expect(lines.filter((line) => "validation" in line).map(({ step }) => step)).toEqual([4, 8, 12]);
});

test("tokens a second are token ids: noise that is drawn for each of them is not counted", async () => {
  const output = folder();
  const batch = ({ rng }: BatchRequest) => ({
    ...toyBatch(rng),
    "part.tokens": intTensor([3, 7], new Array(21).fill(0)),
    "part.dropout.tokens": floatTensor([9, 3, 7], new Float32Array(189)),
  });
  await trainLoop(toyConfig(output), toyJob(output, { batch }), quietContext({ now: clock(1000) }));
  const [first] = logOf(output);
  expect(first).toMatchObject({ step: 2, tokensPerSecond: 42 }); // two steps, one second by this clock
});

/** Every look at the clock is `stepMs` later. */
function clock(stepMs: number): () => number {
  let ms = 0;
  return () => {
    ms += stepMs;
    return ms;
  };
}

test("what a kill left of a last log line, and lines of steps to be done again, are gone after resuming", async () => {
  const output = folder();
  await interruptedAt(6, output);
  const path = join(output, "log.jsonl");
  writeFileSync(path, `${readFileSync(path, "utf8")}{"step":7,"loss":9}\n{"step":8,"lo`);
  await trainLoop(toyConfig(output), toyJob(output), quietContext({ resume: true }));
  const lines = logOf(output);
  expect(lines.filter(({ loss }) => loss === 9)).toEqual([]);
  expect(lines.map(({ step }) => step)).toEqual([2, 4, 4, 6, 8, 8, 10, 12, 12]);
});

const diverging = { learningRate: 0.1, schedule: "constant", maxGradientNorm: 1e9 };

/** Teaches something else from step 9 on. */
function misled({ rng, step }: BatchRequest) {
  const { x, y, one } = toyBatch(rng);
  const values = Array.from(floats(y), (value) => (step > 8 ? 50 - value : value));
  return { x: x!, y: floatTensor([8, 2], values), one: one! };
}

test("the result is the state of the best validation loss, not the last one", async () => {
  const output = folder();
  const { best, steps } = await trainLoop(
    toyConfig(output, { optimizer: diverging, steps: 24 }),
    toyJob(output, { batch: misled }),
    quietContext(),
  );
  const validations = logOf(output).flatMap(({ step, validation }) =>
    validation === undefined ? [] : [{ step, loss: (validation as { loss: number }).loss }],
  );
  const lowest = validations.reduce((a, b) => (b.loss < a.loss ? b : a));
  expect({ best, steps }).toEqual({ best: { metric: "loss", value: lowest.loss, step: lowest.step }, steps: 24 });
  expect(best.step).toBeLessThan(24);
  const { tensors } = await loadCheckpoint(
    join(output, "best", `step-000000${String(best.step).padStart(2, "0")}.safetensors`),
  );
  const expected = Object.entries(tensors).map(([name, { data }]) => [name, ...data]);
  expect(JSON.parse(resultOf(output))).toEqual(expected);
});

/** A job that reports, beside its loss, how large its weights are. */
function sizedJob(output: string): Job {
  const job = toyJob(output);
  const objective: Job["spec"]["objective"] = (parameters, buffers) => ({
    ...job.spec.objective(parameters, buffers),
    metrics: { size: mean(mul(parameters["w"]!, parameters["w"]!)), weights: parameters["w"]! },
  });
  return { ...job, spec: { ...job.spec, objective } };
}

test("the best state is by the metric that bestBy names, the highest where that is wanted", async () => {
  const output = folder();
  const bestBy = { metric: "size", goal: "highest" } as const;
  const { best } = await trainLoop(toyConfig(output, { bestBy }), sizedJob(output), quietContext());
  const validations = logOf(output).flatMap(({ step, validation }) =>
    validation === undefined ? [] : [{ step, ...(validation as { loss: number; size: number }) }],
  );
  const highest = validations.reduce((a, b) => (b.size > a.size ? b : a));
  expect(best).toEqual({ metric: "size", value: highest.size, step: highest.step });
  expect(validations.map(({ loss }) => loss)).not.toContain(highest.size);
});

test.each(["accuracy", "weights"])(
  "a run by the metric %s, which is no number it validates, does not begin",
  async (metric) => {
    const output = folder();
    const config = toyConfig(output, { bestBy: { metric, goal: "lowest" } });
    await expect(trainLoop(config, sizedJob(output), quietContext())).rejects.toMatchObject({
      code: "E_CONFIG",
      message: `bestBy.metric: expected one of loss, size, found "${metric}"`,
    });
    expect(readdirSync(output)).toEqual([]);
  },
);

test("a batch may take its time and answer by the state before its step; such a run resumes bit-identically", async () => {
  const [whole, parts] = [folder(), folder()];
  const batch = async ({ rng, state }: BatchRequest) => {
    await Promise.resolve();
    const feeds = toyBatch(rng);
    const w = state["p/w"]!.data;
    return {
      ...feeds,
      y: floatTensor(
        [8, 2],
        Array.from(floats(feeds["y"]), (value, i) => value + w[i % 6]!),
      ),
    };
  };
  const stop = new AbortController();
  const interrupted = (request: BatchRequest) => {
    if (request.step === 5) stop.abort();
    return batch(request);
  };
  await trainLoop(toyConfig(whole), toyJob(whole, { batch }), quietContext());
  await trainLoop(toyConfig(parts), toyJob(parts, { batch: interrupted }), quietContext({ signal: stop.signal }));
  await trainLoop(toyConfig(parts), toyJob(parts, { batch }), quietContext({ resume: true }));
  expect(checkpointOf(parts, 12).equals(checkpointOf(whole, 12))).toBe(true);
  const plain = folder();
  await trainLoop(toyConfig(plain), toyJob(plain), quietContext());
  expect(checkpointOf(plain, 12).equals(checkpointOf(whole, 12))).toBe(false); // it saw the weights
});

test("a best state that an earlier run left without a checkpoint is not taken for this run's", async () => {
  const [clean, output] = [folder(), folder()];
  // Killed in effect before its first checkpoint: the best of step 4 is there, no checkpoint is.
  await trainLoop(toyConfig(output, { seed: 7, steps: 12 }), toyJob(output), quietContext());
  rmSync(join(output, "checkpoints"), { recursive: true });
  const short = { steps: 4, validateEvery: 2, optimizer: { warmupSteps: 1 } };
  await trainLoop(toyConfig(output, short), toyJob(output), quietContext());
  await trainLoop(toyConfig(clean, short), toyJob(clean), quietContext());
  expect(resultOf(output)).toBe(resultOf(clean));
});

test("a loss that is not finite stops the run with E_NAN, naming the last good checkpoint", async () => {
  const output = folder();
  const batch = ({ rng, step }: BatchRequest) => {
    const feeds = toyBatch(rng);
    return step < 8 ? feeds : { ...feeds, x: floatTensor([8, 3], new Float32Array(24).fill(Number.NaN)) };
  };
  const last = join(output, "checkpoints", "step-00000006.safetensors");
  await expect(trainLoop(toyConfig(output), toyJob(output, { batch }), quietContext())).rejects.toMatchObject({
    code: "E_NAN",
    message: `step 8: loss is NaN; the state of step 7 is kept. Last good checkpoint: ${last}`,
  });
  expect(readdirSync(output)).not.toContain("result.json");
  const { tensors } = await loadCheckpoint(last);
  for (const { data } of Object.values(tensors)) expect(data.every(Number.isFinite)).toBe(true);
  // With the batches mended, it goes on from there.
  const resumed = await trainLoop(toyConfig(output), toyJob(output), quietContext({ resume: true }));
  expect(resumed).toMatchObject({ steps: 12, interrupted: false });
});

test("an infinite weight at the start is told before any checkpoint exists", async () => {
  const output = folder();
  const job = toyJob(output);
  const start = () => ({
    ...(job.start() as Record<string, ReturnType<typeof floatTensor>>),
    "p/b": floatTensor([2], [Number.POSITIVE_INFINITY, 0]),
  });
  await expect(trainLoop(toyConfig(output), { ...job, start }, quietContext())).rejects.toMatchObject({
    code: "E_NAN",
    message: expect.stringMatching(/^step 1: loss is Infinity; .* Last good checkpoint: none$/) as unknown,
  });
});

test("an output that cannot be a folder is E_IO", async () => {
  const file = join(folder(), "file");
  writeFileSync(file, "");
  const output = join(file, "run");
  await expect(trainLoop(toyConfig(output), toyJob(output), quietContext())).rejects.toMatchObject({
    code: "E_IO",
    message: expect.stringContaining(`${file}: is a file`) as unknown,
  });
});

test.each([false, true])(
  "a folder with files that are no run's is refused and stays as it is (resume %s)",
  async (resume) => {
    const output = folder();
    const files = { "best/photo.jpg": "a", "config.json": '{"model_type":"llama"}', "model/model.safetensors": "b" };
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(output, name)), { recursive: true });
      writeFileSync(join(output, name), content);
    }
    await expect(trainLoop(toyConfig(output), toyJob(output), quietContext({ resume }))).rejects.toMatchObject({
      code: "E_USAGE",
      message: `${output}: expected a new or empty folder, or one of an earlier run, found others' files (best, config.json, model)`,
    });
    expect(readdirSync(output, { recursive: true }).sort()).toEqual([...Object.keys(files), "best", "model"].sort());
    for (const [name, content] of Object.entries(files)) expect(readFileSync(join(output, name), "utf8")).toBe(content);
  },
);

test("a run that begins anew removes the best states of the one before, and nothing else beside them", async () => {
  const output = folder();
  await trainLoop(toyConfig(output), toyJob(output), quietContext());
  rmSync(join(output, "checkpoints"), { recursive: true });
  writeFileSync(join(output, "best", "notes.txt"), "mine");
  await trainLoop(toyConfig(output, { steps: 4 }), toyJob(output), quietContext());
  expect(readdirSync(join(output, "best")).sort()).toEqual(["notes.txt", "step-00000004.safetensors"]);
});

test("the result of a run whose checkpoints are gone is not overwritten", async () => {
  const output = folder();
  await trainLoop(toyConfig(output), toyJob(output), quietContext());
  rmSync(join(output, "checkpoints"), { recursive: true });
  mkdirSync(join(output, "model"));
  await expect(trainLoop(toyConfig(output), toyJob(output), quietContext())).rejects.toMatchObject({
    code: "E_USAGE",
    message: expect.stringContaining(`${join(output, "model")} is the result of an earlier run`) as unknown,
  });
});

test("a second trainer is kept out of an output, and the first goes on", async () => {
  const [output, alone] = [folder(), folder()];
  const job = toyJob(output);
  const start: typeof job.start = async () => {
    for (const resume of [false, true])
      await expect(trainLoop(toyConfig(output), toyJob(output), quietContext({ resume }))).rejects.toMatchObject({
        code: "E_IO",
        message: `${output}: process ${process.pid} is training into it; if not, delete ${join(output, "train.lock")}`,
      });
    return job.start();
  };
  await trainLoop(toyConfig(output), { ...job, start }, quietContext());
  await trainLoop(toyConfig(alone), toyJob(alone), quietContext());
  expect(resultOf(output)).toBe(resultOf(alone));
  expect(readdirSync(output)).not.toContain("train.lock");
});

/** Changes one bit of a number in the newest checkpoint: the file is as well-formed as before. */
function damage(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 2]! ^= 1;
  writeFileSync(path, bytes);
}

test("a damaged newest checkpoint: the run goes on from the one before, says so, and ends bit-identical", async () => {
  const [whole, output] = [folder(), folder()];
  await trainLoop(toyConfig(whole), toyJob(whole), quietContext());
  await interruptedAt(9, output); // checkpoints at 6 and 9
  const newest = join(output, "checkpoints", "step-00000009.safetensors");
  damage(newest);
  const warnings: string[] = [];
  const log = { info: () => undefined, warn: (message: string) => void warnings.push(message) };
  await trainLoop(toyConfig(output), toyJob(output), quietContext({ resume: true, log }));
  expect(warnings).toEqual([
    expect.stringMatching(
      /step-00000009.*damaged: expected sha256 .*Going on from step 6; the damaged file is now .*damaged$/,
    ),
  ]);
  expect(readdirSync(join(output, "checkpoints"))).toContain("step-00000009.safetensors.damaged");
  expect(checkpointOf(output, 12).equals(checkpointOf(whole, 12))).toBe(true);
  expect(resultOf(output)).toBe(resultOf(whole));
});

test("where every checkpoint is damaged the run is refused, naming the newest, and nothing is changed", async () => {
  const output = folder();
  await interruptedAt(9, output);
  const names = readdirSync(join(output, "checkpoints")).sort();
  for (const name of names) damage(join(output, "checkpoints", name));
  await expect(trainLoop(toyConfig(output), toyJob(output), quietContext({ resume: true }))).rejects.toMatchObject({
    code: "E_FORMAT",
    message: expect.stringContaining("step-00000009.safetensors: damaged") as unknown,
  });
  expect(readdirSync(join(output, "checkpoints")).sort()).toEqual(names);
});

test("a damaged best state costs the choice of the best, not the run", async () => {
  const output = folder();
  const warnings: string[] = [];
  const log = { info: () => undefined, warn: (message: string) => void warnings.push(message) };
  const batch = (request: BatchRequest) => {
    if (request.step === 24) damage(join(output, "best", readdirSync(join(output, "best"))[0]!));
    return misled(request);
  };
  const { best } = await trainLoop(
    toyConfig(output, { optimizer: diverging, steps: 24 }),
    toyJob(output, { batch }),
    quietContext({ log }),
  );
  expect(best.step).toBeLessThan(24);
  expect(warnings).toEqual([expect.stringMatching(/best.*damaged.*the state of the last step instead/)]);
  const { tensors } = await loadCheckpoint(join(output, "checkpoints", "step-00000024.safetensors"));
  const last = Object.entries(tensors).map(([name, { data }]) => [name, ...data]);
  expect((JSON.parse(resultOf(output)) as unknown[]).sort()).toEqual(last.sort());
});
