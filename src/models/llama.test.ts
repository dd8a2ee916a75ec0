import { describe, expect, test } from "vitest";
import { distance } from "../../test/support/numeric.ts";
import { fullLogits, randomLlama } from "../../test/support/random-llama.ts";
import { flattenRows, input } from "../graph/build.ts";
import { leavesOf } from "../graph/tree.ts";
import { denseParts, frozenWeights } from "../nn/parts.ts";
import { compile } from "../runtime/node.ts";
import { floats, intTensor } from "../runtime/tensor.ts";
import type { ModelConfig } from "./config.ts";
import { embed, forward, logits } from "./decoder.ts";
import { parameterShapes } from "./parameters.ts";
import { ropeNames, ropeTables } from "./rope.ts";

const tokens = input("tokens", ["rows", "time"], "i64");
const segments = {
  ids: input("segments", ["rows", "time"], "i64"),
  positions: input("positions", ["rows", "time"], "i64"),
};

function logitsGraph(config: ModelConfig, hasSegments = false) {
  const parts = denseParts(frozenWeights());
  const hidden = forward(config, parts, embed(config, parts, tokens), hasSegments ? segments : undefined);
  return { outputs: { rows: logits(config, parts, flattenRows(hidden)) } };
}

describe.each([true, false])("with a tied head: %s", (tied) => {
  test("a forward pass asks for exactly the tensors of a checkpoint, and the rotary tables", () => {
    const { config } = randomLlama({ tied });
    const asked = new Map(
      [...leavesOf(logitsGraph(config), "weight")].map(([name, { shape }]) => [name, shape] as const),
    );
    for (const name of Object.values(ropeNames)) {
      expect(asked.get(name)).toEqual([config.context, config.headDim / 2]);
      asked.delete(name);
    }
    expect(asked).toEqual(new Map(parameterShapes(config)));
  });
});

test("a token changes what comes behind it and nothing before it", async () => {
  const model = randomLlama();
  const ids = [3, 14, 15, 9, 26];
  const before = await fullLogits(model, ids);
  const after = await fullLogits(model, ids.with(2, 35));
  for (const i of [0, 1]) expect(after[i]).toEqual(before[i]);
  for (const i of [2, 3, 4]) expect(distance(after[i]!, before[i]!)).toBeGreaterThan(1e-3);
});

test("the same token means something else at another position", async () => {
  const [first, second] = await fullLogits(randomLlama(), [7, 7, 7]);
  const [, shifted] = await fullLogits(randomLlama({ ropeTheta: 2 }), [7, 7, 7]);
  // Attending to two equal values gives that value whatever the weights: positions show from different tokens on.
  expect(distance(second!, first!)).toBeLessThan(1e-5);
  expect(distance(shifted!, second!)).toBeLessThan(1e-5);
  const [, , swapped] = await fullLogits(randomLlama(), [8, 7, 9]);
  const [, , ordered] = await fullLogits(randomLlama(), [7, 8, 9]);
  expect(distance(swapped!, ordered!)).toBeGreaterThan(1e-3);
});

test("sequences joined in a row give what each gives alone", async () => {
  const { config, weights } = randomLlama();
  const [a, b] = [
    [5, 6, 7],
    [40, 41, 42, 43],
  ] as const;
  await using session = await compile(logitsGraph(config, true), { weights, threads: 1 });
  const { rows } = await session.run({
    tokens: intTensor([1, 7], [...a, ...b]),
    segments: intTensor([1, 7], [0, 0, 0, 1, 1, 1, 1]),
    positions: intTensor([1, 7], [0, 1, 2, 0, 1, 2, 3]),
  });
  const alone = [...(await fullLogits({ config, weights }, a)), ...(await fullLogits({ config, weights }, b))];
  const joined = floats(rows);
  alone.forEach((expected, i) => {
    expect(distance(joined.slice(i * config.vocab, (i + 1) * config.vocab), expected)).toBeLessThan(1e-5);
  });
});

test("rotary tables are cos and sin of position · theta^(−2i/d)", () => {
  const { config } = randomLlama({ context: 3, headDim: 4, ropeTheta: 100 });
  const { cos, sin } = ropeTables(config);
  const angles = [0, 0, 1, 0.1, 2, 0.2];
  angles.forEach((angle, i) => {
    expect(cos[i]).toBeCloseTo(Math.cos(angle), 6);
    expect(sin[i]).toBeCloseTo(Math.sin(angle), 6);
  });
});
