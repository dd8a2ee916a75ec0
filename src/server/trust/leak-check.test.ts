/** @file The attacker finds what there is, and nothing else. */
import { expect, test } from "vitest";
import { createRng } from "../../base/rng.ts";
import { attack } from "./attacker.ts";
import { leakReport, plantedPrompts } from "./leak-check.ts";

const rng = createRng("leak check");
const prompts = plantedPrompts(300, rng.split("prompts"));
/** Gates that say the kind, and nothing of the canaries: as generators should make them. */
const honest = (noise = createRng("noise")) =>
  prompts.map(({ kind }) => Array.from({ length: 16 }, (_, i) => (i % 8 === kind ? 0.8 : 0) + 0.2 * noise.next()));

test("gates that say only what kind a prompt is of leak no canary, and the attacker names the kind", () => {
  const report = leakReport(prompts, honest(), createRng("attack"));
  expect(report).toMatchObject({ prompts: 300, leaks: [], canAttack: true });
  expect(report.attacks.kind.share).toBeGreaterThan(0.95);
  expect(report.attacks.digit).toMatchObject({ trained: 180, asked: 120, chance: 0.1 });
});

test("a digit that is planted in the gates is found, also where it is weak and spread", () => {
  const spread = createRng("spread");
  const directions = Array.from({ length: 10 }, () => Array.from({ length: 16 }, () => spread.next() - 0.5));
  const leaking = honest().map((row, i) => row.map((gate, j) => gate + 0.3 * directions[prompts[i]!.digit]![j]!));
  const report = leakReport(prompts, leaking, createRng("attack"));
  expect(report.leaks).toEqual(["digit"]);
  expect(report.attacks.digit.low).toBeGreaterThan(0.3);
  expect(report.attacks.digit.p).toBeLessThan(1e-6);
});

test("what coarser gates hide is not found in them, and what they keep is", () => {
  // The digit lies within a quarter, the name in which expert is chosen.
  const leaking = prompts.map(({ kind, digit, name }) => [
    ...Array.from({ length: 8 }, (_, i) => (i === kind ? 0.75 : 0)),
    ...Array.from({ length: 10 }, (_, i) => (i === digit ? 0.6 : 0.5)),
    ...Array.from({ length: 10 }, (_, i) => (i === name ? 0.01 : 0)),
  ]);
  const { leaks, coarser } = leakReport(prompts, leaking, createRng("attack"));
  expect(leaks).toEqual(["digit", "name"]);
  expect(coarser.quarters.digit.p).toBeGreaterThan(0.01);
  expect(coarser.quarters.name.p).toBeGreaterThan(0.01);
  expect(coarser.chosen.digit.p).toBeGreaterThan(0.01);
  expect(coarser.chosen.name.share).toBeGreaterThan(0.95);
});

test("an attacker that cannot even name the kind says so", () => {
  const blind = createRng("blind");
  const report = leakReport(
    prompts,
    prompts.map(() => Array.from({ length: 16 }, () => blind.next())),
    createRng("attack"),
  );
  expect([report.canAttack, report.leaks]).toEqual([false, []]);
});

test("prompts hold their canaries, all of them, and none goes with another", () => {
  for (const { text, digit } of prompts) expect(text).toContain(`The code is ${digit}.`);
  for (const canary of ["digit", "name", "kind"] as const)
    expect(new Set(prompts.map((prompt) => prompt[canary])).size).toBe(canary === "kind" ? 8 : 10);
  expect(new Set(prompts.map(({ text }) => text)).size).toBeGreaterThan(290);
  const byKind = prompts.map(({ kind }) => Array.from({ length: 8 }, (_, i) => (i === kind ? 1 : 0)));
  const { p } = attack(
    byKind,
    prompts.map(({ digit }) => digit),
    10,
    createRng("attack"),
  );
  expect(p).toBeGreaterThan(0.01);
});

test("a few prompts show nothing: refused", () => {
  expect(() => leakReport(prompts.slice(0, 20), honest().slice(0, 20), rng)).toThrow(
    expect.objectContaining({ code: "E_DATA" }),
  );
});
