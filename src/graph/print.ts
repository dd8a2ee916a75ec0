/** @file A graph as text, one line per value: for people, error messages and snapshot tests. */
import { topological } from "./tree.ts";
import { type Graph, isOp, type Node } from "./types.ts";

/** Longer literals are cut. */
const shownValues = 8;

/** How values are referred to. Leaves go by their names, short literals by themselves, the rest by number. */
export type Names = ReadonlyMap<Node, string>;

/** Names for all values of a graph, in the order of its lines. */
export function nameValues(graph: Graph): Names {
  const names = new Map<Node, string>();
  let next = 0;
  for (const node of topological(Object.values(graph.outputs))) {
    if (isOp(node, "input") || isOp(node, "weight")) names.set(node, (node.params as { name: string }).name);
    else if (isOp(node, "constant")) names.set(node, literal(node as Node<"constant">));
    else names.set(node, `%${next++}`);
  }
  return names;
}

/** `0.5`, `[1, 2]`, `i64[3, …] of 64`: the type where it is not f32, the shape where it is not plain. */
function literal({ params: { data }, shape, dtype }: Node<"constant">): string {
  const prefix = dtype === "f32" ? "" : `${dtype} `;
  if (shape.length === 0) return `${prefix}${spell(data[0]!)}`;
  const shown = data.slice(0, shownValues).map(spell).join(", ");
  const rest = data.length > shownValues ? ", …" : "";
  return `${prefix}[${shown}${rest}]${shape.length === 1 ? "" : ` as [${shape.join(", ")}]`}`;
}

const spell = (value: number): string => (Object.is(value, -0) ? "-0" : String(value));

/** One value: `%12: f32[batch, seq, 64] = matmul(%3, %11) {transB}`. */
export function printNode(node: Node, names: Names): string {
  const type = `${node.dtype}[${node.shape.join(", ")}]`;
  const name = names.get(node) ?? "%?";
  if (node.inputs.length === 0 && "name" in node.params) return `${node.op} ${name}: ${type}`;
  const inputs = node.inputs.map((input) => names.get(input) ?? "%?").join(", ");
  return `${name}: ${type} = ${node.op}(${inputs})${printParams(node)}`;
}

/** ` {axis=1, keepDims}`: false flags and alpha = 1 are left out, and so is what the type says already. */
function printParams({ op, params, shape }: Node): string {
  if (op === "constant") return "";
  const shown = Object.entries(params).flatMap(([key, value]: [string, unknown]) => {
    if (value === false || (key === "alpha" && value === 1) || value === shape) return [];
    if (value === true) return [key];
    return [`${key}=${Array.isArray(value) ? `[${value.join(", ")}]` : value}`];
  });
  return shown.length === 0 ? "" : ` {${shown.join(", ")}}`;
}

/** The whole graph: inputs and weights as they are met, values after what they need, then the results by name. */
export function print(graph: Graph): string {
  const names = nameValues(graph);
  const lines = [...names.keys()].filter((node) => node.op !== "constant").map((node) => printNode(node, names));
  const results = Object.entries(graph.outputs).map(([name, node]) => `return ${name} = ${names.get(node)}`);
  return `${[...lines, ...results].join("\n")}\n`;
}
