import { expect, test } from "vitest";
import { add, input, matmulNBits, weight } from "../graph/build.ts";
import { topological } from "../graph/tree.ts";
import type { Node } from "../graph/types.ts";
import { compile } from "../runtime/node.ts";
import { floatTensor } from "../runtime/tensor.ts";
import { findBiases } from "./biases.ts";
import { lower } from "./lower.ts";

const [n, k, blockSize] = [4, 32, 32];
const x = input("x", ["batch", k]);
const codes = [weight("packed", [n, 1, k], "u8"), weight("scales", [n])];
const product = matmulNBits([x, ...codes], { n, k, bits: 8, blockSize });
const bias = weight("bias", [n]);

const found = (...roots: Node[]) => [...findBiases(topological(roots), roots).keys()];

test("a bias on either side is found", () => {
  for (const sum of [add(product, bias), add(bias, product)]) expect(found(sum)).toEqual([sum]);
});

test("a product that something else needs stays alone", () => {
  const sum = add(product, bias);
  expect(found(sum, product)).toEqual([]);
  expect(found(add(sum, product))).toEqual([]);
});

test("what is not a vector as wide as the product is no bias", () => {
  for (const other of [weight("one", [1]), weight("row", [1, n]), input("like", ["batch", n])])
    expect(found(add(product, other))).toEqual([]);
});

test("both are lowered to one operator", () => {
  const model = (outputs: Record<string, Node>) => Buffer.from(lower({ outputs }, () => ({ bytes: new Uint8Array() })));
  expect(model({ y: add(product, bias) }).includes("Add")).toBe(false);
  expect(model({ y: add(product, bias), product }).includes("Add")).toBe(true);
});

test("the sum is the same, packed anew or not", async () => {
  const weights = {
    packed: { kind: "data", data: new Uint8Array(n * k).map((_, i) => 120 + (i % 16)) },
    scales: { kind: "data", data: new Float32Array(n).fill(0.5) },
    bias: { kind: "data", data: new Float32Array([100, 200, 300, 400]) },
  } as const;
  const values: Float32Array[] = [];
  for (const prepack of [true, false])
    for (const outputs of [{ y: add(product, bias) }, { y: add(product, bias), product }] as Record<string, Node>[]) {
      await using session = await compile({ outputs }, { weights, prepack, threads: 1 });
      const { y } = await session.run({ x: floatTensor([2, k], new Float32Array(2 * k).fill(1)) });
      values.push(y!.data as Float32Array);
    }
  const sums = [92, 192, 292, 392]; // 16 codes from −8 to 7 twice over: −16 · ½
  for (const y of values) expect([...y]).toEqual([...sums, ...sums]);
});
