import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import { expect, test } from "vitest";
import { input, matmul } from "../graph/build.ts";
import type { Node, Shape } from "../graph/types.ts";
import { lower } from "./lower.ts";

/** What the graph of one result runs, with the inputs of each operator. */
function operators(y: Node): string[] {
  const bytes = lower({ outputs: { y } }, () => ({ bytes: new Uint8Array() })) as Uint8Array<ArrayBuffer>;
  return fromBinary(ModelProtoSchema, bytes).graph!.node.map(({ opType, input }) => `${opType}(${input.join(", ")})`);
}

const [a, b] = [(shape: Shape) => input("a", shape), (shape: Shape) => input("b", shape)];

test("of a product with its left side transposed the smaller side is turned, once", () => {
  const narrow = matmul(a(["tokens", 16]), b(["tokens", 576]), { transA: true });
  expect(operators(narrow)).toEqual(["Transpose(a)", "MatMul(%0, b)"]);
  const wide = matmul(a(["tokens", 576]), b(["tokens", 16]), { transA: true });
  expect(operators(wide)).toEqual(["Transpose(b)", "MatMul(%0, a)", "Transpose(%1)"]);
  const scores = matmul(a(["rows", "time", "time"]), b(["rows", "time", 64]), { transA: true, alpha: 0.5 });
  expect(operators(scores)).toEqual(["Transpose(b)", "FusedMatMul(%0, a)", "Transpose(%1)"]);
});

test("where both sides are transposed one turn is enough", () => {
  const product = matmul(a(["tokens", 576]), b([16, "tokens"]), { transA: true, transB: true });
  expect(operators(product)).toEqual(["MatMul(b, a)", "Transpose(%0)"]);
});

test("operators are named after their results, as a profile shows them", () => {
  const bytes = lower({ outputs: { y: matmul(a([2, 3]), b([3, 2])) } }, () => ({ bytes: new Uint8Array() }));
  const { node } = fromBinary(ModelProtoSchema, bytes as Uint8Array<ArrayBuffer>).graph!;
  expect(node.map(({ name }) => name)).toEqual(["y"]);
});
