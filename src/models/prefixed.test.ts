/** @file Reading in two passes, the second behind what the first left (keys, values, what convolutions read), is reading at once: values and gradients. */
import { expect, test } from "vitest";
import { randomLlama } from "../../test/support/random-llama.ts";
import { createRng } from "../base/rng.ts";
import { add, concat, constant, input, mul, slice, sum } from "../graph/build.ts";
import { grad } from "../graph/grad.ts";
import { denseParts, frozenWeights } from "../nn/parts.ts";
import { compile } from "../runtime/node.ts";
import { floats, floatTensor } from "../runtime/tensor.ts";
import type { ModelConfig } from "./config.ts";
import { forward, forwardKeys, forwardView, viewOf } from "./decoder.ts";

const convolving = { modelType: "lfm2", layers: 3 } as const;

test.each<Partial<ModelConfig>>([
  { attentionCap: 0 },
  { attentionCap: 3 },
  { ...convolving, convolution: { width: 3, layers: [true, false, true] } },
  { ...convolving, convolution: { width: 6, layers: [true, false, true] } }, // reads further back than there is anything
])("with %j", async (changes) => {
  const { config, weights } = randomLlama({ kvHeads: 2, ...changes });
  const parts = denseParts(frozenWeights());
  const [rows, before, behind] = [2, 3, 4];
  const first = input("first", [rows, before, config.hidden]);
  const second = input("second", [rows, behind, config.hidden]);
  const dy = input("dy", [rows, behind, config.hidden]);
  const { keys } = forwardKeys(config, parts, first, viewOf(first));
  const view = viewOf(second);
  const positions = add(view.positions, constant(before, [], "i64"));
  const twoPasses = forwardView(config, parts, second, { ...view, positions, prefix: keys });
  const whole = slice(forward(config, parts, concat([first, second], 1)), 1, before, before + behind);
  const outputs = Object.fromEntries(
    Object.entries({ twoPasses, whole }).flatMap(([name, y]) => {
      const [dFirst, dSecond] = grad(sum(mul(y, dy)), [first, second]);
      return [
        [name, y],
        [`${name}.first`, dFirst!],
        [`${name}.second`, dSecond!],
      ] as const;
    }),
  );
  await using session = await compile({ outputs }, { weights, threads: 1 });
  const rng = createRng("prefixed");
  const draw = (count: number) => {
    const shape = [rows, count, config.hidden];
    return floatTensor(shape, rng.fillNormal(new Float32Array(rows * count * config.hidden), 1));
  };
  const found = await session.run({ first: draw(before), second: draw(behind), dy: draw(behind) });
  for (const part of ["", ".first", ".second"]) {
    const wanted = floats(found[`whole${part}`]);
    const largest = Math.max(...wanted.map(Math.abs));
    floats(found[`twoPasses${part}`]).forEach((value, i) => {
      expect(Math.abs(value - wanted[i]!), part).toBeLessThan(1e-5 * Math.max(1, largest));
    });
  }
});
