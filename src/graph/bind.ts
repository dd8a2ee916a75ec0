/** @file Giving symbolic dimensions their sizes, from concrete shapes. */
import { AppError } from "../base/errors.ts";
import { dimFactors } from "./dims.ts";
import type { Dim, Shape } from "./types.ts";

/** The size of each symbol. */
export type DimBinding = ReadonlyMap<string, number>;

/** A declared shape and the sizes found in its place. */
export type ShapeFact = { readonly what: string; readonly shape: Shape; readonly sizes: readonly number[] };

/** The size of a dimension. Throws E_SHAPE for a symbol that no input has. */
export function evaluateDim(dim: Dim, binding: DimBinding): number {
  const { coefficient, symbols } = dimFactors(dim);
  return symbols.reduce((product, symbol) => {
    const size = binding.get(symbol);
    if (size === undefined) throw new AppError("E_SHAPE", `dimension "${symbol}" is in the shape of no input`);
    return product * size;
  }, coefficient);
}

/** The sizes of all symbols in the facts. Throws E_SHAPE where facts contradict each other. */
export function bindDims(facts: readonly ShapeFact[]): DimBinding {
  const binding = new Map<string, number>();
  const wrong = ({ what, shape, sizes }: ShapeFact): never => {
    const known = [...binding].map(([symbol, size]) => `${symbol} = ${size}`).join(", ");
    throw new AppError("E_SHAPE", `${what}: expected [${shape}]${known && ` with ${known}`}, found [${sizes}]`);
  };
  let open = facts.flatMap((fact) => {
    if (fact.shape.length !== fact.sizes.length) wrong(fact);
    return fact.shape.map((dim, i) => ({ fact, dim, size: fact.sizes[i]! }));
  });
  // Each round fixes the symbols that stand alone among unknowns: "batch" first, then seq in "batch*seq".
  for (let before = -1; open.length > 0 && open.length !== before; ) {
    before = open.length;
    open = open.filter(({ fact, dim, size }) => {
      const { coefficient, symbols } = dimFactors(dim);
      const unknown = symbols.filter((symbol) => !binding.has(symbol));
      if (unknown.length > 1) return true;
      const known = symbols.reduce((product, symbol) => product * (binding.get(symbol) ?? 1), coefficient);
      if (unknown.length === 0 ? known !== size : size % known !== 0) wrong(fact);
      if (unknown.length === 1) binding.set(unknown[0]!, size / known);
      return false;
    });
  }
  return binding;
}
