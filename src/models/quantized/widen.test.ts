/** @file Quantised weights widened again: the values of the codes, and no input rounded. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { distance } from "../../../test/support/numeric.ts";
import { fullLogits, randomLlama } from "../../../test/support/random-llama.ts";
import { frozenParts, frozenSources } from "../frozen-model.ts";
import { openModel, saveModel } from "../model-file.ts";
import { parameterShapes } from "../parameters.ts";
import { dequantizeWeight } from "./dequantize.ts";
import { quantizeDirectory } from "./directory-file.ts";
import { quantizations, resolveQuantization, storedWeights } from "./layout.ts";

const folder = mkdtempSync(join(tmpdir(), "widen-"));
afterAll(() => rmSync(folder, { recursive: true }));

test.each(["int8", "int4-asymmetric"] as const)(
  "%s opened exactly has the values of its codes, and says what it was",
  async (name) => {
    const { config, weights } = randomLlama({ hidden: 64, headDim: 16, ffn: 96, tied: true });
    const values = (weight: string) => (weights[weight] as { data: Float32Array }).data;
    const [plain, out] = [join(folder, `${name}-plain`), join(folder, name)];
    await saveModel(
      plain,
      config,
      new Map([...parameterShapes(config).keys()].map((weight) => [weight, values(weight)])),
    );
    await quantizeDirectory(plain, out, quantizations[name]);
    const coded = await openModel(out);
    for (const [path, options] of [
      [out, {}],
      [plain, { quantize: quantizations[name] }],
    ] as const) {
      const exact = await openModel(path, { ...options, exact: true });
      expect(exact).toMatchObject({
        sha256: coded.sha256,
        widenedFrom: resolveQuantization(config, quantizations[name]),
      });
      expect(exact.quantization).toBeUndefined();
      for (const weight of storedWeights(config, coded.quantization!))
        if (weight.layout !== undefined)
          expect((exact.weights[weight.name] as { data: Float32Array }).data).toEqual(
            await dequantizeWeight(weight, coded.weights),
          );
      const ids = [3, 14, 15, 9, 26];
      const wanted = await fullLogits({ config, weights: { ...exact.weights } }, ids);
      const rounded = await fullLogits({ config, weights: frozenSources(coded) }, ids, frozenParts(coded));
      for (const [i, row] of wanted.entries()) expect(distance(rounded[i]!, row)).toBeLessThan(0.05);
    }
  },
);
