import { expect, test } from "vitest";
import { createRng } from "../base/rng.ts";
import { type Expert, expertSize } from "../svf/expert.ts";
import { transferExpert } from "../svf/transfer.ts";
import { plainLlama } from "./config.ts";
import { svfMaps } from "./decomposable.ts";

const modelOf = (name: string, outputs: number) => ({
  sha256: name.repeat(64),
  maps: [{ weight: "l.0.up.weight", outputs, inputs: 4 }],
});
const z = Float32Array.of(4, 3, 2, 1);
const expert: Expert = {
  modelSha256: "a".repeat(64),
  renormalize: true,
  madeBy: { by: "hand" },
  scales: new Map([["l.0.up.weight", z]]),
};
const [from, to] = [modelOf("a", 6), modelOf("b", 6)];

test("a skill moves to a model of the same shape in order, or shuffled as the control", () => {
  const moved = transferExpert(expert, from, to);
  expect(moved).toMatchObject({ modelSha256: to.sha256, renormalize: true, madeBy: { transferredFrom: from.sha256 } });
  expect([...moved.scales.get("l.0.up.weight")!]).toEqual([4, 3, 2, 1]);
  const shuffled = transferExpert(expert, from, to, { shuffle: createRng(3) });
  const factors = [...shuffled.scales.get("l.0.up.weight")!];
  expect(factors).not.toEqual([4, 3, 2, 1]);
  expect(factors.sort()).toEqual([1, 2, 3, 4]);
  expect([...z]).toEqual([4, 3, 2, 1]);
});

test("a model of another shape, one that lacks a map, and a skill of a third model are refused", () => {
  expect(() => transferExpert(expert, from, modelOf("b", 7))).toThrow(/expected 6 × 4, found 7 × 4/);
  expect(() => transferExpert(expert, from, { ...to, maps: [] })).toThrow(/found none/);
  expect(() => transferExpert(expert, to, from)).toThrow(/a{64}.*b{64}/);
});

test("a skill of SmolLM2-135M has less than a tenth of the numbers of a LoRA of rank 16 on the same maps", () => {
  const shape = { ...plainLlama, hidden: 576, ffn: 1536, layers: 30, heads: 9, kvHeads: 3, headDim: 64 };
  const config = {
    ...shape,
    vocab: 49152,
    context: 8192,
    epsilon: 1e-5,
    ropeTheta: 1e5,
    tied: true,
    bosId: 1,
    eosIds: [2],
  };
  const maps = svfMaps(config, "feed-forward");
  const scales = new Map(
    maps.map(({ weight, inputs, outputs }) => [weight, new Float32Array(Math.min(inputs, outputs))]),
  );
  const ofLora = maps.reduce((sum, { inputs, outputs }) => sum + 16 * (inputs + outputs), 0);
  expect([expertSize({ scales }), ofLora]).toEqual([51_840, 3_041_280]);
  expect(svfMaps(config, "both")).toHaveLength(210);
});
