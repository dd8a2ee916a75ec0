/** @file A constraint as a function of tokens. */
import type { Constraint } from "../decode/constraint.ts";

export type CompiledConstraint = {
  readonly next: Constraint;
  /** What ends an answer under it, beside the model's own end tokens. */
  readonly stopIds: readonly number[];
  /** The label that an answer's tokens spell; of labels only. */
  readonly labelOf?: (ids: readonly number[]) => string | undefined;
  /** What it takes in memory by now, about: of a schema more with every new place that answers come to. */
  readonly bytes: () => number;
};
