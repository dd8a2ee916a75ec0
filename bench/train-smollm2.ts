/** @file `train-smollm2`: a generator's step over SmolLM2-135M as cloud and edge, and where its time goes. */
import { cloudInputNames } from "../src/generator/cloud.ts";
import { edgePrefix } from "../src/train/generator-step.ts";
import { buildStep } from "../src/train/step.ts";
import { createTrainer } from "../src/train/trainer.ts";
import { atLeast, type Bench, interleave, median, medians, pairedRatios } from "./support/bench.ts";
import { graphProducts } from "./support/flops.ts";
import { processorTime } from "./support/machine.ts";
import { createProductRates } from "./support/product-rate.ts";
import { batch, smollm2Step } from "./train-smollm2/problem.ts";
import { profileStep } from "./train-smollm2/profile.ts";

const shareLimit = 0.8;
const label = "train-smollm2";

export const trainSmollm2: Bench = {
  run: async (options) => {
    const { quick, threads, log } = options;
    const problem = await smollm2Step(quick);
    const { spec, state, weights, feeds, tokens, shape } = problem;
    const gigaFlops = graphProducts(buildStep(spec), { ...state, ...feeds });
    log(`${label}: ${gigaFlops.toFixed(1)} GFLOP a step in matrix products, ${tokens} tokens`);
    const clock = threads === 1 ? processorTime : () => performance.now();
    const slots = [cloudInputNames.tokens, `${edgePrefix}.tokens`].reduce(
      (sum, name) => sum + feeds[name]!.data.length,
      0,
    );
    const measured = await measure();
    const parts = await profileStep(problem, threads);
    const total = [...parts.values()].reduce((a, b) => a + b, 0);
    const raw = {
      [`${label} step ms`]: measured.map(({ ms }) => ms),
      [`${label} best product GFLOP/s`]: measured.map(({ best }) => best),
    };
    const rates = measured.map(({ ms }) => gigaFlops / (ms / 1000));
    const share = median(pairedRatios(rates, raw[`${label} best product GFLOP/s`]!));
    return {
      configuration: {
        [label]: {
          ...shape.edge,
          ...batch,
          experts: shape.generator.experts,
          rank: shape.generator.rank,
          frozenWeights: problem.frozenWeights,
          gigaFlopsPerStep: gigaFlops,
          tokens,
          slots,
          clock: threads === 1 ? "processor time of the process" : "time",
        },
      },
      raw,
      medians: {
        ...medians(raw),
        [`${label} GFLOP/s`]: median(rates),
        [`${label} tokens/s`]: tokens / (median(raw[`${label} step ms`]!) / 1000),
      },
      ratios: {
        [`${label} share of the best product`]: share,
        [`${label} tokens among the slots computed`]: tokens / slots,
        ...Object.fromEntries([...parts].map(([part, ms]) => [`${label} of the time: ${part}`, ms / total])),
      },
      checks: [atLeast(`${label}: share of the best matrix product`, share, shareLimit)],
    };

    /** Products before and after each step: the mean of both is what it is measured against. */
    async function measure(): Promise<{ ms: number; best: number }[]> {
      await using trainer = await createTrainer(spec, { state, weights, threads });
      await using products = await createProductRates(threads, clock);
      const best = async () => Math.max(...Object.values(await products.measure()));
      const round = async () => {
        const before = await best();
        const from = clock();
        const metrics = await trainer.step([feeds], 1e-4);
        const ms = clock() - from;
        const after = await best();
        log(`${label}: ${ms.toFixed(0)} ms, loss ${metrics["loss"]![0]!.toFixed(4)}`);
        return { ms, best: (before + after) / 2 };
      };
      return (await interleave({ round }, options)).round;
    }
  },
};
