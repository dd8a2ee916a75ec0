/** @file The public graph API: build, differentiate, simplify, print, check, interpret. */
export * from "./build.ts";
export { divDims, mulDims, sameShape, sizeOf } from "./dims.ts";
export { grad } from "./grad.ts";
export { leavesOf, mapGraph, topological } from "./tree.ts";
export type { Dim, DType, Graph, Node, Op, OpParams, Shape, ValueType } from "./types.ts";
export { isOp } from "./types.ts";
