/** @file The public graph API: build, differentiate, simplify, print, check, interpret. */
export * from "./build.ts";
export { check } from "./check.ts";
export { divDims, mulDims, sameShape, sizeOf } from "./dims.ts";
export { grad } from "./grad.ts";
export { interpret } from "./interpret.ts";
export { print } from "./print.ts";
export { simplify } from "./simplify.ts";
export { type Tensor, tensor } from "./tensor.ts";
export { leavesOf, mapGraph, topological } from "./tree.ts";
export type { Dim, DType, Graph, Node, Op, OpParams, Shape, ValueType } from "./types.ts";
export { isOp } from "./types.ts";
