/** @file The contract that every way of adapting a model to a task meets. */
import type { CompiledConstraint } from "../constraint/compile.ts";
import type { EvalTask } from "../data/eval-task.ts";
import type { StepChange } from "../decode/cached-model.ts";
import type { Prefix } from "../decode/prefix.ts";
import type { FrozenModel } from "../models/frozen-model.ts";
import type { Model } from "../models/model.ts";
import type { Pair } from "../pair/pair-file.ts";
import type { CompileOptions } from "../runtime/session.ts";
import type { PromptLayout } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer-file.ts";

/** What is adapted: a model with its tokenizer and layout, and how a prompt becomes weights where there is a generator. */
export type Subject = {
  /** For tables. */
  readonly name: string;
  /** The identity of all weights that answers depend on. */
  readonly sha256: string;
  readonly model: FrozenModel;
  /** The same as it was opened, where it was: its folder is where its decomposition lies. */
  readonly stored?: Model;
  readonly tokenizer: Tokenizer;
  readonly layout: PromptLayout;
  /** The pair whose edge model it is, where it is one's: specialisations are made for a pair. */
  readonly pair?: Pair;
  /** Whether specialisations are swapped in one session: other times and operations, which a log does not mix with those of merged ones. */
  readonly swaps?: boolean;
  /** The model specialised by a prompt; absent where there is no generator. */
  readonly specialize?: (prompt: string) => Promise<SpecializedModel>;
};

export type SpecializedModel = {
  readonly model: FrozenModel;
  /** Beside the weights, where the specialisation is not in them. */
  readonly change?: StepChange;
  /** Of what has to be kept of the specialisation. */
  readonly bytes: number;
  /** Floating-point operations of the cloud pass. */
  readonly flops: number;
  /** Of the cloud pass and of putting its LoRA to the weights. Opening the cloud model is not counted: it is done once for all prompts. */
  readonly seconds: number;
};

/** What a method may know of a task: all but the inputs that it is tested on. */
export type Task = Omit<EvalTask, "samples">;

/** What it took to adapt the model. */
export type Cost = {
  readonly seconds: number;
  /** Floating-point operations of models that were run or trained for it. */
  readonly flops: number;
  /** Of what is kept beside the model's own weights. */
  readonly bytes: number;
  /** Labelled examples that were read. */
  readonly examples: number;
};

/** A model that is ready to be asked. */
export type Prepared = {
  readonly model: FrozenModel;
  /** Beside the weights. */
  readonly change?: StepChange;
  /** Keys and values in front of every question: of a compressed context, or of what was learnt in their place. */
  readonly prefix?: Prefix;
  /** The prompt whose place the prefix takes, so that inputs are written as they follow it. */
  readonly behind?: string;
  /** The text that stands in front of the input, from the task's system prompt. Without it the model reads the input alone. */
  readonly context?: (prompt: string) => Promise<string>;
  /** Which tokens may come next where an answer is written. An evaluation that demands a form of all methods comes first. */
  readonly constraint?: CompiledConstraint;
  /** The text that decided how the model behaves, for logs; absent where there was none. */
  readonly prompt?: string;
  /** The first of two passes: chooses for each input by which change it is answered. Without it `change` answers all. */
  readonly dispatch?: (input: string, signal?: AbortSignal) => Promise<Dispatched>;
  /** The same of many inputs at once, none of them timed, in their order. */
  readonly dispatchMany?: (inputs: readonly string[], signal?: AbortSignal) => Promise<Dispatched[]>;
  readonly cost: Cost;
  /** Gives back what the first pass holds. */
  readonly close?: () => Promise<void>;
};

export type Dispatched = {
  /** For logs: the name of a skill, or "other". */
  readonly skill: string;
  /** Beside the weights in the second pass; undefined: the base model answers. One object for each skill. */
  readonly change: StepChange | undefined;
  /** Milliseconds of the first pass, next to none where the choice was remembered; absent where it was not timed. */
  readonly ms?: number;
  /** What the first pass read, and the operations of reading it; none where the choice was remembered. */
  readonly tokens: number;
  readonly flops: number;
};

/** How a method may work while it prepares. */
export type Preparing = Pick<CompileOptions, "threads" | "device"> & { readonly signal?: AbortSignal | undefined };

/** What a method needs beside the edge model and a question: rows of the ledger of costs. */
export type Needs = {
  /** What was trained beforehand: nothing, something once for all tasks, or something for each task. */
  readonly training: "nothing" | "once" | "each task";
  /** What runs beside the edge model's own pass: nothing, something once for a prompt, or something for each question. */
  readonly beside: "nothing" | "each prompt" | "each question";
};

export type Method = {
  /** One line, for help and tables. */
  readonly summary: string;
  readonly needs: Needs;
  /** Why the method cannot be used on a task by a subject; undefined where it can. Does no work. */
  readonly refuses?: (subject: Subject, task: Task) => string | undefined;
  /** May run the cloud model, train, search, read files and the task's examples; never its samples. */
  readonly prepare: (subject: Subject, task: Task, how?: Preparing) => Promise<Prepared>;
};

export const freeOfCost: Cost = { seconds: 0, flops: 0, bytes: 0, examples: 0 };
