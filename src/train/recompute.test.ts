import { describe, expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { tinyGenerator } from "../../test/support/tiny-generator.ts";
import { createRng } from "../base/rng.ts";
import { grad } from "../graph/grad.ts";
import { residualStream } from "../graph/recompute.ts";
import { simplify } from "../graph/simplify.ts";
import { leavesOf, topological } from "../graph/tree.ts";
import type { Graph, Node, Op } from "../graph/types.ts";
import { parameterShapes } from "../models/parameters.ts";
import type { Feeds } from "../runtime/session.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { rowFeeds } from "./batch.ts";
import { languageModelPrefix, languageModelSpec } from "./language-model-step.ts";
import type { TrainingState } from "./state.ts";
import { buildEvaluation, buildStep, type StepSpec, stepNames } from "./step.ts";
import { createTrainer, type TrainerOptions } from "./trainer.ts";

const adamw = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1 };

function languageModel(): { spec: StepSpec; options: () => TrainerOptions; feeds: Feeds } {
  const { config, weights } = randomLlama({ seed: 3 });
  const state = (): TrainingState =>
    Object.fromEntries(
      [...parameterShapes(config)].map(([name, shape]) => {
        const { data } = weights[name] as { data: Float32Array };
        return [stepNames.parameter(name), floatTensor(shape, data.slice())];
      }),
    );
  const rng = createRng("recompute");
  const rows = [9, 6].map((length) => ({
    ids: Array.from({ length }, () => rng.int(config.vocab)),
    answers: [[1, length]] as const,
  }));
  return {
    spec: languageModelSpec(config, adamw, 1),
    options: () => ({ weights, state: state(), threads: 1 }),
    feeds: rowFeeds(languageModelPrefix, rows, 0),
  };
}

function generator() {
  const tiny = tinyGenerator();
  return {
    spec: tiny.spec(),
    options: (): TrainerOptions => ({ weights: tiny.weights, state: tiny.start({ moved: true }), threads: 1 }),
    feeds: tiny.feeds(createRng("recompute")),
  };
}

const jobs = { "a language model": languageModel, "a generator over a frozen pair": generator };

async function threeSteps(spec: StepSpec, options: TrainerOptions, feeds: Feeds): Promise<TrainingState> {
  await using trainer = await createTrainer(spec, options);
  for (let i = 0; i < 3; i++) await trainer.step([feeds], 0.01);
  return Object.fromEntries(
    Object.entries(trainer.state()).map(([name, { shape, data }]) => [name, floatTensor(shape, data.slice())]),
  );
}

const count = (graph: Graph, op: Op): number =>
  topological(Object.values(graph.outputs)).filter((node) => node.op === op).length;

describe.each(Object.entries(jobs))("recomputation while training %s", (_, make) => {
  test("three steps end with the same parameters, moments and buffers", async () => {
    const { spec, options, feeds } = make();
    const kept = await threeSteps(spec, options(), feeds);
    const recomputed = await threeSteps({ ...spec, recompute: true }, options(), feeds);
    for (const [name, { data }] of Object.entries(kept)) expect(recomputed[name]!.data, name).toEqual(data);
  });

  test("what is computed twice stays twice when equal values are made one", () => {
    const { spec } = make();
    const [kept, recomputed] = [simplify(buildStep(spec)), simplify(buildStep({ ...spec, recompute: true }))];
    // The gradient of a rotation is a rotation: each one in the backward pass stands for one to be computed again.
    const backwards = count(kept, "rope") - count(simplify(buildEvaluation(spec)), "rope");
    expect(backwards).toBeGreaterThan(0);
    expect(count(recomputed, "rope")).toBe(count(kept, "rope") + backwards);
  });
});

/** Everything a value needs. */
const ancestors = (node: Node): Set<Node> => new Set(topological([node]));

test("without recomputation the forward pass is computed once: cuts only put the backward pass in order", () => {
  const { spec } = languageModel();
  const graph = buildStep(spec);
  const parameters = leavesOf(graph, "input");
  const loss = graph.outputs[stepNames.metric("loss")]!;
  const by = (layer: number) => parameters.get(stepNames.parameter(`model.layers.${layer}.mlp.up_proj.weight`))!;
  const [plainFirst] = grad(loss, [by(0), by(1)]);
  const [first, second] = grad(loss, [by(0), by(1)], { cuts: residualStream(loss) });
  const [, plainSecond] = grad(loss, [by(0), by(1)]);
  expect(ancestors(plainFirst!).has(plainSecond!)).toBe(false);
  expect(ancestors(first!).has(second!)).toBe(true); // the first layer's gradient waits for the second's
  const ropes = (node: Node) => [...ancestors(node)].filter(({ op }) => op === "rope").length;
  expect(ropes(first!)).toBe(ropes(plainFirst!));
});
