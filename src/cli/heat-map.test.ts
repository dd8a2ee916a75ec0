import pc from "picocolors";
import { expect, test } from "vitest";
import { compactHeatMap, heatMap } from "./heat-map.ts";

const plain = pc.createColors(false);

test("a row per layer, a cell per expert: the stronger the gate, the darker the block", () => {
  expect(
    heatMap(
      [
        [0, 0.2, 0.8],
        [0.5, 0.5, 0],
      ],
      plain,
    ),
  ).toEqual(["         0  1  2", "layer 0  · ░░ ██   2: 0.80  1: 0.20", "layer 1 ▓▓ ▓▓  ·   0: 0.50  1: 0.50"]);
});

test("of many experts only those in use are named", () => {
  const row = Array.from({ length: 64 }, (_, i) => (i % 10 === 3 ? (i + 1) / 100 : 0));
  expect(heatMap([row], plain)).toEqual(["layer 0   63: 0.64  53: 0.54  43: 0.44  33: 0.34  and 3 more"]);
});

test("colours are used where they are wanted, and only there", () => {
  expect(heatMap([[1]], pc.createColors(true)).join("\n")).toContain("\u001b[31m██");
  expect(heatMap([[1]], plain).join("\n")).not.toContain("\u001b");
});

test("in few lines: a row per expert, a cell per layer; of many experts only those in use are named", () => {
  const gates = [
    [0, 0.2, 0.8],
    [0.5, 0.5, 0],
  ];
  expect(compactHeatMap(gates, plain)).toEqual(["expert 0 ·▓", "expert 1 ░▓", "expert 2 █·"]);
  const many = Array.from({ length: 64 }, (_, i) => (i === 63 ? 1 : 0));
  expect(compactHeatMap([many], plain)).toEqual(heatMap([many], plain));
});
