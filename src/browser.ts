/** @file The public API for the browser: specialised models answer in a page. Nothing here needs Node. */

export { AppError, type ErrorCode } from "./base/errors.ts";
export { createRng, type Rng } from "./base/rng.ts";
export { type ConstraintSpec, labelsSpec, schemaSpec } from "./constraint/spec.ts";
export type { Constraint } from "./decode/constraint.ts";
export {
  createDecoder,
  type Decoder,
  type DecoderOptions,
  type Generated,
  type GenerateOptions,
} from "./decode/decoder.ts";
export { type FetchFilesOptions, fetchFiles } from "./files/fetch-files.ts";
export type { ModelConfig } from "./models/config.ts";
export { type Answer, type Answerer, type AnswererOptions, type AnswerOptions, createAnswerer } from "./pair/answer.ts";
export { loadEdgePair, type ReadFile } from "./pair/edge-pair.ts";
export { assembleLora, type LowRank, type MergedEdge, type MergeOptions, merge } from "./pair/merge.ts";
export type { EdgePair } from "./pair/pair.ts";
export { encodeSpecialization, parseSpecialization, type Specialization } from "./pair/specialization.ts";
export { createSwappableDecoder, type SwappableDecoder } from "./pair/swap.ts";
export type { Device, WeightSource } from "./runtime/session.ts";
export { bestDevice } from "./runtime/web.ts";
export type { ChatTurn } from "./text/chat-layout.ts";
export type { Tokenizer } from "./text/tokenizer.ts";
