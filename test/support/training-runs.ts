/** @file Two small runs as configuration files, a language model's and a generator's: decided by these files alone. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeTaskFamilies } from "../../src/data/family-file.ts";
import type { TaskFamily } from "../../src/data/task.ts";
import { writeTokenCache } from "../../src/data/token-cache.ts";
import { saveModel } from "../../src/models/model-file.ts";
import { parameterShapes } from "../../src/models/parameters.ts";
import { loadTokenizer } from "../../src/text/tokenizer-file.ts";
import { randomLlama } from "./random-llama.ts";
import { writeSmallTokenizer } from "./small-tokenizer.ts";

const names = { tokenizer: "tokenizer", tokens: "text.tokens", tasks: "tasks.jsonl", cloud: "cloud", edge: "edge" };
const words = ["cat", "dog", "bird", "band", "other"];

const task = (name: string, answer: (word: string) => string): TaskFamily => {
  const samples = words.map((word) => ({ input: `the ${word}`, target: answer(word) }));
  return {
    name,
    kind: "rewriting",
    seen: true,
    paraphrases: { train: [`${name} it`, `please ${name}`], validation: [`now ${name}`], test: [`then ${name}`] },
    train: samples,
    validation: samples,
    test: [],
  };
};

/** Writes what both runs read: a tokenizer, text, tasks and two frozen models. */
export async function writeRunInputs(root: string): Promise<void> {
  const at = (name: keyof typeof names) => join(root, names[name]);
  writeSmallTokenizer(at("tokenizer"));
  const tokenizer = await loadTokenizer(at("tokenizer"));
  const text = Array.from({ length: 40 }, (_, i) => `the ${words[i % 3]} and another band`);
  await writeTokenCache(at("tokens"), tokenizer, text, { maxTokens: 2000 });
  await writeTaskFamilies(at("tasks"), [
    task("shout", (word) => word.toUpperCase()),
    task("spell", (word) => [...word].join(" ")),
    task("count", (word) => String(word.length)),
  ]);
  for (const [part, seed] of [
    ["cloud", 1],
    ["edge", 2],
  ] as const) {
    await writeEdge(at(part), { seed, vocab: tokenizer.vocabSize });
  }
}

/** A model of random weights with the context of those runs. */
export async function writeEdge(directory: string, changes: Parameters<typeof randomLlama>[0]): Promise<void> {
  const { config, weights } = randomLlama({ context: 128, tied: true, ...changes });
  const values = (name: string) => (weights[name] as { data: Float32Array }).data;
  await saveModel(directory, config, new Map([...parameterShapes(config).keys()].map((name) => [name, values(name)])));
}

/** Of both runs, unless changed. */
export const runSteps = 120;

const common = {
  seed: 11,
  steps: runSteps,
  batch: 4,
  optimizer: { learningRate: 0.01, warmupSteps: 10 },
  checkpointEvery: 2,
  validateEvery: 5,
  validationBatches: 1,
  logEvery: 1,
};

/** Writes `OUTPUT.json` and returns its path. */
function configure(output: string, config: Readonly<Record<string, unknown>>): string {
  const path = `${output}.json`;
  writeFileSync(path, JSON.stringify({ ...common, output, ...config }));
  return path;
}

export const configureLanguageModel = (root: string, output: string, changes = {}): string =>
  configure(output, {
    kind: "language-model",
    tokenizer: join(root, names.tokenizer),
    model: { hidden: 16, ffn: 24, layers: 1, heads: 2, kvHeads: 1, context: 64 },
    text: { tokens: join(root, names.tokens), validationTokens: join(root, names.tokens), window: 16 },
    ...changes,
  });

const taskKeys = (root: string) => ({
  files: [join(root, names.tasks)],
  queriesPerPrompt: 2,
  maxShots: 2,
  limits: { prompt: 30, input: 20, target: 20 },
});

/** With noise in the router, dropout and a prompted teacher: every random stream of a generator's training is drawn from. */
export const configureGenerator = (root: string, output: string, changes = {}): string =>
  configure(output, {
    kind: "generator",
    tokenizer: join(root, names.tokenizer),
    cloud: join(root, names.cloud),
    edge: join(root, names.edge),
    rowTokens: 40,
    distillShare: 0.3,
    dropout: 0.1,
    generator: { experts: 4, topK: 2, rank: 2, alpha: 4, cloudRank: 2, strategy: "gumbel" },
    tasks: taskKeys(root),
    ...changes,
  });

/** On what the generator's run is trained on, in the same batches. */
export const configureLora = (root: string, output: string, changes = {}): string =>
  configure(output, {
    kind: "lora",
    tokenizer: join(root, names.tokenizer),
    edge: join(root, names.edge),
    rowTokens: 40,
    distillShare: 0.3,
    dropout: 0.1,
    lora: { rank: 4, alpha: 8 },
    tasks: taskKeys(root),
    ...changes,
  });

/** A skill of Transformer² on the same. */
export const configureSvf = (root: string, output: string, changes = {}): string =>
  configure(output, {
    kind: "svf",
    tokenizer: join(root, names.tokenizer),
    edge: join(root, names.edge),
    rowTokens: 40,
    optimizer: { learningRate: 0.05, warmupSteps: 2 },
    tasks: taskKeys(root),
    ...changes,
  });

/** A model of random weights that is as sure of what it says as trained ones are. */
export async function writeSureModel(directory: string, vocab: number): Promise<void> {
  const { config, weights } = randomLlama({ seed: 4, vocab, context: 128, tied: true });
  const values = new Map<string, Float32Array>();
  for (const name of parameterShapes(config).keys()) {
    const { data } = weights[name] as { data: Float32Array };
    values.set(name, name.endsWith("norm.weight") ? data.fill(name === "model.norm.weight" ? 4 : 1) : data);
  }
  await saveModel(directory, config, values);
}

/** A skill, or a LoRA, by rewards: answers are right where they have a vowel in them. */
export async function configureReinforce(root: string, output: string, changes = {}): Promise<string> {
  const [letter, edge] = [join(root, "letter.jsonl"), join(root, "sure")];
  await writeSureModel(edge, (await loadTokenizer(join(root, names.tokenizer))).vocabSize);
  await writeTaskFamilies(letter, [task("letter", () => "[^]*[aeiou][^]*")]);
  return configure(output, {
    kind: "reinforce",
    tokenizer: join(root, names.tokenizer),
    edge,
    adapter: { kind: "svf", maps: "both" },
    reward: { scorer: "regex", answers: 4, maxTokens: 1, baseline: "batch", klShare: 0.05 },
    optimizer: { learningRate: 0.1, warmupSteps: 1, schedule: "constant", weightDecay: 0 },
    validateEvery: 10,
    tasks: { ...taskKeys(root), files: [letter], shotProbability: 0, shotsOnlyProbability: 0 },
    ...changes,
  });
}

/** LoRAMoE or MixLoRA on the same. */
export const configureTokenExperts = (
  root: string,
  output: string,
  kind: "loramoe" | "mixlora",
  changes: Readonly<Record<string, unknown>> = {},
): string =>
  configure(output, {
    kind,
    tokenizer: join(root, names.tokenizer),
    edge: join(root, names.edge),
    rowTokens: 40,
    [kind]: { experts: 4, rank: 2, alpha: 4 },
    tasks: taskKeys(root),
    ...changes,
  });

/** Prefix tuning, or a compressor, on the same. */
export const configureBehind = (
  root: string,
  output: string,
  kind: "prefix" | "compressor",
  changes: Readonly<Record<string, unknown>>,
): string =>
  configure(output, {
    kind,
    tokenizer: join(root, names.tokenizer),
    edge: join(root, names.edge),
    rowTokens: 40,
    tasks: taskKeys(root),
    ...changes,
  });
