import { expect, test } from "vitest";
import { tinyGenerator } from "../../test/support/tiny-generator.ts";
import { createRng } from "../base/rng.ts";
import { cloudInputNames } from "../generator/cloud.ts";
import { dropoutFeeds } from "../generator/dropout.ts";
import { input } from "../graph/build.ts";
import { leavesOf } from "../graph/tree.ts";
import { dropout } from "../nn/dropout.ts";
import { compile } from "../runtime/node.ts";
import { floats, floatTensor } from "../runtime/tensor.ts";
import { createTrainer } from "./trainer.ts";

/** Angles, the same ones for the same seed. */
const angles = (seed: string, length: number) => {
  const rng = createRng(seed);
  return Array.from({ length }, () => 2 * Math.PI * rng.next());
};

test("a share of the values is dropped, all over the tensor; the rest is scaled so that the mean stays", async () => {
  const [batch, time, width] = [4, 50, 300];
  const noise = { tokens: input("tokens", [batch, time, 2]), features: input("features", [2, width]) };
  const y = dropout(input("x", [batch, time, width]), noise, 0.2);
  await using session = await compile({ outputs: { y } });
  const ofFeatures = angles("features", width);
  const { y: out } = await session.run({
    x: floatTensor([batch, time, width], new Float32Array(batch * time * width).fill(1)),
    tokens: floatTensor(
      [batch, time, 2],
      angles("tokens", batch * time).flatMap((angle) => [Math.cos(angle), Math.sin(angle)]),
    ),
    features: floatTensor([2, width], [...ofFeatures.map(Math.cos), ...ofFeatures.map(Math.sin)]),
  });
  const values = floats(out);
  const share = (part: Float32Array) => part.filter((value) => value === 0).length / part.length;
  expect(new Set(values)).toEqual(new Set([0, Math.fround(1.25)]));
  expect(share(values)).toBeGreaterThan(0.19);
  expect(share(values)).toBeLessThan(0.21);
  for (let row = 0; row < batch * time; row++) {
    const tokenShare = share(values.subarray(row * width, (row + 1) * width));
    expect(tokenShare).toBeGreaterThan(0.1);
    expect(tokenShare).toBeLessThan(0.3);
  }
});

test("without a rate the training step is the one without dropout; with one it asks for noise, and validation does not", () => {
  const { spec } = tinyGenerator();
  const graph = (options: Parameters<typeof spec>[0]) => JSON.stringify([...inputsOf(spec(options))]);
  expect(graph({ dropout: 0 })).toBe(graph({}));
  expect(graph({ dropout: 0.1 })).toContain("cloud.dropout.tokens");
  expect(graph({ dropout: 0.1, training: false })).toBe(graph({ training: false }));
});

/** Names of what the objective is fed. */
function inputsOf({
  parameters,
  buffers,
  objective,
}: ReturnType<ReturnType<typeof tinyGenerator>["spec"]>): Set<string> {
  const declared = (shapes: ReadonlyMap<string, readonly number[]> = new Map()) =>
    Object.fromEntries([...shapes].map(([name, shape]) => [name, input(name, shape)]));
  return new Set(
    leavesOf({ outputs: { loss: objective(declared(parameters), declared(buffers)).loss } }, "input").keys(),
  );
}

test("the same noise gives the same step, other noise another one", async () => {
  const tiny = tinyGenerator();
  const feeds = tiny.feeds(createRng("batch"));
  const shape = (name: string) => feeds[name]!.shape as [number, number];
  const noise = (seed: string) => {
    const rng = createRng(seed);
    return {
      ...dropoutFeeds(tiny.pair, "cloud", shape(cloudInputNames.tokens), rng),
      ...dropoutFeeds(tiny.pair, "edge", shape("edge.tokens"), rng),
    };
  };
  const state = () => tiny.start({ moved: true });
  const norm = async (seed: string) => {
    const options = { weights: tiny.weights, state: state(), threads: 1 };
    await using trainer = await createTrainer(tiny.spec({ dropout: 0.3 }), options);
    return (await trainer.step([{ ...feeds, ...noise(seed) }], 0.01))["gradientNorm"]![0]!;
  };
  const [first, again, other] = [await norm("a"), await norm("a"), await norm("b")];
  expect(again).toBe(first);
  expect(other).not.toBe(first);
});
