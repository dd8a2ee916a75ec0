/** @file What each operator of a generator's step belongs to, told from what it reads and how large that is. */
import type { NodeProto } from "onnx-buf";
import type { PairShape } from "../../src/generator/parameters.ts";

export type Part =
  | `${"cloud" | "edge"}: frozen products, ${"forward" | "backward"}`
  | "head"
  | "experts"
  | "cloud LoRA"
  | "attention: products"
  | "attention: softmax and mask"
  | "attention: heads turned"
  | "rotary positions"
  | "feed-forward: SiLU, gate, sums"
  | "norms and residual stream"
  | "dropout"
  | "softmax and loss"
  | "optimiser"
  | "other";

/** An operator as ONNX Runtime ran it. */
export type Ran = { readonly node: NodeProto; readonly shapes: readonly (readonly number[])[] };

const isProduct = ({ opType }: NodeProto): boolean => opType === "MatMul" || opType === "FusedMatMul";

/** Names of the values that follow from these inputs alone, or at all. `nodes` in the order they run. */
function following(nodes: readonly NodeProto[], isRoot: (name: string) => boolean, all: boolean): ReadonlySet<string> {
  const constants = new Set<string>();
  const found = new Set<string>();
  const isFound = (name: string) => isRoot(name) || found.has(name);
  for (const { opType, input, output } of nodes) {
    const isConstant = (name: string) => name.startsWith("$") || constants.has(name);
    const hit = input.some(isFound) && (!all || input.every((name) => isFound(name) || isConstant(name)));
    for (const name of output) {
      if (hit) found.add(name);
      else if (opType === "Shape" || input.every(isConstant)) constants.add(name);
    }
  }
  return found;
}

/** Sorts operators of a step's model, by their names. */
export function partsOf(nodes: readonly NodeProto[], { cloud, edge, generator }: PairShape): (ran: Ran) => Part {
  const updates = following(nodes, (name) => /^([mv]\/|adamw\.)|^metric\/gradientNorm$/.test(name), false);
  const masks = following(nodes, (name) => /\.dropout\./.test(name), true);
  const stacked = generator.experts * generator.rank;
  const has = (shapes: Ran["shapes"], size: number) => shapes.some((shape) => shape.includes(size));

  function productPart({ node, shapes }: Ran): Part {
    const frozen = node.input.map((name) => /^(cloud|edge)\.(.*)\.weight$/.exec(name)).find((match) => match !== null);
    if (frozen?.[2] === "model.embed_tokens") return "head";
    if (frozen !== undefined) {
      const isForward = node.attribute.some(({ name, i }) => name === "transB" && i === 1n);
      return `${frozen[1] as "cloud" | "edge"}: frozen products, ${isForward ? "forward" : "backward"}`;
    }
    if (shapes.every((shape) => shape.length === 4)) return "attention: products";
    if (has(shapes, stacked)) return "experts";
    return has(shapes, generator.cloudRank) ? "cloud LoRA" : "other";
  }

  return (ran) => {
    const { node, shapes } = ran;
    const last = shapes.map((shape) => shape.at(-1));
    const isSquare = isProduct(node) && shapes.every((shape) => shape.length === 2 && shape[0] === 1); // of a gradient's norm
    if (isSquare || node.output.some((name) => updates.has(name))) return "optimiser";
    if ([...node.input, ...node.output].some((name) => masks.has(name))) return "dropout";
    if (isProduct(node)) return productPart(ran);
    if (has(shapes, edge.vocab)) return node.opType === "Gather" ? "other" : "softmax and loss";
    if (node.opType === "RotaryEmbedding") return "rotary positions";
    if (node.opType === "Transpose") {
      if (shapes[0]!.length === 4) return "attention: heads turned";
      return has(shapes, stacked) ? "experts" : has(shapes, generator.cloudRank) ? "cloud LoRA" : "other";
    }
    if (shapes.some((shape) => shape.length === 4)) return "attention: softmax and mask";
    if (last.includes(edge.ffn)) return "feed-forward: SiLU, gate, sums";
    if (has(shapes, stacked)) return "experts";
    if (last.includes(edge.hidden) || last.includes(cloud.hidden)) return "norms and residual stream";
    return "other";
  };
}
