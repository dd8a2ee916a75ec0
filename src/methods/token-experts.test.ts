/** @file LoRAMoE and MixLoRA from a run to an answer: the method answers with the model that was trained, and refuses files that are not its own. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { quietContext } from "../../test/support/toy-training.ts";
import { configureTokenExperts, writeRunInputs } from "../../test/support/training-runs.ts";
import { createRng } from "../base/rng.ts";
import type { EvalTask } from "../data/eval-task.ts";
import { createDecoder } from "../decode/decoder.ts";
import { openSafetensors, readTensor } from "../files/safetensors.ts";
import { writeSafetensors } from "../files/safetensors-write.ts";
import { openModel } from "../models/model-file.ts";
import { tokenExpertShapes } from "../models/token-experts.ts";
import { compile } from "../runtime/node.ts";
import type { Feeds } from "../runtime/session.ts";
import { floats, floatTensor } from "../runtime/tensor.ts";
import { SPECIAL_TOKEN_LAYOUT } from "../text/prompt.ts";
import { loadTokenizer } from "../text/tokenizer-file.ts";
import { realTokens, rowFeeds } from "../train/batch.ts";
import { edgePrefix } from "../train/generator-step.ts";
import { openRun, TrainConfig } from "../train/recipes/table.ts";
import { runTraining } from "../train/run.ts";
import { startState, type TrainingState } from "../train/state.ts";
import { buildEvaluation } from "../train/step.ts";
import type { Subject } from "./method.ts";
import { parseMethods } from "./table.ts";

let root: string;
let subject: Subject;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "token-experts-"));
  await writeRunInputs(root);
  const model = await openModel(join(root, "edge"));
  const tokenizer = await loadTokenizer(join(root, "tokenizer"));
  const { sha256 } = model;
  subject = { name: "edge", sha256, model, stored: model, tokenizer, layout: SPECIAL_TOKEN_LAYOUT };
});
afterAll(() => rmSync(root, { recursive: true }));

const task: Omit<EvalTask, "samples"> = {
  name: "any",
  stratum: "tasks",
  kind: "rewriting",
  systemPrompt: "Do it.",
  examples: [],
};
const prepare = (kind: string, path: string, by = subject) => parseMethods([`${kind}:${path}`])[0]!.prepare(by, task);

const quick = {
  steps: 10,
  optimizer: { learningRate: 0.05, warmupSteps: 1 },
  checkpointEvery: 10,
  validateEvery: 10,
} as const;

test.each([
  ["loramoe", { balance: { delta: 0.2, kinds: ["rewriting"] } }],
  ["mixlora", { recompute: true }],
] as const)("%s learns, and its method answers with what was learnt", async (kind, changes) => {
  const output = join(root, kind);
  const path = configureTokenExperts(root, output, kind, { ...quick, ...changes });
  await runTraining(path, quietContext());
  const job = await openRun(TrainConfig.parse(JSON.parse(readFileSync(path, "utf8"))), async (name) => name);
  const { parameters: shapes } = job.spec;
  const file = await openSafetensors(join(output, "learned.safetensors"));
  const values = new Map<string, Float32Array>();
  for (const name of shapes.keys()) values.set(name, await readTensor(file, name));
  await using session = await compile(buildEvaluation(job.spec), { weights: job.weights, threads: 1 });
  const lossOf = async (state: TrainingState, batch: Feeds) =>
    floats((await session.run({ ...state, ...batch }))["metric/answerLoss"])[0]!;
  const batch = await job.validation({ rng: createRng("some"), step: 0, index: 0, state: {} });
  const learnt = startState(values, shapes);
  expect(await lossOf(learnt, batch)).toBeLessThan((await lossOf(await job.start(), batch)) - 0.1);

  const [ids, answer] = [[3, 40, 41, 9, 12, 60, 2], 4];
  const row = rowFeeds(edgePrefix, [{ ids, answers: [[answer, ids.length]] }], subject.tokenizer.padId);
  const real = { "edge.real": realTokens(edgePrefix, row) };
  const wanted = kind === "mixlora" ? real : { ...real, "edge.wanted": floatTensor([1, 4], [1, 1, 1, 1]) };
  const trained = await lossOf(learnt, { ...row, ...wanted });
  const { model, change, cost } = await prepare(kind, output);
  await using decoder = await createDecoder(model, { threads: 1, change: change! });
  const [score] = await decoder.score(ids.slice(0, answer), [ids.slice(answer)]);
  expect(score! / (answer - ids.length)).toBeCloseTo(trained, 4);
  expect(cost.bytes).toBe([...values.values()].reduce((sum, { byteLength }) => sum + byteLength, 0));
});

test("a file of another method, for another model, with other shapes, with what is no number, or of no such kind is refused", async () => {
  const config = (await openModel(join(root, "edge"))).config;
  const settings = { form: "loramoe", experts: 2, topK: 2, rank: 1, alpha: 1, targets: ["up"] } as const;
  const shapes = tokenExpertShapes(config, settings);
  const write = async (changes: {
    sha?: string;
    shape?: number[];
    value?: number;
    settings?: object;
    name?: string;
  }) => {
    const path = join(root, "bad.safetensors");
    const tensors = [...shapes].map(([name, own], i) => {
      const shape = i === 0 ? (changes.shape ?? own) : own;
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(changes.value ?? 0.1);
      return { name: i === 0 ? (changes.name ?? name) : name, dtype: "F32" as const, shape, data };
    });
    await writeSafetensors(path, tensors, {
      format: "lora-gen learned 1",
      model_sha256: changes.sha ?? subject.stored!.sha256,
      settings: JSON.stringify(changes.settings ?? settings),
    });
    return path;
  };
  await expect(prepare("loramoe", await write({}))).resolves.toMatchObject({ cost: { examples: 0 } });
  const refused = [
    ["mixlora", {}, "E_FORMAT"],
    ["loramoe", { sha: "0".repeat(64) }, "E_MISMATCH"],
    ["loramoe", { shape: [3, 1] }, "E_SHAPE"],
    ["loramoe", { name: "other" }, "E_SHAPE"],
    ["loramoe", { value: Number.NaN }, "E_NAN"],
    ["loramoe", { settings: { ...settings, topK: 3 } }, "E_FORMAT"],
    ["loramoe", { settings: { ...settings, experts: 1e9 } }, "E_FORMAT"],
  ] as const;
  for (const [kind, changes, code] of refused)
    await expect(prepare(kind, await write(changes as Parameters<typeof write>[0])), code).rejects.toMatchObject({
      code,
    });
  await expect(prepare("loramoe", join(root, "nothing"))).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  const changed = { ...subject, model: { ...subject.model, weights: {} } };
  await expect(prepare("loramoe", await write({}), changed)).rejects.toMatchObject({ code: "E_MISMATCH" });
});

test("more experts a token than there are, and maps that the model lacks, are refused before training", async () => {
  const train = (changes: object) =>
    runTraining(configureTokenExperts(root, join(root, "no"), "mixlora", changes as never), quietContext());
  await expect(train({ mixlora: { experts: 2, topK: 3 } })).rejects.toMatchObject({
    code: "E_CONFIG",
    message: expect.stringContaining("mixlora.topK: expected at most as many as experts") as unknown,
  });
  await expect(train({ mixlora: { attention: ["gate"] } })).rejects.toMatchObject({ code: "E_CONFIG" });
});
