import { expect, test } from "vitest";
import { add, input, matmulNBits, weight } from "../graph/build.ts";
import { topological } from "../graph/tree.ts";
import type { Node } from "../graph/types.ts";
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

test("a product added to itself stays as it is; a chain of two takes both biases", () => {
  expect(found(add(product, product))).toEqual([]);
  const inner = add(product, bias);
  const square = [weight("packed2", [n, 1, 16], "u8"), weight("scales2", [n])];
  const outer = add(matmulNBits([inner, ...square], { n, k: n, bits: 8, blockSize: 16 }), weight("bias2", [n]));
  expect(found(outer, inner)).toEqual([inner, outer]);
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
