/** @file Every variant of the generator, and of what it is taught, compiles and trains. */
import { expect, test } from "vitest";
import { createRng } from "../../src/base/rng.ts";
import { defaultGenerator, type GeneratorConfig } from "../../src/generator/config.ts";
import { linearMaps } from "../../src/models/parameters.ts";
import type { Target } from "../../src/train/generator-step.ts";
import { isBuffer } from "../../src/train/state.ts";
import type { StepSpec } from "../../src/train/step.ts";
import { createTrainer } from "../../src/train/trainer.ts";
import { tinyGenerator } from "../support/tiny-generator.ts";

type Variant = { readonly generator: Partial<GeneratorConfig>; readonly target?: Target };

/** At least one variant for every key of the configuration. */
const variants: Record<string, Variant> = {
  "the paper's": { generator: {} },
  "more experts, all kept": { generator: { experts: 6, topK: 6 } },
  "one kept, with its own probability": { generator: { topK: 1, renormalize: false } },
  "another rank and alpha": { generator: { rank: 3, alpha: 1 } },
  "experts on every linear map": { generator: { targets: [...linearMaps(tinyGenerator().pair.edge)] } },
  "factors mixed": { generator: { compose: "factors" } },
  "factors mixed apart": { generator: { compose: "factorsApart" } },
  "factors mixed apart, balance of places": { generator: { compose: "factorsApart", auxForm: "switch" } },
  "signed coefficients": { generator: { strategy: "linear" } },
  "signed coefficients of factors apart, a pool per layer": {
    generator: { strategy: "linear", compose: "factorsApart", poolScope: "layer", routerScope: "layer" },
  },
  "signed coefficients without a norm": { generator: { strategy: "linear", routerNorm: "none" } },
  "some of the cloud's layers": { generator: { cloudLayers: 1 } },
  "LoRA made directly": { generator: { generation: "direct" } },
  "a pool per layer": { generator: { poolScope: "layer" } },
  "a pool per layer, factors mixed": { generator: { poolScope: "layer", compose: "factors" } },
  "a router per layer": { generator: { routerScope: "layer" } },
  "pool and router per layer": { generator: { poolScope: "layer", routerScope: "layer" } },
  "a wider router": { generator: { routerHidden: 11 } },
  "no norm in the router": { generator: { routerNorm: "none" } },
  "BatchNorm before the second map": { generator: { routerNorm: "batchHidden" } },
  "LayerNorm in the router": { generator: { routerNorm: "layer" } },
  "statistics per layer, one router": { generator: { routerNormScope: "layer" } },
  "LayerNorm per layer, one router": { generator: { routerNorm: "layer", routerNormScope: "layer" } },
  "statistics that forget faster": { generator: { routerMomentum: 1 } },
  "running statistics as they stand": { generator: { routerStatistics: "running" } },
  "Gumbel noise": { generator: { strategy: "gumbel" } },
  "Gumbel noise at inference too": { generator: { strategy: "gumbel", gumbelNoise: "always" } },
  "dense gates": { generator: { strategy: "dense" } },
  "dense gates annealed to the kept ones": { generator: { annealSteps: 100 } },
  "one meta embedding per layer": { generator: { metaTokens: "distinct" } },
  "meta tokens that do not see each other": { generator: { metaAttention: "block", metaTokens: "distinct" } },
  "the state before the final norm": { generator: { metaState: "preNorm" } },
  "the mean of the cloud's layers": { generator: { metaState: "mean" } },
  "the cloud layer that matches": { generator: { metaState: "matched" } },
  "the cloud's norms": { generator: { cloudNorms: true } },
  "the cloud's norms but the final one": { generator: { cloudNorms: true, metaState: "preNorm" } },
  "B small at first": { generator: { initialB: "small" } },
  "cloud adapters on all attention maps": { generator: { cloudTargets: ["q", "k", "v", "o"] } },
  "cloud adapters of another rank": { generator: { cloudRank: 1, cloudAlpha: 5 } },
  "balance per layer": { generator: { auxForm: "perLayer" } },
  "balance of probabilities": { generator: { auxForm: "probabilities" } },
  "balance gate by gate": { generator: { auxForm: "elementwise" } },
  "balance of places and probabilities": { generator: { auxForm: "switch" } },
  "no balance loss": { generator: { auxCoefficient: 0 } },
  distilled: { generator: {}, target: { kind: "distill", share: 1 } },
  "half distilled": { generator: {}, target: { kind: "distill", share: 0.5 } },
};

test("the variants cover every key of the generator's configuration", () => {
  const covered = new Set(Object.values(variants).flatMap(({ generator }) => Object.keys(generator)));
  expect(Object.keys(defaultGenerator).filter((key) => !covered.has(key))).toEqual([]);
});

const steps = 12;

test.each(Object.entries(variants))("%s: trains, and every tensor of its own moves", async (_, variant) => {
  const { generator, target = { kind: "answers" } } = variant;
  const tiny = tinyGenerator(generator);
  await using trainer = await createTrainer(tiny.spec({ target }), {
    weights: tiny.weights,
    state: tiny.start(),
    evaluation: tiny.spec({ target, training: false }),
    threads: 1,
  });
  const before = tiny.start();
  const feeds = tiny.feeds(createRng("one batch"));
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) losses.push((await trainer.step([feeds], 0.02))["loss"]![0]!);
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
  expect(Number.isFinite((await trainer.evaluate(feeds))["loss"]![0])).toBe(true);
  const after = trainer.state();
  const still = Object.keys(before).filter((name) =>
    after[name]!.data.every((value, i) => value === before[name]!.data[i]),
  );
  expect(still).toEqual("routerStatistics" in generator ? Object.keys(before).filter(isBuffer) : []);
});

test("the expert load that is logged adds up to one gate per prompt and layer", async () => {
  const tiny = tinyGenerator();
  await using trainer = await createTrainer(tiny.spec(), { weights: tiny.weights, state: tiny.start(), threads: 1 });
  const { expertLoad } = await trainer.step([tiny.feeds(createRng("load"), 5)], 1e-3);
  expect(expertLoad).toHaveLength(4);
  expect(expertLoad!.reduce((a, b) => a + b, 0)).toBeCloseTo(5 * tiny.pair.edge.layers, 4);
});

test("K = 1 renormalised makes every gate 1: experts learn, the router cannot", async () => {
  const tiny = tinyGenerator({ topK: 1, auxCoefficient: 0 });
  await using trainer = await createTrainer(tiny.spec(), { weights: tiny.weights, state: tiny.start(), threads: 1 });
  await trainer.step([tiny.feeds(createRng("one"))], 0.02);
  const moved = Object.entries(tiny.start())
    .filter(([name, { data }]) => data.some((value, i) => value !== trainer.state()[name]!.data[i]))
    .map(([name]) => name.replace(/\..*/, ""));
  expect([...new Set(moved)]).toEqual(["p/experts", "b/router"]);
});

test.each([1, 2])("of %i micro-batches: experts alone move as beside all others, which stay", async (batches) => {
  const tiny = tinyGenerator();
  const feeds = Array.from({ length: batches }, (_, i) => tiny.feeds(createRng(`batch ${i}`)));
  const run = async (spec: StepSpec, steps: number) => {
    await using trainer = await createTrainer(spec, {
      weights: tiny.weights,
      state: tiny.start({ moved: true }),
      threads: 1,
      accumulate: batches > 1,
    });
    for (let i = 0; i < steps; i++) await trainer.step(feeds, 0.02);
    return Object.fromEntries(Object.entries(trainer.state()).map(([name, { data }]) => [name, data.slice()]));
  };
  // Beside all others under the statistics that experts alone are trained with: those that inference uses.
  const all = await run(tinyGenerator({ routerStatistics: "running" }).spec(), 1);
  const [one, three] = [await run(tiny.spec({ trains: "experts" }), 1), await run(tiny.spec({ trains: "experts" }), 3)];
  const start = tiny.start({ moved: true });
  for (const name of Object.keys(start)) {
    const isExpert = name.startsWith("p/experts.");
    expect([name, one[name]]).toEqual([name, isExpert ? all[name] : start[name]!.data]);
    if (isExpert) expect(three[name]).not.toEqual(one[name]);
    else expect(three[name]).toEqual(start[name]!.data);
  }
  expect(Object.keys(one).filter((name) => /^[mv]\//.test(name) && !name.includes("/experts."))).toEqual([]);
});
