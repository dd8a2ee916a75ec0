import { expect, test } from "vitest";
import { finiteDifference, type Values } from "../../test/support/numeric.ts";
import { createRng } from "../base/rng.ts";
import { input, matmul, mul, sub, sum } from "../graph/build.ts";
import { grad } from "../graph/grad.ts";
import { interpret } from "../graph/interpret.ts";
import { numbersOf, tensor } from "../graph/tensor.ts";
import type { Node } from "../graph/types.ts";
import type { Linear } from "../nn/parts.ts";
import { besideSingularValues, bySingularValues, renormalized } from "../nn/svf.ts";
import { decompose } from "./svd.ts";

const [rows, inputs, outputs] = [3, 5, 4];
const rng = createRng("svf");
const draw = (...shape: number[]) =>
  tensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => Math.fround(rng.normal())),
  );
const weight = draw(outputs, inputs);
const svd = decompose(Float32Array.from(numbersOf(weight)), outputs, inputs);
const numbers = (values: ArrayLike<number>) => Array.from(values);
const values: Values = {
  x: draw(rows, inputs),
  wanted: draw(rows, outputs),
  w: weight,
  u: tensor([svd.rank, outputs], numbers(svd.u)),
  s: tensor([svd.rank], numbers(svd.s)),
  v: tensor([svd.rank, inputs], numbers(svd.v)),
  z: tensor(
    [svd.rank],
    Array.from({ length: svd.rank }, () => Math.fround(0.5 + rng.next())),
  ),
};
const nodes = Object.fromEntries(Object.entries(values).map(([name, { shape }]) => [name, input(name, shape)])) as {
  readonly [name: string]: Node;
} & Record<"x" | "wanted" | "w" | "u" | "s" | "v" | "z", Node>;
const plain: Linear = (x) => matmul(x, nodes.w, { transB: true });
const maps = {
  "z itself": bySingularValues(nodes, nodes.z),
  renormalised: bySingularValues(nodes, renormalized(nodes.z, nodes.s)),
  "beside the weight": besideSingularValues(plain, nodes, nodes.z),
} as const;
const evaluate = (node: Node, changes: Partial<Values> = {}): number[] =>
  numbersOf(interpret({ outputs: { node } }, { inputs: { ...values, ...changes } as Values })["node"]!);
const lossOf = (linear: Linear): Node => {
  const gap = sub(linear(nodes.x), nodes.wanted);
  return sum(mul(gap, gap));
};
const expectClose = (found: readonly number[], wanted: readonly number[], digits: number) =>
  found.forEach((value, i) => {
    expect(value).toBeCloseTo(wanted[i]!, digits);
  });

test.each(Object.entries(maps))("%s: the gradient of z is that of finite differences", (_, linear) => {
  const loss = lossOf(linear);
  const [gradient] = grad(loss, [nodes.z]);
  expectClose(evaluate(gradient!), finiteDifference(loss, values, "z"), 6);
});

test("renormalised, the gradient is c σ_i s_i − c σ_i / (Σ σ z) · Σ σ z s with s_i = u_iᵀ G v_i and c = Σσ / Σσz", () => {
  const [{ rank }, at] = [svd, (name: string) => numbersOf(values[name]!)];
  const [x, z, s, u, v] = [at("x"), at("z"), at("s"), at("u"), at("v")];
  const gap = evaluate(sub(maps.renormalised(nodes.x), nodes.wanted)).map((value) => 2 * value); // ∂L/∂y (rows, out)
  const dot = (i: number, row: number, side: readonly number[], of: readonly number[], width: number) =>
    Array.from({ length: width }, (_, j) => side[i * width + j]! * of[row * width + j]!).reduce((a, b) => a + b, 0);
  const along = Array.from({ length: rank }, (_, i) =>
    Array.from({ length: rows }, (_, row) => dot(i, row, u, gap, outputs) * dot(i, row, v, x, inputs)).reduce(
      (a, b) => a + b,
      0,
    ),
  );
  const total = (of: (i: number) => number) => Array.from({ length: rank }, (_, i) => of(i)).reduce((a, b) => a + b, 0);
  const kept = total((i) => s[i]! * z[i]!);
  const c = total((i) => s[i]!) / kept;
  const wanted = along.map(
    (own, i) => c * s[i]! * own - ((c * s[i]!) / kept) * total((j) => s[j]! * z[j]! * along[j]!),
  );
  const [gradient] = grad(lossOf(maps.renormalised), [nodes.z]);
  expectClose(evaluate(gradient!), wanted, 8);
});

test("z = 1 is the plain map; a common factor of z changes nothing where it is renormalised, and everything where not", () => {
  const ones = { z: tensor([svd.rank], new Array<number>(svd.rank).fill(1)) };
  for (const linear of Object.values(maps)) expectClose(evaluate(linear(nodes.x), ones), evaluate(plain(nodes.x)), 5);
  const tripled = { z: { ...values["z"]!, data: Float64Array.from(numbersOf(values["z"]!), (value) => 3 * value) } };
  expectClose(evaluate(maps.renormalised(nodes.x), tripled), evaluate(maps.renormalised(nodes.x)), 10);
  const scaled = evaluate(maps["z itself"](nodes.x)).map((value) => 3 * value);
  expectClose(evaluate(maps["z itself"](nodes.x), tripled), scaled, 10);
});
