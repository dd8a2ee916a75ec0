import { describe, expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { tinyGenerator } from "../../test/support/tiny-generator.ts";
import { toyAdamW, toyBatch, toySpec, toyStart } from "../../test/support/toy-training.ts";
import { watchSessions } from "../../test/support/watch-sessions.ts";
import { createRng } from "../base/rng.ts";
import { parameterShapes } from "../models/parameters.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { type Row, rowFeeds } from "./batch.ts";
import { languageModelPrefix, languageModelSpec } from "./language-model-step.ts";
import type { TrainingState } from "./state.ts";
import { createTrainer, type Metrics, type TrainerOptions } from "./trainer.ts";

const rates = [0.1, 0.2, 0.15, 0.05, 0.01];
const maxNorm = 1.5;

/** Runs the given batches, one optimiser step each, and copies what is left. */
async function run(
  steps: readonly Feeds[][],
  options: Partial<TrainerOptions> = {},
  spec = toySpec(toyAdamW, maxNorm),
) {
  await using trainer = await createTrainer(spec, { state: toyStart(), threads: 1, ...options });
  const metrics: Metrics[] = [];
  for (const [i, batches] of steps.entries()) metrics.push(await trainer.step(batches, rates[i % rates.length]!));
  return { metrics, state: copyOf(trainer.state()) };
}

const copyOf = (state: TrainingState): Record<string, number[]> =>
  Object.fromEntries(Object.entries(state).map(([name, { data }]) => [name, Array.from(data)]));

const drawBatches = (count: number, label: string): Feeds[] =>
  Array.from({ length: count }, (_, i) => toyBatch(createRng(`${label} ${i}`)));

function expectClose(actual: Record<string, number[]>, expected: Record<string, number[]>, within: number): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, values] of Object.entries(expected))
    values.forEach((value, i) => {
      expect(Math.abs(actual[name]![i]! - value), `${name}[${i}]`).toBeLessThan(within);
    });
}

/** The whole step in plain numbers: gradient, clipping by the global norm, AdamW with decay on the matrix. */
function plainSteps(batches: readonly Feeds[]) {
  const { beta1, beta2, epsilon, weightDecay } = toyAdamW;
  const p = [...toyStart()["p/w"]!.data, ...toyStart()["p/b"]!.data] as number[];
  const [m, v] = [new Array<number>(8).fill(0), new Array<number>(8).fill(0)];
  const norms: number[] = [];
  batches.forEach(({ x, y }, step) => {
    const rows = x!.shape[0]!;
    const g = new Array<number>(8).fill(0);
    for (let row = 0; row < rows; row++)
      for (let out = 0; out < 2; out++) {
        const at = (i: number) => Number(x!.data[row * 3 + i]);
        let error = p[6 + out]! - Number(y!.data[row * 2 + out]);
        for (let i = 0; i < 3; i++) error += p[out * 3 + i]! * at(i);
        for (let i = 0; i < 3; i++) g[out * 3 + i]! += (2 * error * at(i)) / (2 * rows);
        g[6 + out]! += (2 * error) / (2 * rows);
      }
    const norm = Math.hypot(...g);
    norms.push(norm);
    const clip = Math.min(1, maxNorm / norm);
    g.forEach((raw, i) => {
      const value = raw * clip;
      m[i] = beta1 * m[i]! + (1 - beta1) * value;
      v[i] = beta2 * v[i]! + (1 - beta2) * value * value;
      const unbiased = m[i]! / (1 - beta1 ** (step + 1)) / (Math.sqrt(v[i]! / (1 - beta2 ** (step + 1))) + epsilon);
      p[i]! -= rates[step]! * (unbiased + (i < 6 ? weightDecay * p[i]! : 0));
    });
  });
  return { p, norms };
}

test("five steps equal a plain TypeScript AdamW with decay and clipping", async () => {
  const batches = drawBatches(5, "reference");
  const { p, norms } = plainSteps(batches);
  expect(Math.max(...norms)).toBeGreaterThan(maxNorm); // clipped in one step …
  expect(Math.min(...norms)).toBeLessThan(maxNorm); // … and not in another
  const { state, metrics } = await run(batches.map((batch) => [batch]));
  expectClose({ w: state["p/w"]!, b: state["p/b"]! }, { w: p.slice(0, 6), b: p.slice(6) }, 2e-6);
  metrics.forEach(({ gradientNorm }, i) => {
    expect(gradientNorm![0]).toBeCloseTo(norms[i]!, 5);
  });
});

test("two micro-batches equal one batch of both", async () => {
  const batches = drawBatches(6, "micro");
  const joined = (a: Feeds, b: Feeds): Feeds => ({
    x: floatTensor([16, 3], [...a["x"]!.data, ...b["x"]!.data] as number[]),
    y: floatTensor([16, 2], [...a["y"]!.data, ...b["y"]!.data] as number[]),
    one: a["one"]!,
  });
  const pairs = [0, 2, 4].map((i) => [batches[i]!, batches[i + 1]!] as const);
  const double = await run(pairs.map(([a, b]) => [joined(a, b)]));
  const micro = await run(
    pairs.map(([a, b]) => [a, b]),
    { accumulate: true },
  );
  expect(micro.state["b/steps"]).toEqual([6]); // buffers see every micro-batch
  expectClose({ ...micro.state, "b/steps": double.state["b/steps"]! }, double.state, 1e-6);
  micro.metrics.forEach(({ loss, gradientNorm }, i) => {
    expect(loss![0]).toBeCloseTo(double.metrics[i]!["loss"]![0]!, 6);
    expect(gradientNorm![0]).toBeCloseTo(double.metrics[i]!["gradientNorm"]![0]!, 5);
  });
});

test("micro-batches of a language model count by their supervised tokens: together they equal one batch of all rows", async () => {
  const { config, weights } = randomLlama({ seed: 3 });
  const rng = createRng("unequal");
  const row = (length: number, from: number): Row => ({
    ids: Array.from({ length }, () => rng.int(config.vocab)),
    answers: [[from, length]],
  });
  const [long, short] = [[row(12, 1), row(9, 1)], [row(7, 6)]];
  const start = (): TrainingState =>
    Object.fromEntries(
      [...parameterShapes(config)].map(([name, shape]) => {
        const { data } = weights[name] as { data: Float32Array };
        return [`p/${name}`, floatTensor(shape, data.slice())];
      }),
    );
  const adamw = { ...toyAdamW, epsilon: 1e-3 }; // so that rounding of tiny gradients does not decide the direction
  const stepOn = async (batches: readonly (readonly Row[])[]) => {
    const options = { weights, state: start(), threads: 1, accumulate: batches.length > 1 };
    await using trainer = await createTrainer(languageModelSpec(config, adamw, 1), options);
    const feeds = batches.map((rows) => rowFeeds(languageModelPrefix, rows, 0));
    const { loss } = await trainer.step(feeds, 0.01);
    return { loss: loss![0]!, state: copyOf(trainer.state()) };
  };
  const whole = await stepOn([[...long, ...short]]);
  const parts = await stepOn([long, short]);
  expect(parts.loss).toBeCloseTo(whole.loss, 5);
  expectClose(parts.state, whole.state, 1e-5);
});

test("micro-batches of a generator count by the answers' tokens", async () => {
  const tiny = tinyGenerator({ routerNorm: "none" });
  const batches = [tiny.feeds(createRng("few"), 1), tiny.feeds(createRng("many"), 6)];
  const options = { weights: tiny.weights, state: tiny.start({ moved: true }), threads: 1, accumulate: true };
  await using trainer = await createTrainer(tiny.spec(), options);
  const counts = batches.map((batch) => batch["edge.targets"]!.data.length);
  expect(counts[1]).toBeGreaterThan(2 * counts[0]!);
  const losses: number[] = [];
  for (const batch of batches) losses.push((await trainer.evaluate(batch))["answerLoss"]![0]!);
  const { answerLoss } = await trainer.step(batches, 0.01);
  const mean = (counts[0]! * losses[0]! + counts[1]! * losses[1]!) / (counts[0]! + counts[1]!);
  expect(answerLoss![0]).toBeCloseTo(mean, 5);
  expect(Math.abs(mean - (losses[0]! + losses[1]!) / 2)).toBeGreaterThan(1e-3);
});

test("one micro-batch by accumulation equals the step without it", async () => {
  const steps = drawBatches(3, "single").map((batch) => [batch]);
  expectClose((await run(steps, { accumulate: true })).state, (await run(steps)).state, 1e-6);
});

test("training lowers the loss", async () => {
  const { metrics } = await run(drawBatches(80, "toy").map((batch) => [batch]));
  const losses = metrics.map(({ loss }) => loss![0]!);
  const average = (from: number, to: number) => losses.slice(from, to).reduce((a, b) => a + b, 0) / (to - from);
  expect(average(70, 80)).toBeLessThan(0.05 * average(0, 5));
});

describe("a loss that is not finite", () => {
  test.each(["whole", "accumulated"])("stops the %s step with E_NAN and keeps the state", async (kind) => {
    const accumulate = kind === "accumulated";
    await using trainer = await createTrainer(toySpec(), { state: toyStart(), threads: 1, accumulate });
    const [good, other] = drawBatches(2, "nan") as [Feeds, Feeds];
    await trainer.step([good], 0.1);
    const before = copyOf(trainer.state());
    const bad = { ...other, y: floatTensor([8, 2], new Float32Array(16).fill(Number.NaN)) };
    await expect(trainer.step([bad], 0.1)).rejects.toMatchObject({
      code: "E_NAN",
      message: "step 2: loss is NaN; the state of step 1 is kept",
    });
    expect(trainer.stepCount).toBe(1);
    expect(copyOf(trainer.state())).toEqual(before);
    await trainer.step([other], 0.1); // and training can go on from it
    expect(trainer.stepCount).toBe(2);
  });
});

test("evaluation changes nothing, and gives the loss of the state as it is", async () => {
  await using trainer = await createTrainer(toySpec(), { state: toyStart(), threads: 1 });
  const [batch] = drawBatches(1, "evaluate") as [Feeds];
  const before = copyOf(trainer.state());
  const { loss } = await trainer.evaluate(batch);
  expect(copyOf(trainer.state())).toEqual(before);
  expect((await trainer.step([batch], 0.1))["loss"]![0]).toBeCloseTo(loss![0]!, 6);
  expect((await trainer.evaluate(batch))["loss"]![0]).toBeLessThan(loss![0]!);
});

test("where the second session is refused, the first is given back", async () => {
  using sessions = watchSessions({ refuseFrom: 1 });
  const opening = createTrainer(toySpec(), { state: toyStart(), threads: 1, accumulate: true });
  await expect(opening).rejects.toMatchObject({ code: "E_RUNTIME" });
  expect([sessions.made(), sessions.released()]).toEqual([1, 1]);
});

test("a state that does not fit is refused, naming the tensor", async () => {
  const { "p/b": _, ...rest } = toyStart();
  await expect(createTrainer(toySpec(), { state: rest })).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: 'training state: "p/b" is missing',
  });
  const wrong = { ...toyStart(), "m/w": floatTensor([3, 2], new Float32Array(6)) };
  await expect(createTrainer(toySpec(), { state: wrong })).rejects.toMatchObject({
    code: "E_MISMATCH",
    message: 'training state: "m/w" should be [2,3], found [3,2]',
  });
});
