/** @file Gumbel noise at inference: drawn from the prompt, so that the same prompt gives the same specialisation. */
import { expect, test } from "vitest";
import { openTinyPair } from "../../test/support/tiny-pair.ts";
import { sha256 } from "../base/hash.ts";
import { createRng } from "../base/rng.ts";
import { gumbelFeeds, promptGumbelFeeds } from "../generator/gumbel.ts";
import { routerInputs } from "../generator/router.ts";
import { floats } from "../runtime/tensor.ts";
import { specialize } from "./specialize.ts";

const prompt = "Name the intent of a bank customer's message. Answer with the label only.";

test("gates are those of logits with the prompt's own noise; the same prompt has them again, from a fresh session", async () => {
  const noisy = await openTinyPair({ generator: { strategy: "gumbel", gumbelNoise: "always" } });
  const { gates } = await specialize(noisy, prompt, { threads: 1 });
  expect((await specialize(noisy, prompt, { threads: 1 })).gates).toEqual(gates);
  const dense = await specialize(await openTinyPair({ generator: { strategy: "dense" } }), prompt, { threads: 1 });
  const noise = floats(promptGumbelFeeds(noisy.shape, sha256(prompt))[routerInputs.gumbel]);
  const { experts, topK } = noisy.shape.generator;
  dense.gates.forEach((row, layer) => {
    const powers = row.map((probability, j) => probability * Math.exp(noise[layer * experts + j]!));
    const least = powers.toSorted((a, b) => b - a)[topK - 1]!;
    const kept = powers.map((power) => (power >= least ? power : 0));
    kept.forEach((power, j) => {
      expect(gates[layer]![j]).toBeCloseTo(power / kept.reduce((a, b) => a + b), 5);
    });
  });
});

test("by default there is none at inference, nor a feed for it, and no direct generator has any", async () => {
  const quiet = await openTinyPair({ generator: { strategy: "gumbel" } });
  const plain = await openTinyPair();
  expect((await specialize(quiet, prompt, { threads: 1 })).gates).toEqual(
    (await specialize(plain, prompt, { threads: 1 })).gates,
  );
  expect(promptGumbelFeeds(quiet.shape, sha256(prompt))).toEqual({});
  const direct = await openTinyPair({
    generator: { generation: "direct", strategy: "gumbel", gumbelNoise: "always" },
  });
  expect((await specialize(direct, prompt, { threads: 1 })).gates).toHaveLength(direct.shape.edge.layers);
});

test("another prompt has other noise, of the Gumbel distribution's mean and variance", async () => {
  const { shape } = await openTinyPair({ generator: { strategy: "gumbel", gumbelNoise: "always" } });
  const of = (text: string) => floats(promptGumbelFeeds(shape, sha256(text))[routerInputs.gumbel]);
  expect(of("one")).not.toEqual(of("two"));
  const many = floats(gumbelFeeds(shape, 20_000, createRng("many"), { training: true })[routerInputs.gumbel]);
  const mean = many.reduce((a, b) => a + b) / many.length;
  expect(mean).toBeCloseTo(0.5772, 1);
  expect(many.reduce((sum, value) => sum + (value - mean) ** 2, 0) / many.length).toBeCloseTo(Math.PI ** 2 / 6, 1);
});
