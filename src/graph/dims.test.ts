import { expect, test } from "vitest";
import { broadcastShapes, dimFactors, divDims, mulDims, sizeOf, symbolsOf } from "./dims.ts";

test("products have one spelling: the number first, then the symbols in order", () => {
  expect(mulDims("seq", 2, "batch", 3)).toBe("6*batch*seq");
  expect(mulDims("batch*seq", "batch")).toBe("batch*batch*seq");
  expect(mulDims("seq", 0)).toBe(0);
  expect(mulDims()).toBe(1);
  expect(mulDims(1, "seq")).toBe("seq");
});

test("a product taken apart gives its factors", () => {
  expect(dimFactors("6*batch*seq")).toEqual({ coefficient: 6, symbols: ["batch", "seq"] });
  expect(dimFactors("seq")).toEqual({ coefficient: 1, symbols: ["seq"] });
  expect(dimFactors(7)).toEqual({ coefficient: 7, symbols: [] });
});

test("division is exact or undefined", () => {
  expect(divDims("6*batch*seq", "2*seq")).toBe("3*batch");
  expect(divDims("batch*batch", "batch")).toBe("batch");
  expect(divDims("batch", "seq")).toBeUndefined();
  expect(divDims("3*batch", 2)).toBeUndefined();
  expect(divDims(8, 2)).toBe(4);
});

test("size and symbols of a shape", () => {
  expect(sizeOf(["seq", 4, "batch"])).toBe("4*batch*seq");
  expect(sizeOf([])).toBe(1);
  expect(symbolsOf(["2*seq", 4, "batch*seq"])).toEqual(["seq", "batch", "seq"]);
});

test("shapes broadcast from the right; symbols broadcast with themselves and with 1", () => {
  expect(broadcastShapes("add", ["batch", 1, 4], ["seq", 1])).toEqual(["batch", "seq", 4]);
  expect(broadcastShapes("add", [], ["seq"])).toEqual(["seq"]);
  expect(() => broadcastShapes("add", ["batch"], ["seq"])).toThrow("add: shapes must broadcast, got [batch] and [seq]");
  expect(() => broadcastShapes("add", [2, 3], [2])).toThrow("add: shapes must broadcast, got [2,3] and [2]");
});
