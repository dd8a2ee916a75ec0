/** @file The public API, by group. Each heading stands apart: the sorter of imports sorts within a group only. */

// Pairs: cloud model, edge model, generator

export { GeneratorConfig } from "./generator/config.ts";
export { loadPair, type Pair, type PairFile, writePairFile } from "./pair/pair-file.ts";

// A system prompt to a specialisation, and what is done with it

export { type CombinePart, combineSpecializations, type Interference, interference } from "./pair/combine.ts";
export { type CombineEffect, measureCombination } from "./pair/combine-effect.ts";
export { assembleLora, type LowRank, type MergedEdge, type MergeOptions, merge } from "./pair/merge.ts";
export {
  encodeSpecialization,
  readSpecialization,
  type Specialization,
  writeSpecialization,
} from "./pair/specialization-file.ts";
export { createSpecializer, type SpecializeOptions, type Specializer, specialize } from "./pair/specialize.ts";
export { createSwappableDecoder, type SwappableDecoder } from "./pair/swap.ts";

// Answers

export { findConstraint } from "./constraint/find.ts";
export { type ConstraintSpec, type FoundConstraint, labelsSpec, schemaSpec } from "./constraint/spec.ts";
export type { Constraint } from "./decode/constraint.ts";
export {
  createDecoder,
  type Decoder,
  type DecoderOptions,
  type Generated,
  type GenerateOptions,
} from "./decode/decoder.ts";
export { type Prefix, type PrefixSource, readPrefix } from "./decode/prefix.ts";
export {
  type Answer,
  type Answerer,
  type AnswererOptions,
  type AnswerOptions,
  answer,
  createAnswerer,
} from "./pair/answer.ts";

// Models

export type { HubOptions } from "./hub/hub.ts";
export { createModelResolver, type ResolveModel } from "./hub/resolve.ts";
export type { ModelConfig } from "./models/config.ts";
export { copyTokenizer } from "./models/copy-tokenizer.ts";
export type { Model } from "./models/model.ts";
export { type OpenOptions, openModel, saveModel } from "./models/model-file.ts";
export { quantizeDirectory } from "./models/quantized/directory-file.ts";
export { type Quantization, quantizations } from "./models/quantized/layout.ts";
export { quantizeModel } from "./models/quantized/quantize-model.ts";
export { requantize } from "./models/quantized/requantize.ts";
export { verifyQuantizedDirectory } from "./models/quantized/verify-directory.ts";

// Adapters

export type { Fused, PeftBase, PeftChange } from "./lora/fused.ts";
export type { Adapter } from "./lora/low-rank.ts";
export { readPeftChange } from "./lora/peft-change.ts";
export { readPeft, writePeft } from "./lora/peft-format.ts";
export { mergeAdapter } from "./models/merge-adapter.ts";
export { applyPeftChange, peftBaseOf, untieHead } from "./models/peft-base.ts";

// Skills of Transformer²

export { applyExpert, expertBasis, loraOfExpert } from "./models/apply-expert.ts";
export { type MapGroup, mapGroups, svdFolder, svdSource, svfMaps } from "./models/decomposable.ts";
export { type CombineOptions, combineExperts, type Expert, type Mixture, scaleExpert } from "./svf/expert.ts";
export type { ExpertAdapter } from "./svf/expert-adapter.ts";
export { readExpert, writeExpert } from "./svf/expert-file.ts";
export { type Basis, type Decomposed, openBasis, type SvdCacheOptions, type SvdSource } from "./svf/svd-cache.ts";
export { type TransferOptions, transferExpert } from "./svf/transfer.ts";

// Tokenizers, prompts and chat templates

export { CHAT_TEMPLATE_LAYOUT, type ChatTurn } from "./text/chat-layout.ts";
export { type ChatMessage, type RenderChatOptions, renderChat } from "./text/chat-template.ts";
export {
  type Example,
  PLAIN_LAYOUT,
  type PromptLayout,
  renderSystemPrompt,
  SPECIAL_TOKEN_LAYOUT,
} from "./text/prompt.ts";
export { loadTokenizer, type Tokenizer } from "./text/tokenizer-file.ts";

// Training

export type { LoopContext, TrainingResult } from "./train/loop.ts";
export { TrainConfig } from "./train/recipes/table.ts";
export { runTraining } from "./train/run.ts";
export { type Found, type Search, type SearchContext, searchLoop } from "./train/search-loop.ts";

// Evaluation

export type { EvalTask, EvalTaskInput } from "./data/eval-task.ts";
export { readTaskFile } from "./data/task-file.ts";
export type { LogLine } from "./eval/log.ts";
export { readLogs } from "./eval/log-file.ts";
export type { EvalReport, StratumReport } from "./eval/report.ts";
export { summarize } from "./eval/report.ts";
export { type EvalOptions, type EvalProgress, runEval } from "./eval/run-eval.ts";
export { METHODS } from "./methods/table.ts";

// Several skills of one model

export { type FewShotOptions, type FoundShares, findShares } from "./dispatch/few-shot.ts";
export { createFirstPass, dispatchPrompt, type FirstPass, parseSkill } from "./dispatch/first-pass.ts";
export {
  type FromExamples,
  type FromExamplesOptions,
  specializeFromExamples,
  splitExamples,
} from "./dispatch/gates.ts";
export { createShotScorer, type Shots } from "./dispatch/shots.ts";
export { type Shares, type SkillPool, whole } from "./dispatch/skill-pool.ts";
export { openSkillPool } from "./dispatch/skill-pool-file.ts";
export { createTwoPass, type TwoPass } from "./dispatch/two-pass.ts";

// Exports

export { type ExportFormatName, exportFormats } from "./export/formats.ts";
export type { RunningLlamaCpp } from "./export/gguf-tokens.ts";
export { mergeRequantized, type RequantizeRequest, type RequantizeResult } from "./export/merge-requantized.ts";
export { type ExportRequest, type ExportResult, runExport } from "./export/run-export.ts";
export { type Unmerged, unmerge } from "./export/unmerge.ts";

// What they share

export { AppError, type ErrorCode } from "./base/errors.ts";
export { type Logger, silentLogger, streamLogger } from "./base/log.ts";
export { createProgress, type Progress, type ProgressOptions } from "./base/progress.ts";
export { createRng, type Rng } from "./base/rng.ts";
export { version } from "./base/version.ts";
export type { Device, WeightSource } from "./runtime/session.ts";
