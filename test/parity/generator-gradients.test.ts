/** @file T4 of the specification: the generator's training has the gradients that finite differences give, in every reading. */
import { describe, expect, test } from "vitest";
import { createRng } from "../../src/base/rng.ts";
import type { GeneratorConfig } from "../../src/generator/config.ts";
import { generatorParameters } from "../../src/generator/parameters.ts";
import { grad } from "../../src/graph/grad.ts";
import { interpret } from "../../src/graph/interpret.ts";
import { numbersOf, type Tensor } from "../../src/graph/tensor.ts";
import { leavesOf } from "../../src/graph/tree.ts";
import type { Node } from "../../src/graph/types.ts";
import { buildEvaluation } from "../../src/train/step.ts";
import { tinyGenerator } from "../support/tiny-generator.ts";

describe("T4: gradients equal central differences in float64", () => {
  const variants: { title: string; training: boolean; generator: Partial<GeneratorConfig> }[] = [
    { title: "the router's norm with batch statistics", training: true, generator: {} },
    { title: "the router's norm with running statistics", training: false, generator: {} },
    {
      title: "pool and router per layer, factors mixed",
      training: true,
      generator: { poolScope: "layer", routerScope: "layer", compose: "factors", metaTokens: "distinct" },
    },
    { title: "signed coefficients", training: true, generator: { strategy: "linear" } },
    {
      title: "factors mixed apart, balance of places and probabilities",
      training: true,
      generator: { compose: "factorsApart", auxForm: "switch" },
    },
    { title: "LoRA made directly", training: true, generator: { generation: "direct" } },
    {
      title: "the cloud's norms, its mean state, meta tokens apart, the hidden layer normed, balance gate by gate",
      training: true,
      generator: {
        metaTokens: "distinct",
        metaAttention: "block",
        metaState: "mean",
        cloudNorms: true,
        routerNorm: "batchHidden",
        routerNormScope: "layer",
        auxForm: "elementwise",
      },
    },
    {
      title: "matched states, a LayerNorm, balance of places and probabilities",
      training: true,
      generator: { metaState: "matched", routerNorm: "layer", auxForm: "switch" },
    },
  ];
  test.each(variants)("$title: router, pool, cloud adapters, meta embedding", ({ training, generator }) => {
    const tiny = tinyGenerator({ auxCoefficient: 0.3, ...generator });
    const { loss } = objectiveOf(tiny, training);
    const { inputs, weights } = concreteValues(tiny);
    const parameters = [...leavesOf({ outputs: { loss } }, "input")].filter(([name]) => name.startsWith("p/"));
    expect(parameters.map(([name]) => name.slice(2)).sort()).toEqual([...generatorParameters(tiny.pair).keys()].sort());
    const gradients = grad(
      loss,
      parameters.map(([, node]) => node),
    );
    const lossAt = (name: string, at: number, by: number): number => {
      const moved = Float64Array.from(inputs[name]!.data as Float64Array);
      moved[at]! += by;
      const all = { ...inputs, [name]: { ...inputs[name]!, data: moved } };
      return numbersOf(interpret({ outputs: { loss } }, { inputs: all, weights })["loss"]!)[0]!;
    };
    const outputs = Object.fromEntries(parameters.map(([name], i) => [name, gradients[i]!]));
    const exact = interpret({ outputs }, { inputs, weights });
    const rng = createRng("elements");
    const step = 1e-6;
    for (const [name] of parameters) {
      const gradient = numbersOf(exact[name]!);
      const sizes = gradient.map(Math.abs);
      const largest = Math.max(...sizes);
      // A bias before a norm with batch statistics has no effect.
      if (training && name === "p/router.f2.bias" && tiny.pair.generator.routerNorm === "batch")
        expect(largest).toBeLessThan(1e-12);
      else expect(largest, name).toBeGreaterThan(1e-6);
      for (const at of [sizes.indexOf(largest), rng.int(gradient.length)]) {
        const difference = (lossAt(name, at, step) - lossAt(name, at, -step)) / (2 * step);
        expect(Math.abs(gradient[at]! - difference), `${name}[${at}]`).toBeLessThan(1e-4 * largest + 1e-8);
      }
    }
  });
});

function objectiveOf(tiny: ReturnType<typeof tinyGenerator>, training: boolean): { loss: Node } {
  const { outputs } = buildEvaluation(tiny.spec({ training }));
  return { loss: outputs["metric/loss"]! };
}

/** The state, one batch and the frozen weights as the interpreter takes them. */
function concreteValues(tiny: ReturnType<typeof tinyGenerator>) {
  const inputs: Record<string, Tensor> = {};
  const all = { ...tiny.start({ moved: true }), ...tiny.feeds(createRng("gradients"), 2) };
  for (const [name, { shape, dtype, data }] of Object.entries(all))
    inputs[name] = { shape, dtype, data: data instanceof Float32Array ? Float64Array.from(data) : data };
  const { loss } = objectiveOf(tiny, true);
  const weights: Record<string, Tensor> = {};
  for (const [name, node] of leavesOf({ outputs: { loss } }, "weight")) {
    const { data } = tiny.weights[name] as { data: Float32Array };
    weights[name] = { shape: node.shape as readonly number[], dtype: "f32", data: Float64Array.from(data) };
  }
  return { inputs, weights };
}
