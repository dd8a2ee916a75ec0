/** @file LoRAMoE and MixLoRA beside NumPy: gates, outputs and losses (test/fixtures/make/token_experts.py). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { input, matmul, mul, silu } from "../../src/graph/build.ts";
import type { Node } from "../../src/graph/types.ts";
import type { Linear } from "../../src/nn/parts.ts";
import {
  denseRouting,
  expertSlots,
  intoSlots,
  localizedBalance,
  mixtralBalance,
  outOfSlots,
  topRouting,
  withTokenMixture,
} from "../../src/nn/token-experts.ts";
import { compile } from "../../src/runtime/node.ts";
import { floats, floatTensor } from "../../src/runtime/tensor.ts";

type Values = { readonly shape: number[]; readonly data: number[] };
type Map = { readonly w: Values; readonly a: Values; readonly b: Values };
const reference = JSON.parse(
  readFileSync(join(import.meta.dirname, "../fixtures/token-experts/reference.json"), "utf8"),
) as {
  readonly scale: number;
  readonly experts: number;
  readonly kept: number;
  readonly x: Values;
  readonly real: Values;
  readonly loramoe: Record<"wanted" | "gates" | "y" | "loss", Values> & { readonly weights: Map & { router: Values } };
  readonly mixlora: Record<"gates" | "y" | "loss", Values> & {
    readonly weights: Record<"router" | "router2", Values> & Record<"gate" | "up" | "down", Map>;
  };
};
const { scale, experts, kept } = reference;

/** Every result within 1e-5 of what is wanted. */
async function expectResults(build: (feed: (values: Values) => Node) => Record<string, [Node, Values]>): Promise<void> {
  const feeds: Record<string, ReturnType<typeof floatTensor>> = {};
  const results = build(({ shape, data }) => {
    const name = `value${Object.keys(feeds).length}`;
    feeds[name] = floatTensor(shape, data);
    return input(name, shape);
  });
  const outputs = Object.fromEntries(Object.entries(results).map(([name, [node]]) => [name, node]));
  await using session = await compile({ outputs }, { weights: {}, threads: 1 });
  const found = await session.run(feeds);
  for (const [name, [, { shape, data }]] of Object.entries(results)) {
    expect(found[name]!.shape, name).toEqual(shape);
    floats(found[name]).forEach((value, i) => void expect(Math.abs(value - data[i]!), name).toBeLessThan(1e-5));
  }
}

test("LoRAMoE's gates, output and localised balance are NumPy's", async () => {
  const { weights, wanted, gates, y, loss } = reference.loramoe;
  await expectResults((feed) => {
    const x = feed(reference.x);
    const w = feed(weights.w);
    const plain: Linear = (of) => matmul(of, w, { transB: true });
    const routing = denseRouting(x, feed(weights.router));
    const stack = { a: feed(weights.a), b: feed(weights.b), experts };
    return {
      gates: [routing.gates, gates],
      y: [withTokenMixture(plain, stack, routing, scale)(x), y],
      loss: [localizedBalance(routing, feed(reference.real), feed(wanted)), loss],
    };
  });
});

test("MixLoRA's gates, output and loss are those of experts that NumPy computes one by one", async () => {
  const { weights, gates, y, loss } = reference.mixlora;
  await expectResults((feed) => {
    const x = feed(reference.x);
    const routing = topRouting(x, feed(weights.router), kept);
    const second = topRouting(x, feed(weights.router2), kept);
    const slots = expertSlots(routing, kept);
    const map = (name: "gate" | "up" | "down", wrap: typeof intoSlots): Linear => {
      const { w, a, b } = weights[name];
      const weight = feed(w);
      return wrap((of) => matmul(of, weight, { transB: true }), { a: feed(a), b: feed(b), experts }, slots, scale);
    };
    const inner = mul(silu(map("gate", intoSlots)(x)), map("up", intoSlots)(x));
    return {
      gates: [routing.gates, gates],
      y: [map("down", outOfSlots)(inner), y],
      loss: [mixtralBalance([routing, second], feed(reference.real), kept), loss],
    };
  });
});
