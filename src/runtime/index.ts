/** @file The public runtime API. */
export { compile } from "./node.ts";
export type { CompileOptions, Device, Feeds, Session, WeightSource } from "./session.ts";
export { floats, floatTensor, intTensor, scalarTensor, type Tensor, tensor, zeros } from "./tensor.ts";
