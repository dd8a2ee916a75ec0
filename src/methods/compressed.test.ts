/** @file Prefix tuning and soft compressors from a run to an answer: methods answer with what was trained, behind what takes the prompt's place. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { quietContext } from "../../test/support/toy-training.ts";
import { configureBehind, writeEdge, writeRunInputs, writeSureModel } from "../../test/support/training-runs.ts";
import { createRng } from "../base/rng.ts";
import type { EvalTask } from "../data/eval-task.ts";
import { createDecoder } from "../decode/decoder.ts";
import { readPrefix } from "../decode/prefix.ts";
import { evaluate } from "../eval/run-eval.ts";
import { openSafetensors, readTensor } from "../files/safetensors.ts";
import { writeLearned } from "../models/learned-file.ts";
import { openModel } from "../models/model-file.ts";
import { compile } from "../runtime/node.ts";
import type { Feeds } from "../runtime/session.ts";
import { floats } from "../runtime/tensor.ts";
import {
  encodeBehindPrompt,
  encodeCloudPrompt,
  encodeInput,
  encodeTarget,
  SPECIAL_TOKEN_LAYOUT as layout,
} from "../text/prompt.ts";
import { loadTokenizer } from "../text/tokenizer-file.ts";
import { rowFeeds } from "../train/batch.ts";
import { type CompressorForm, CompressorSettings, compressorShapes, learnedTokens } from "../train/compressor.ts";
import { contextFeeds } from "../train/compressor-step.ts";
import { edgePrefix } from "../train/generator-step.ts";
import type { Job } from "../train/job.ts";
import { prefixShapes } from "../train/prefix-step.ts";
import { openRun, TrainConfig } from "../train/recipes/table.ts";
import { runTraining } from "../train/run.ts";
import { startState } from "../train/state.ts";
import { buildEvaluation, buildStep, type ParameterShapes } from "../train/step.ts";
import { freeOfCost, type Subject } from "./method.ts";
import { type NamedMethod, parseMethods } from "./table.ts";

let root: string;
let subject: Subject;
/** LFM 2: its first layer convolves. */
let convolving: Subject;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "compressed-"));
  await writeRunInputs(root);
  const tokenizer = await loadTokenizer(join(root, "tokenizer"));
  const opened = async (name: string): Promise<Subject> => {
    const model = await openModel(join(root, name));
    return { name, sha256: model.sha256, model, stored: model, tokenizer, layout };
  };
  await writeEdge(join(root, "convolving"), {
    vocab: tokenizer.vocabSize,
    modelType: "lfm2",
    convolution: { width: 3, layers: [true, false] },
  });
  [subject, convolving] = [await opened("edge"), await opened("convolving")];
});
const subjects = { edge: () => subject, convolving: () => convolving } as const;
type SubjectName = keyof typeof subjects;
afterAll(() => rmSync(root, { recursive: true }));

const task: EvalTask = {
  name: "spell",
  stratum: "tasks",
  kind: "rewriting",
  systemPrompt: "now spell it, letter by letter",
  examples: [],
  samples: ["cat", "bird"].map((word) => ({
    input: `the ${word}`,
    target: [...word].join(" "),
    choices: [[...word].join(" "), word.toUpperCase(), "3"],
  })),
};
const prepare = (name: string, of = subject) => parseMethods([name])[0]!.prepare(of, task, { threads: 1 });

const openJob = (path: string): Promise<Job> =>
  openRun(TrainConfig.parse(JSON.parse(readFileSync(path, "utf8"))), async (name) => name);

/** Trains, and opens the job once more with what was learnt. */
async function trained(path: string, output: string): Promise<{ job: Job; values: Map<string, Float32Array> }> {
  await runTraining(path, quietContext());
  const job = await openJob(path);
  const file = await openSafetensors(join(output, "learned.safetensors"));
  const values = new Map<string, Float32Array>();
  for (const name of job.spec.parameters.keys()) values.set(name, await readTensor(file, name));
  return { job, values };
}

/** The loss of values on batches. */
async function lossesOf(
  { spec, weights }: Job,
  pairs: readonly (readonly [ReadonlyMap<string, Float32Array>, Feeds])[],
) {
  await using session = await compile(buildEvaluation(spec), { weights, threads: 1 });
  const losses: number[] = [];
  for (const [values, batch] of pairs) {
    const results = await session.run({ ...startState(values, spec.parameters), ...batch });
    losses.push(floats(results["metric/loss"])[0]!);
  }
  return losses;
}

test.each<[string, SubjectName]>([
  ["a prompt's own keys and values", "edge"],
  ["what convolutions read of it too", "convolving"],
])("%s as prefix give the prompted answers", async (_, name) => {
  const own: NamedMethod = {
    name: "own-prefix",
    summary: "",
    needs: { training: "nothing", beside: "nothing" },
    async prepare({ model, tokenizer }, { systemPrompt }) {
      const tokens = encodeCloudPrompt(tokenizer, layout, systemPrompt);
      return {
        model,
        prefix: await readPrefix(model, { tokens }, { threads: 1 }),
        behind: systemPrompt,
        cost: freeOfCost,
      };
    },
  };
  const written = { ...task, name: "written", samples: task.samples.map(({ input, target }) => ({ input, target })) };
  const { lines } = await evaluate(subjects[name](), [task, written], {
    methods: ["prompted", own],
    threads: 1,
    timedQueries: 0,
  });
  const of = (method: string) => lines.filter((line) => line.method === method);
  expect(of("own-prefix").map(({ answer }) => answer)).toEqual(of("prompted").map(({ answer }) => answer));
  const [wanted, found] = ["prompted", "own-prefix"].map((name) =>
    of(name).flatMap((line) => line.logLikelihoods ?? []),
  );
  expect(wanted).toHaveLength(6);
  found!.forEach((value, i) => void expect(Math.abs(value - wanted![i]!)).toBeLessThan(1e-4));
});

test.each<[SubjectName, number]>([
  ["edge", 4 * (2 * 2 * 2 * 4 * 8)],
  ["convolving", 4 * (2 * 2 * 4 * 8 + 2 * 32)],
])(
  "prefix tuning begins with what a text leaves, learns, and its method answers with what was learnt: %s",
  async (edge, bytes) => {
    const output = join(root, `prefix-${edge}`);
    const path = configureBehind(root, output, "prefix", {
      edge: join(root, edge),
      steps: 12,
      checkpointEvery: 12,
      validateEvery: 12,
      optimizer: { learningRate: 0.1, warmupSteps: 1 },
      prefix: { positions: 4, text: "the cat and the dog" },
    });
    const { job, values } = await trained(path, output);
    const { model, prefix, cost } = await prepare(`prefix:${output}`, subjects[edge]());
    expect([prefix!.positions, cost.bytes]).toEqual([4, bytes]);
    const { tokenizer } = subject;
    const [{ input, target }] = task.samples as [EvalTask["samples"][number]];
    const [asked, answer] = [encodeInput(tokenizer, layout, input), encodeTarget(tokenizer, layout, target)];
    const row = { ids: [...asked, ...answer], answers: [[asked.length, asked.length + answer.length] as const] };
    const start = new Map(Object.entries(await job.start()).map(([name, { data }]) => [name.slice(2), data]));
    const batch = await job.validation({ rng: createRng("some"), step: 0, index: 0, state: {} });
    const [before, after, own] = (await lossesOf(job, [
      [start, batch],
      [values, batch],
      [values, rowFeeds(edgePrefix, [row], tokenizer.padId)],
    ])) as [number, number, number];
    expect(after).toBeLessThan(before - 0.1);
    await using decoder = await createDecoder(model, { threads: 1, prefix });
    expect(-(await decoder.score(asked, [answer]))[0]! / answer.length).toBeCloseTo(own, 4);
  },
);

/** Values of a compressor that was not trained, none of them zero. */
function randomValues(shapes: ParameterShapes, seed: string): Map<string, Float32Array> {
  const rng = createRng(seed);
  const draw = (shape: readonly number[]) => new Float32Array(shape.reduce((a, b) => a * b, 1));
  return new Map([...shapes].map(([name, shape]) => [name, rng.split(name).fillNormal(draw(shape), 0.3)]));
}

test.each<[CompressorForm, SubjectName, object]>([
  ["gist", "edge", {}],
  ["autocompressor", "edge", { segments: 2 }],
  ["icae", "edge", { targets: ["q", "v"] }],
  ["500xcompressor", "edge", { targets: ["q", "v"] }],
  ["gist", "convolving", { tokens: 1 }], // fewer than convolutions reach
  ["autocompressor", "convolving", { segments: 2 }],
])("%s: the method answers as its training's graph says, which has gradients (%s)", async (form, edge, changes) => {
  const output = join(root, `${form}-${edge}`);
  const settings = CompressorSettings.parse({ form, tokens: 2, rank: 2, alpha: 4, ...changes });
  const path = configureBehind(root, output, "compressor", { edge: join(root, edge), compressor: settings });
  const job = await openJob(path);
  const shapes = job.spec.parameters;
  expect(Object.keys(buildStep(job.spec).outputs)).toContain(`next/p/${learnedTokens}`);
  const values = randomValues(shapes, form);
  const { tokenizer, stored } = subjects[edge]();
  await writeLearned(
    join(output, "learned.safetensors"),
    { modelSha256: stored!.sha256, settings, tensors: values },
    shapes,
  );
  const prompt = task.systemPrompt;
  const [{ input, target }] = task.samples as [EvalTask["samples"][number]];
  const asked = encodeBehindPrompt(tokenizer, layout, { prompt, input });
  const answer = encodeTarget(tokenizer, layout, target);
  const row = { ids: [...asked, ...answer], answers: [[asked.length, asked.length + answer.length] as const] };
  const read = contextFeeds(settings, [encodeCloudPrompt(tokenizer, layout, prompt)], tokenizer.padId);
  const [loss] = await lossesOf(job, [[values, { ...rowFeeds(edgePrefix, [row], tokenizer.padId), ...read }]]);
  const { model, change, prefix, behind, cost } = await prepare(`${form}:${output}`, subjects[edge]());
  await using decoder = await createDecoder(model, { threads: 1, ...(change === undefined ? {} : { change }), prefix });
  expect(-(await decoder.score(asked, [answer]))[0]! / answer.length).toBeCloseTo(loss!, 4);
  expect([behind, prefix!.positions]).toEqual([prompt, settings.tokens * settings.segments]);
  expect(cost.flops).toBeGreaterThan(1e5);
});

test("gist tokens that were trained are better on held-out wordings than as many random ones", async () => {
  const [output, edge] = [join(root, "trained-gist"), join(root, "sure")];
  await writeSureModel(edge, subject.tokenizer.vocabSize);
  const path = configureBehind(root, output, "compressor", {
    edge,
    steps: 40,
    optimizer: { learningRate: 0.02, warmupSteps: 5 },
    checkpointEvery: 40,
    validateEvery: 40,
    compressor: { form: "gist", tokens: 2, rank: 8, alpha: 16, targets: ["q", "k", "v", "o", "gate", "up", "down"] },
  });
  const { job, values } = await trained(path, output);
  const own = values.get(learnedTokens)!;
  const size = Math.sqrt(own.reduce((sum, value) => sum + value * value, 0) / own.length);
  const random = [1, 2, 3, 4, 5].map((seed) => {
    const tokens = createRng(`gist ${seed}`).fillNormal(new Float32Array(own.length), size);
    return new Map([...values, [learnedTokens, tokens]]);
  });
  const batch = await job.validation({ rng: createRng("some"), step: 0, index: 0, state: {} });
  const [trainedLoss, ...others] = await lossesOf(
    job,
    [values, ...random].map((one) => [one, batch] as const),
  );
  for (const other of others) expect(trainedLoss).toBeLessThan(other - 1);
});

test("a file of another form, for another model, of other shapes or with what is no number, and a prompt that does not fit are refused", async () => {
  const { config, sha256: modelSha256 } = subject.stored!;
  const settings = CompressorSettings.parse({ form: "icae", tokens: 1, rank: 1, targets: ["q"] });
  const shapes = compressorShapes(config, settings);
  const path = join(root, "small.safetensors");
  await writeLearned(path, { modelSha256, settings, tensors: randomValues(shapes, "small") }, shapes);
  await expect(prepare(`gist:${path}`)).rejects.toMatchObject({ code: "E_FORMAT" });
  await expect(prepare(`prefix:${path}`)).rejects.toMatchObject({ code: "E_FORMAT" });
  const long = { ...task, systemPrompt: "the cat ".repeat(200) };
  await expect(parseMethods([`icae:${path}`])[0]!.prepare(subject, long)).rejects.toMatchObject({ code: "E_LIMIT" });
  const prefixed = prefixShapes(config, 2);
  const tensors = randomValues(prefixed, "prefix");
  await writeLearned(path, { modelSha256, settings: { form: "prefix", positions: 3 }, tensors }, prefixed);
  await expect(prepare(`prefix:${path}`)).rejects.toMatchObject({ code: "E_SHAPE" });
  const written = { modelSha256: "0".repeat(64), settings: { form: "prefix", positions: 2 }, tensors };
  await writeLearned(path, written, prefixed);
  await expect(prepare(`prefix:${path}`)).rejects.toMatchObject({ code: "E_MISMATCH" });
  const broken = new Map([...tensors].map(([name, values]) => [name, values.map(() => Number.NaN)]));
  await expect(writeLearned(path, { ...written, tensors: broken }, prefixed)).rejects.toMatchObject({ code: "E_NAN" });
  expect(CompressorSettings.safeParse({ ...settings, form: "gist", segments: 2 }).success).toBe(false);
});
