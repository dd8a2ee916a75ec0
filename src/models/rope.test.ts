import { expect, test } from "vitest";
import { ropeFrequencies, ropeTables } from "./rope.ts";

const plain = { headDim: 16, ropeTheta: 10000, ropeScaling: undefined };

test("rotary tables are cos and sin of position · theta^(−2i/d)", () => {
  const { cos, sin } = ropeTables({ context: 3, headDim: 4, ropeTheta: 100, ropeScaling: undefined });
  const angles = [0, 0, 1, 0.1, 2, 0.2];
  angles.forEach((angle, i) => {
    expect(cos[i]).toBeCloseTo(Math.cos(angle), 6);
    expect(sin[i]).toBeCloseTo(Math.sin(angle), 6);
  });
});

test("linear scaling divides every frequency", () => {
  const scaled = ropeFrequencies({ ...plain, ropeScaling: { type: "linear", factor: 4 } });
  ropeFrequencies(plain).forEach((frequency, i) => {
    expect(scaled[i]).toBeCloseTo(frequency / 4, 9);
  });
});

test("Llama 3 scaling leaves short waves, divides long ones, and mixes those between without a jump", () => {
  const scaling = {
    type: "llama3",
    factor: 8,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalContext: 8192,
  } as const;
  const shape = { headDim: 128, ropeTheta: 500000 };
  const before = ropeFrequencies({ ...shape, ropeScaling: undefined });
  const after = ropeFrequencies({ ...shape, ropeScaling: scaling });
  const ratios = [...after].map((frequency, i) => frequency / before[i]!);
  before.forEach((frequency, i) => {
    const wave = (2 * Math.PI) / frequency;
    if (wave < 8192 / 4) expect(ratios[i]).toBe(1);
    else if (wave > 8192) expect(ratios[i]).toBeCloseTo(1 / 8, 6);
    else expect(ratios[i]! > 1 / 8 && ratios[i]! < 1).toBe(true);
    expect(ratios[i]).toBeLessThanOrEqual(ratios[Math.max(0, i - 1)]!);
  });
  expect(ratios.filter((ratio) => ratio < 1 && ratio > 0.126).length).toBeGreaterThan(2);
});
