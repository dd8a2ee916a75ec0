/** @file What a kind of training brings to the loop: its graph, its start and its batches. */
import type { Rng } from "../base/rng.ts";
import type { RunCode } from "../eval/run-code.ts";
import type { Feeds } from "../runtime/session.ts";
import type { TrainingState } from "./state.ts";
import type { StepSpec } from "./step.ts";
import type { TrainerOptions } from "./trainer.ts";

/** Which batch is wanted. */
export type BatchRequest = {
  /** A stream of its own for every batch. A batch that follows from this request alone makes runs resume bit-identically. */
  readonly rng: Rng;
  /** The step it is for, from 1; of a validation the step before it. */
  readonly step: number;
  /** Its number among all micro-batches of the run, or among the batches of one validation, from 0. */
  readonly index: number;
  /**
   * Weights (`p/…`), moments and buffers before the step: what a policy answers by where it is rewarded for its answers.
   * Later steps write over these tensors: copy what must stay.
   */
  readonly state: Readonly<TrainingState>;
};

/** While a job is opened, which may take long. */
export type Opening = {
  readonly signal?: AbortSignal | undefined;
  /** Told how far it is with a part of it. */
  readonly onPreparing?: ((what: string, done: number, total: number) => void) | undefined;
  /** Runs programs that the model writes, where they are rewarded and the user allows it. */
  readonly runCode?: RunCode | undefined;
};

export type DrawBatch = (request: BatchRequest) => Feeds | Promise<Feeds>;

export type Job = {
  readonly spec: StepSpec;
  readonly evaluation?: StepSpec;
  readonly weights: NonNullable<TrainerOptions["weights"]>;
  /** Where weights are quantised: their operator is slow unpacked. */
  readonly prepack?: boolean;
  /** Values of `p/…` and `b/…` before the first step. */
  readonly start: () => Promise<TrainingState> | TrainingState;
  /** One micro-batch. */
  readonly batch: DrawBatch;
  /** One batch of a validation. Those of one index are alike in every validation where they do not depend on the state. */
  readonly validation: DrawBatch;
  /** What a user should know before the first step. */
  readonly warnings?: readonly string[];
  /** Writes the result of the best state. */
  readonly save: (state: TrainingState) => Promise<void>;
  /** Gives back what the job holds, such as a model that answers. Called once, whatever happened. */
  readonly close?: () => Promise<void>;
};
