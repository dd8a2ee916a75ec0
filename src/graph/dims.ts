/** @file Dimension algebra: numbers, symbols and their products, in one canonical spelling (`"4*batch*seq"`). */
import { AppError } from "../base/errors.ts";
import type { Dim, Shape } from "./types.ts";

/** A dimension as a coefficient times sorted symbols. */
export function dimFactors(dim: Dim): { readonly coefficient: number; readonly symbols: readonly string[] } {
  if (typeof dim === "number") return { coefficient: dim, symbols: [] };
  const parts = dim.split("*");
  const head = Number(parts[0]);
  return Number.isInteger(head) ? { coefficient: head, symbols: parts.slice(1) } : { coefficient: 1, symbols: parts };
}

function fromFactors(coefficient: number, symbols: readonly string[]): Dim {
  if (symbols.length === 0 || coefficient === 0) return coefficient;
  const product = [...symbols].sort().join("*");
  return coefficient === 1 ? product : `${coefficient}*${product}`;
}

/** The product of dimensions. */
export function mulDims(...dims: readonly Dim[]): Dim {
  let coefficient = 1;
  const symbols: string[] = [];
  for (const dim of dims) {
    const factors = dimFactors(dim);
    coefficient *= factors.coefficient;
    symbols.push(...factors.symbols);
  }
  return fromFactors(coefficient, symbols);
}

/** a / b, or undefined where b does not divide a. */
export function divDims(a: Dim, b: Dim): Dim | undefined {
  const top = dimFactors(a);
  const bottom = dimFactors(b);
  const symbols = [...top.symbols];
  for (const symbol of bottom.symbols) {
    const at = symbols.indexOf(symbol);
    if (at < 0) return undefined;
    symbols.splice(at, 1);
  }
  if (top.coefficient % bottom.coefficient !== 0) return undefined;
  return fromFactors(top.coefficient / bottom.coefficient, symbols);
}

/** The number of elements of a shape. */
export const sizeOf = (shape: Shape): Dim => mulDims(...shape);

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i]);

/** NumPy broadcasting over symbolic dimensions. Throws E_SHAPE naming both shapes. */
export function broadcastShapes(what: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i): Dim => {
    const left = a[i - rank + a.length] ?? 1;
    const right = b[i - rank + b.length] ?? 1;
    if (left === right || right === 1) return left;
    if (left === 1) return right;
    throw new AppError("E_SHAPE", `${what}: shapes must broadcast, got [${a}] and [${b}]`);
  });
}

/** Every symbol in a shape. */
export const symbolsOf = (shape: Shape): readonly string[] => shape.flatMap((dim) => dimFactors(dim).symbols);
