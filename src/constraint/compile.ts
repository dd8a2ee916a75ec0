/** @file A constraint's text as a function of tokens, for one tokenizer and layout. */
import type { Constraint } from "../decode/constraint.ts";
import type { PromptLayout } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { answerFrame } from "./answer-frame.ts";
import { labelTrie } from "./labels.ts";
import type { ConstraintSpec } from "./spec.ts";

export type CompiledConstraint = {
  readonly next: Constraint;
  /** What ends an answer under it, beside the model's own end tokens. */
  readonly stopIds: readonly number[];
  /** The label that an answer's tokens spell; of labels only. */
  readonly labelOf?: (ids: readonly number[]) => string | undefined;
};

type Compile<Kind> = (
  tokenizer: Tokenizer,
  layout: PromptLayout,
  spec: Extract<ConstraintSpec, { kind: Kind }>,
) => CompiledConstraint;

const compilers: { [Kind in ConstraintSpec["kind"]]: Compile<Kind> } = {
  labels(tokenizer, layout, { labels }) {
    const frame = answerFrame(tokenizer, layout);
    const { next, labelOf } = labelTrie(tokenizer, frame, labels);
    return { next, labelOf, stopIds: frame.endId === undefined ? [] : [frame.endId] };
  },
};

/** Throws E_CONFIG where the tokenizer cannot write what the constraint demands. */
export const compileConstraint = (
  tokenizer: Tokenizer,
  layout: PromptLayout,
  spec: ConstraintSpec,
): CompiledConstraint => (compilers[spec.kind] as Compile<ConstraintSpec["kind"]>)(tokenizer, layout, spec);
