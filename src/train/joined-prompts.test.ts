import { expect, test } from "vitest";
import { distance } from "../../test/support/numeric.ts";
import { tinyGenerator } from "../../test/support/tiny-generator.ts";
import { createRng } from "../base/rng.ts";
import { createTrainer } from "./trainer.ts";

test.each(["causal", "block"] as const)(
  "a step over prompts that share rows of the cloud's batch is the step over prompts apart (meta tokens %s)",
  async (metaAttention) => {
    const tiny = tinyGenerator({ metaAttention, metaTokens: "distinct" });
    const step = async (cloudRows?: readonly (readonly number[])[]) => {
      const options = { weights: tiny.weights, state: tiny.start({ moved: true }), threads: 1 };
      await using trainer = await createTrainer(tiny.spec(), options);
      const metrics = await trainer.step([tiny.feeds(createRng("batch"), 4, cloudRows)], 0.01);
      const moments = Object.entries(trainer.state()).filter(([name]) => name.startsWith("m/"));
      return { loss: metrics["loss"]![0]!, gradients: moments.map(([, { data }]) => data.slice()) };
    };
    const apart = await step();
    for (const cloudRows of [[[0, 1, 2, 3]], [[2, 0], [3], [1]]]) {
      const joined = await step(cloudRows);
      expect(joined.loss).toBeCloseTo(apart.loss, 5);
      joined.gradients.forEach((gradient, i) => {
        expect(distance(gradient, apart.gradients[i]!)).toBeLessThan(1e-4);
      });
    }
  },
);
