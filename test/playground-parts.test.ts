/** @file What the playground reckons and reads by itself: lines of inputs, the ledger of costs. */
import { describe, expect, test } from "vitest";
import type { ShownCertificate } from "../web/api.ts";
import { readGiven } from "../web/examples.ts";
import { breakEven, certifiedCosts, meanCosts, type Question } from "../web/ledger.ts";

describe("inputs of a certificate", () => {
  test.each([
    [
      "where is it => delivery\n\n who paid=>billing ",
      [
        ["where is it", "delivery"],
        ["who paid", "billing"],
      ],
    ],
    ["a => b => c", [["a => b", "c"]]],
    [
      '{"input": "a => b", "target": "c"}\n{"input": "d", "output": "e", "more": 1}',
      [
        ["a => b", "c"],
        ["d", "e"],
      ],
    ],
    ["where is it\nwho paid", ["where is it", "who paid"]],
    ['{"input": "where is it"}\n{"input": "who paid", "target": null}', ["where is it", "who paid"]],
    ['{"input": "where is it", "output": null}', ["where is it"]],
    ['{"a": 1}\n{not JSON', ['{"a": 1}', "{not JSON"]], // inputs that are no lines of ours
  ])("%j is read", (text, wanted) => {
    const found = readGiven(text);
    expect("inputs" in found ? found.inputs : found.examples.map(({ input, output }) => [input, output])).toEqual(
      wanted,
    );
  });

  test.each([
    ["where is it => delivery\nwho paid", "Line 2: expected an answer in every line or in none"],
    ["where is it\n\nwho paid => billing", "Line 3: expected an answer in every line or in none"],
    ["=> delivery", "Line 1: expected input => answer"],
    ["where is it =>", "Line 1: expected input => answer"],
    ['{"input": "a"}\nb', 'Line 2: expected {"input": "…"}'],
    ['{"input": "a"}\n{"text": "b"}', 'Line 2: expected {"input": "…"}'],
    ['{"input": "a", "target": 1}', 'Line 1: expected {"input": "…"}'],
  ])("%j is refused, naming the line", (text, message) => expect(() => readGiven(text)).toThrow(message));
});

describe("the ledger", () => {
  const question = (ms: number, tokens: number): Question => ({
    object: "0",
    prompt: "Be brief.",
    costs: {
      base: { tokens, ms },
      prompted: { tokens: tokens + 30, ms: 2 * ms },
      specialized: { tokens, ms },
    },
  });

  test("a question costs the mean of those asked", () => {
    expect(meanCosts([])).toBeUndefined();
    const { questions, costs } = meanCosts([question(10, 5), question(20, 8)])!;
    expect([questions, costs.prompted, costs.specialized]).toEqual([
      2,
      { tokens: 36.5, ms: 30 },
      { tokens: 6.5, ms: 15 },
    ]);
  });

  test("a certificate's costs are of whoever answers for the name", () => {
    const party = (inputTokens: number, ms: number | null) => ({
      score: { mean: 1, low: 1, high: 1 },
      inputTokens,
      ms,
    });
    const certificate = {
      inputs: 20,
      answers: "specialized",
      parties: { specialized: party(6, 10), refined: party(6, 11), base: party(6, null), control: party(6, 10) },
    } as unknown as ShownCertificate;
    expect(certifiedCosts(certificate).costs).toEqual({
      base: { tokens: 6, ms: null },
      specialized: { tokens: 6, ms: 10 },
    });
    expect(certifiedCosts({ ...certificate, answers: "refined" }).costs.specialized).toEqual({ tokens: 6, ms: 11 });
  });

  test.each([
    [100, 30, 10, 5],
    [101, 30, 10, 6],
    [0, 30, 10, 0],
    [100, 10, 10, undefined],
    [100, 10, 30, undefined],
  ])("a cloud pass of %d ms, and %d and %d ms a question: paid back after %s", (cloud, prompted, specialized, wanted) =>
    expect(breakEven(cloud, prompted, specialized)).toBe(wanted),
  );
});
