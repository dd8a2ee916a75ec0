/** @file The reference interpreter and ONNX Runtime agree on every op, forwards and backwards. */
import { describe, expect, test } from "vitest";
import { check } from "../../src/graph/check.ts";
import { grad } from "../../src/graph/grad.ts";
import { print } from "../../src/graph/print.ts";
import { simplify } from "../../src/graph/simplify.ts";
import { tensor } from "../../src/graph/tensor.ts";
import { leavesOf } from "../../src/graph/tree.ts";
import type { Graph, Node, Op } from "../../src/graph/types.ts";
import { compile } from "../../src/runtime/node.ts";
import { composedGraphs } from "../support/composed-graphs.ts";
import {
  distance,
  gapTo,
  leavesByName,
  probed,
  run,
  runtimeFeeds,
  runtimeWeights,
  type Sizes,
  sampleLeaves,
} from "../support/numeric.ts";
import type { OpCase } from "../support/op-case.ts";
import { opCases } from "../support/ops-cases.ts";

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

/** A loss with its gradients by the leaves of these names that it has. */
function withGradients(loss: Node, names: readonly string[]): Graph {
  const leaves = leavesByName(loss);
  const by = names.filter((name) => leaves.has(name));
  const gradients = grad(
    loss,
    by.map((name) => leaves.get(name)!),
  );
  return { outputs: { loss, ...Object.fromEntries(gradients.map((node, i) => [`d ${by[i]}`, node])) } };
}

describe.each(ops)("%s", (op) => {
  test.each(opCases[op].cases)("$title: ONNX Runtime = interpreter at every size", (opCase) =>
    expectParity(opCase.graph, opCase),
  );

  const claim = opCases[op].gradient;
  if (!("by" in claim) || "blocked" in claim) return;
  test.each(opCases[op].cases)("$title: the same for the gradient, and after simplification", async (opCase) => {
    const { loss } = probed(opCase.graph);
    const graph = withGradients(loss, claim.by);
    await expectParity(graph, opCase);
    await expectParity(simplify(graph), opCase);
  });
});

describe("composed graphs", () => {
  test.each(Object.values(composedGraphs))(
    "$title: loss and gradients, before and after simplification",
    async (composed) => {
      const { title, loss, by, sizes, ranges } = composed;
      const graph = withGradients(loss, by);
      const values = (chosen: Sizes) => sampleLeaves(graph, chosen, ranges);
      await expectParity(graph, { title, graph, sizes, values, tolerance: 1e-5 });
      await expectParity(simplify(graph), { title, graph, sizes, values, tolerance: 1e-5 });
    },
  );
});

test("cached attention over a batch of prompts of different lengths: every real position and its cache", async () => {
  const { graph, values } = opCases.cachedAttention.cases[0]!;
  const given = { ...values({ batch: 2, seq: 3 }), last: tensor([2], [2, 1], "i64") };
  await using session = await compile(graph);
  const actual = await session.run(runtimeFeeds(given));
  const expected = run(graph, given);
  const [rowWidth, headWidth, capacity] = [32, 8, 6];
  const isReal: Readonly<Record<string, (i: number) => boolean>> = {
    output: (i) => Math.floor(i / rowWidth) !== 5, // the third position of the second row is padding
    presentK: (i) => Math.floor(i / headWidth) % capacity < (i < expected["presentK"]!.data.length / 2 ? 3 : 2),
  };
  for (const [name, real] of Object.entries(isReal)) {
    const pick = (values: ArrayLike<number | bigint>) => Array.from(values, Number).filter((_, i) => real(i));
    expect(distance(pick(actual[name]!.data), pick(expected[name]!.data)), name).toBeLessThan(1e-5);
  }
});
