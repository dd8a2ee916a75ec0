/** @file What an export is: written directly, then reloaded and compared with the merged model. */
import { requireRunning } from "../base/interrupt.ts";
import { gbnf } from "../constraint/gbnf.ts";
import { answerSchema, type ConstraintSpec } from "../constraint/spec.ts";
import type { Adapter } from "../lora/low-rank.ts";
import type { ModelType } from "../models/config.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import type { Model } from "../models/model.ts";
import type { MergeRecord } from "../models/save-merged.ts";
import type { RunningLlamaCpp, TokenCheck } from "./gguf-tokens.ts";

/** How weights are stored. */
export type WeightType = "f32" | "f16" | "bf16" | "q8_0";

export type ExportContext = {
  /** Where to write: an empty folder, which gets its name when all is verified. */
  readonly directory: string;
  /** One of the format's types; undefined: as the base model has them. */
  readonly type: WeightType | undefined;
  /** The base model. */
  readonly base: Model;
  /** What is exported, at its strength, scales and gates folded in. */
  readonly adapter: Adapter;
  /** The base model with the adapter merged. Where its weights are quantised, which only formats of adapters meet, it is beside them. */
  readonly merged: FrozenModel;
  /** Says what was merged, for formats that hold merged weights. */
  readonly record: MergeRecord;
  /** How the export names itself, and its base model. */
  readonly name: string;
  readonly baseName: string;
  /** The folder of `tokenizer.json`. */
  readonly tokenizerDirectory: string;
  /** In place of the tokenizer's own chat template; undefined: its own does. */
  readonly chatTemplate: string | undefined;
  /** Whether an adapter gets its base model beside it, where the format can. */
  readonly withBase: boolean;
  /** Where it runs already. */
  readonly llamaCpp?: RunningLlamaCpp | undefined;
};

/** How the constraint of a specialisation's answers goes with its export, by what the tool reads. */
export const constraintFiles = {
  gbnf: { name: "constraint.gbnf", write: gbnf },
  schema: {
    name: "constraint.schema.json",
    write: (spec: ConstraintSpec) => `${JSON.stringify(answerSchema(spec), null, 2)}\n`,
  },
} as const;

/** The type in which a format stores a weight of the merged model, by its name in a checkpoint. */
export type TypeOfWeight = (name: string, shape: readonly number[]) => WeightType;

/** What was written, opened again. */
export type Reloaded = AsyncDisposable & {
  /** Logits of every position: (ids.length, vocab). */
  logits(ids: readonly number[]): Promise<Float32Array>;
};

export type ExportFormat = {
  /** For the help. */
  readonly about: string;
  /** What reads it, for refusals. */
  readonly tool: string;
  readonly constraintAs: keyof typeof constraintFiles;
  /** Where a chat template of the pair's own goes: into the model's file, which holds one, or beside it. */
  readonly templateAs: "field" | "file";
  /** Architectures that the tool supports. */
  readonly architectures: readonly ModelType[];
  /** Values of `--type`; the first is the default, unless types are kept. */
  readonly types: readonly WeightType[];
  /** Whether it can write the base model too. */
  readonly canHoldBase?: boolean;
  /** Whether the default is to keep the base model's types. */
  readonly keepsTypes?: boolean;
  /** How it stores merged weights; absent: it stores the adapter, in the type. */
  readonly typeOfWeights?: (context: ExportContext) => Promise<TypeOfWeight>;
  /** What its reader should find, where rounding weight by weight is not all that the format does. */
  readonly stored?: (context: ExportContext) => Promise<FrozenModel> | undefined;
  readonly write: (context: ExportContext) => Promise<void>;
  readonly reload: (context: ExportContext) => Promise<Reloaded>;
  /** Compares the tokens of a tokenizer that was written anew; undefined where none was. Throws E_MISMATCH. */
  readonly checkTokens?: (context: ExportContext) => Promise<TokenCheck | undefined>;
};

/** The steps of an export: told as they begin, and where an interruption stops it. */
export type ExportStep = "merge" | "write" | "verify";

export type StepOptions = {
  readonly signal?: AbortSignal | undefined;
  /** Told what begins. */
  readonly onStep?: (step: ExportStep) => void;
};

/** What is called as a step begins. It throws E_INTERRUPTED where the signal has been given. */
export const createSteps =
  ({ signal, onStep }: StepOptions) =>
  (step: ExportStep): void => {
    requireRunning(signal);
    onStep?.(step);
  };
