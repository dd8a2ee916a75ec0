/** @file The paper's pairs: its hyper-parameters, and one step of each configuration on tiny stand-ins. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ResolveModel } from "../../src/hub/resolve.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { readLooseGenerator } from "../../src/pair/generator-file.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { GeneratorRun } from "../../src/train/recipes/generator.ts";
import { runTraining } from "../../src/train/run.ts";
import { randomLlama } from "../../test/support/random-llama.ts";
import { storedModel } from "../../test/support/stored-llama.ts";
import { quietContext } from "../../test/support/toy-training.ts";
import { writeRunInputs } from "../../test/support/training-runs.ts";
import { table9 } from "../reproduce/paper.ts";

const files = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(".json"))
  .map((name) => join(import.meta.dirname, name));
const read = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;

test("table9: every file holds the paper's hyper-parameters", () => {
  expect(files.map((path) => basename(path, ".json"))).toEqual([
    "gemma-2-2b",
    "llama-2-7b",
    "llama-7b",
    "llama3-8b",
    "opt-2.7b",
    "qwen2-1.5b",
    "tinyllama-1.1b",
  ]);
  for (const path of files) {
    const { optimizer, generator, batch, accumulate, steps, rowTokens, tasks, dropout } = GeneratorRun.parse(
      read(path),
    );
    const rows = 1120 + 2250 + 4957 + 9427 + 33_410 + 37_658;
    const {
      epochs,
      maxLength,
      batch: size,
      learningRate,
      warmupSteps,
      schedule,
      weightDecay,
      beta1,
      beta2,
      dropout: share,
      ...method
    } = table9;
    expect(optimizer).toMatchObject({ learningRate, warmupSteps, schedule, weightDecay, beta1, beta2 });
    expect(generator).toMatchObject({
      ...method,
      cloudRank: 16,
      cloudAlpha: 16,
      cloudTargets: ["q", "v"],
      strategy: "keepTopK",
    });
    expect({
      samples: batch * accumulate * tasks!.queriesPerPrompt,
      dropout,
      rowTokens,
      prompt: tasks!.limits.prompt,
    }).toEqual({ samples: size, dropout: share, rowTokens: maxLength, prompt: maxLength });
    expect(steps).toBe(Math.ceil((rows * epochs) / size));
  }
});

/** Shapes of stand-ins, by the owner of the model that they stand in for; the others are Llamas. */
const shapes: Readonly<Record<string, Partial<ModelConfig>>> = {
  Qwen: { modelType: "qwen2", biased: ["q", "k", "v"] },
  google: {
    modelType: "gemma2",
    headDim: 12,
    windows: [16, 0],
    attentionCap: 5,
    logitCap: 9,
    queryScalar: 20,
    tied: true,
  },
  facebook: { modelType: "opt", kvHeads: 4, biased: ["q", "k", "v", "o", "up", "down"], tied: true },
};

const root = mkdtempSync(join(tmpdir(), "paper-pairs-"));
beforeAll(() => writeRunInputs(root));
afterAll(() => rmSync(root, { recursive: true }));

/** The stand-in of a model's id, written at the first need. */
async function standIn(id: string): Promise<string> {
  const folder = join(root, id.replace("/", "-"));
  if (existsSync(folder)) return folder;
  const { vocabSize: vocab } = await loadTokenizer(join(root, "tokenizer"));
  await storedModel(folder, randomLlama({ vocab, context: 4096, ...shapes[id.split("/")[0]!] }));
  return folder;
}

test.each(files.map((path) => [basename(path, ".json"), path] as const))(
  "paper-pairs: %s opens, and makes a step on stand-ins that moves the pool",
  async (name, path) => {
    const config = read(path);
    const own = join(root, `${name}.json`);
    const tasks = { ...(config["tasks"] as object), files: [join(root, "tasks.jsonl")] };
    const small = {
      output: join(root, name),
      steps: 1,
      batch: 2,
      accumulate: 2,
      validationBatches: 1,
      device: "cpu",
      threads: 1,
      tasks,
    };
    writeFileSync(own, JSON.stringify({ ...config, ...small }));
    const resolveModel: ResolveModel = async (id, part) =>
      part === "tokenizer" ? join(root, "tokenizer") : standIn(id);
    const { output } = await runTraining(own, { ...quietContext(), resolveModel });
    const { tensors, config: trained } = await readLooseGenerator(join(output, "generator"));
    expect(trained).toMatchObject({ experts: table9.experts, topK: table9.topK });
    const started = tensors.filter(({ name: tensor }) => tensor.endsWith(".B")); // at zero, until a step
    expect(started.length).toBeGreaterThan(0);
    for (const { data } of started) expect(data.some((value) => value !== 0)).toBe(true);
  },
);
