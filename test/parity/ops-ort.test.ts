/** @file The reference interpreter and ONNX Runtime agree on every op, forwards and backwards. */
import { describe, expect, test } from "vitest";
import { check } from "../../src/graph/check.ts";
import { grad } from "../../src/graph/grad.ts";
import { print } from "../../src/graph/print.ts";
import { simplify } from "../../src/graph/simplify.ts";
import { leavesOf } from "../../src/graph/tree.ts";
import type { Graph, Node, Op } from "../../src/graph/types.ts";
import { compile } from "../../src/runtime/node.ts";
import { gapTo, probed, run, runtimeFeeds, runtimeWeights, sampleLeaves } from "../support/numeric.ts";
import { type OpCase, opCases } from "../support/ops-cases.ts";

const ops = Object.keys(opCases) as Op[];

/** Runs a graph in one session at every size and compares all results. Weights keep the values of the first size. */
async function expectParity(graph: Graph, { title, sizes, values, tolerance }: OpCase): Promise<void> {
  check(graph);
  const valuesAt = sizes.map((chosen) => ({ ...sampleLeaves(graph, chosen), ...values(chosen) }));
  const weightNames = [...leavesOf(graph, "weight").keys()];
  const weights = Object.fromEntries(weightNames.map((name) => [name, valuesAt[0]![name]!]));
  await using session = await compile(graph, { weights: runtimeWeights(weights), threads: 1 });
  for (const [i, chosen] of sizes.entries()) {
    const given = { ...valuesAt[i]!, ...weights };
    const expected = run(graph, given);
    const actual = await session.run(runtimeFeeds(given));
    for (const [name, value] of Object.entries(expected)) {
      const where = `${title} ${JSON.stringify(chosen)}: ${name}\n${print(graph)}`;
      expect(gapTo(value, actual[name]), where).toBeLessThan(tolerance);
    }
  }
}

describe.each(ops)("%s", (op) => {
  test.each(opCases[op].cases)("$title: ONNX Runtime = interpreter at every size", (opCase) =>
    expectParity(opCase.graph, opCase),
  );

  const claim = opCases[op].gradient;
  if (!("by" in claim) || "blocked" in claim) return;
  test.each(opCases[op].cases)("$title: the same for the gradient, and after simplification", async (opCase) => {
    const { loss } = probed(opCase.graph);
    const leaves = new Map<string, Node>(
      (["input", "weight"] as const).flatMap((kind) => [...leavesOf({ outputs: { loss } }, kind)]),
    );
    const by = claim.by.filter((leaf) => leaves.has(leaf));
    const gradients = grad(
      loss,
      by.map((leaf) => leaves.get(leaf)!),
    );
    const graph = { outputs: { loss, ...Object.fromEntries(gradients.map((node, i) => [`d ${by[i]}`, node])) } };
    await expectParity(graph, opCase);
    await expectParity(simplify(graph), opCase);
  });
});
