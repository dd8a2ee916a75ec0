/** @file Walking a graph: topological order, inputs, weights, substitution. */
import { AppError } from "../base/errors.ts";
import { rebuild } from "./build.ts";
import { type Graph, isOp, type Node } from "./types.ts";

/** Every node that `roots` need, each after its inputs. Iterative: deep graphs do not overflow the stack. */
export function topological(roots: readonly Node[]): Node[] {
  const order: Node[] = [];
  const state = new Map<Node, "open" | "done">();
  for (const root of roots) {
    const stack = [root];
    while (stack.length > 0) {
      const node = stack[stack.length - 1]!;
      const seen = state.get(node);
      if (seen === undefined) {
        state.set(node, "open");
        for (let i = node.inputs.length - 1; i >= 0; i--) if (!state.has(node.inputs[i]!)) stack.push(node.inputs[i]!);
      } else {
        stack.pop();
        if (seen === "open") {
          state.set(node, "done");
          order.push(node);
        }
      }
    }
  }
  return order;
}

/** How many places use each node: inputs of others, and results. */
export function countUses(order: readonly Node[], roots: readonly Node[]): Map<Node, number> {
  const uses = new Map<Node, number>();
  for (const node of [...order.flatMap(({ inputs }) => inputs), ...roots]) uses.set(node, (uses.get(node) ?? 0) + 1);
  return uses;
}

/** The nodes of one leaf kind by name. Two different nodes of one name are an error: each name is one value. */
export function leavesOf<P extends "input" | "weight">(graph: Graph, op: P): Map<string, Node<P>> {
  const found = new Map<string, Node<P>>();
  for (const node of topological(Object.values(graph.outputs))) {
    if (!isOp(node, op)) continue;
    const { name } = node.params as { name: string };
    if (found.has(name)) throw new AppError("E_SHAPE", `${op} "${name}" is declared twice`);
    found.set(name, node as Node<P>);
  }
  return found;
}

/** The graph above `roots` with each node replaced by `replace(node with new inputs, old node)`. */
export function mapGraph(roots: readonly Node[], replace: (node: Node, old: Node) => Node): Node[] {
  const mapped = new Map<Node, Node>();
  for (const node of topological(roots)) {
    const inputs = node.inputs.map((input) => mapped.get(input)!);
    mapped.set(node, replace(rebuild(node, inputs), node));
  }
  return roots.map((root) => mapped.get(root)!);
}
