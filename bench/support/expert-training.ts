/** @file Training a shared pool of experts over a frozen model with given gates, from a problem's files. */
import { openSafetensors, readTensor } from "../../src/files/safetensors.ts";
import { GeneratorConfig } from "../../src/generator/config.ts";
import { withExperts } from "../../src/generator/experts.ts";
import { type PairShape, parameterNames } from "../../src/generator/parameters.ts";
import { flattenRows, gather, input } from "../../src/graph/build.ts";
import { embed, forward, logits } from "../../src/models/decoder.ts";
import { linearSize } from "../../src/models/parameters.ts";
import { ropeWeights } from "../../src/models/rope.ts";
import { meanCrossEntropy } from "../../src/nn/loss.ts";
import { denseParts, frozenWeights } from "../../src/nn/parts.ts";
import { quantizedParts } from "../../src/nn/quantized.ts";
import type { WeightSource } from "../../src/runtime/session.ts";
import { floatTensor, intTensor } from "../../src/runtime/tensor.ts";
import { rowFeeds, rowInputs } from "../../src/train/batch.ts";
import type { TrainingState } from "../../src/train/state.ts";
import { type StepSpec, stepNames } from "../../src/train/step.ts";
import { expertTargetNames } from "./flops.ts";
import type { Training } from "./full-training.ts";
import { type Problem, problemRows } from "./problem.ts";

export type FrozenWeights = "fp32" | "int8";
/** How int8 weights are quantised. */
export const int8 = { bits: 8 } as const;
const int8Maps = (name: string) => (name === "model.embed_tokens" ? undefined : int8);

const prefix = "edge";
export const gatesName = "gates";
const promptOfName = "prompt_of";

/** Shapes of the pool's factors, by their names in the problem's file. */
export function expertShapes({ config, experts }: Pick<Problem, "config" | "experts">): Map<string, readonly number[]> {
  if (experts === undefined) throw new Error("internal: a problem without experts");
  const stacked = experts.count * experts.rank;
  const shapes = new Map<string, readonly number[]>();
  for (const target of expertTargetNames(config)) {
    const { inputs, outputs } = linearSize(config, target);
    shapes.set(parameterNames.expert(0, target, "A"), [stacked, inputs]);
    shapes.set(parameterNames.expert(0, target, "B"), [stacked, outputs]);
  }
  return shapes;
}

export async function expertTraining(problem: Problem, frozen: FrozenWeights): Promise<Training> {
  const { config, rows } = problem;
  const inputs = await openSafetensors(problem.inputs);
  const state: TrainingState = {};
  for (const [name, shape] of expertShapes(problem))
    state[stepNames.parameter(name)] = floatTensor(shape, await readTensor(inputs, name));
  const gates = floatTensor([rows, config.layers, problem.experts!.count], await readTensor(inputs, gatesName));
  return {
    spec: expertSpec(problem, frozen),
    state,
    weights: await mappedWeights(problem, frozen),
    prepack: frozen === "int8",
    batch: {
      ...rowFeeds(prefix, await problemRows(problem), 0),
      [gatesName]: gates,
      [promptOfName]: intTensor(
        [rows],
        Array.from({ length: rows }, (_, row) => row),
      ),
    },
  };
}

export function expertSpec(problem: Problem, frozen: FrozenWeights): StepSpec {
  const { config, optimizer, maxGradientNorm, experts } = problem;
  const { count, rank, alpha } = experts!;
  const generator = GeneratorConfig.parse({ experts: count, rank, alpha, targets: expertTargetNames(config) });
  const shape: PairShape = { cloud: config, edge: config, generator };
  return {
    parameters: expertShapes(problem),
    optimizer,
    maxGradientNorm,
    objective: (parameters) => {
      const gates = input(gatesName, ["prompts", config.layers, count]);
      const promptOf = input(promptOfName, [`${prefix}_rows`], "i64");
      const dense = denseParts(frozenWeights());
      const base = frozen === "int8" ? quantizedParts(dense, int8Maps) : dense;
      const parts = withExperts({
        shape,
        frozen: base,
        parameters: (name) => parameters[name]!,
        gates,
        promptOf,
      });
      const { tokens, rows, targets } = rowInputs(prefix);
      const hidden = forward(config, parts, embed(config, parts, tokens));
      return { loss: meanCrossEntropy(logits(config, parts, gather(flattenRows(hidden), rows)), targets) };
    },
  };
}

/** Frozen weights stay in their files, whatever their type. */
async function mappedWeights(problem: Problem, frozen: FrozenWeights): Promise<Record<string, WeightSource>> {
  const paths = [problem.weights, ...(frozen === "int8" ? [problem.int8Weights!] : [])];
  const weights: Record<string, WeightSource> = { ...ropeWeights(problem.config) };
  for (const path of paths)
    for (const { name, offset, bytes } of (await openSafetensors(path)).tensors.values())
      weights[name] = { kind: "file", path, offset, bytes };
  return weights;
}
