/** @file Train a tiny language model on one task, in seconds. Run: npx tsx examples/train.ts [TOKENIZER] */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createProgress, openModel, PLAIN_LAYOUT, runTraining, silentLogger } from "lora-gen";

const words = ["apple", "boat", "cloud", "door", "earth", "field", "garden", "house", "island", "jacket"];
const samples = words.flatMap((a, i) =>
  words.map((b, j) => ({ input: `${a} ${b}`, target: b, isHeldOut: (i + j) % 5 === 0 })),
);
const part = (isHeldOut: boolean) =>
  samples.filter((sample) => sample.isHeldOut === isHeldOut).map(({ input, target }) => ({ input, target }));
const task = {
  name: "second-word",
  kind: "extraction",
  seen: true,
  paraphrases: {
    train: ["Say the second word.", "Repeat the last word."],
    validation: ["Which word comes second?"],
    test: [],
  },
  train: part(false),
  validation: part(true),
  test: [],
};

const folder = await mkdtemp(join(tmpdir(), "lora-gen-"));
try {
  const [tasks, config, output] = [join(folder, "tasks.jsonl"), join(folder, "run.json"), join(folder, "run")];
  await writeFile(tasks, `${JSON.stringify(task)}\n`);
  await writeFile(
    config,
    JSON.stringify({
      kind: "language-model",
      output,
      steps: 40,
      batch: 8,
      rowTokens: 128,
      tokenizer: process.argv[2] ?? "pairs/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
      layout: PLAIN_LAYOUT,
      model: { hidden: 64, ffn: 128, layers: 2, heads: 4, kvHeads: 2, context: 128 },
      optimizer: { learningRate: 0.003, warmupSteps: 10 },
      tasks: { files: [tasks] },
      validateEvery: 20,
    }),
  );
  const { best } = await runTraining(config, {
    log: silentLogger,
    progress: (total, start) =>
      createProgress({
        stream: process.stderr,
        isTerminal: process.stderr.isTTY === true,
        total,
        label: "train",
        now: Date.now,
        start,
      }),
    now: Date.now,
    signal: new AbortController().signal,
    resume: false,
  });
  const model = await openModel(join(output, "model"));
  console.log(`${model.parameterCount} parameters, validation loss ${best.value.toFixed(3)} at step ${best.step}`);
} finally {
  await rm(folder, { recursive: true });
}
