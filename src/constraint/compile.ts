/** @file A constraint's text as a function of tokens, for one tokenizer and layout. */
import { AppError } from "../base/errors.ts";
import type { Constraint } from "../decode/constraint.ts";
import type { PromptLayout } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { tokensOf } from "./allowed-tokens.ts";
import { answerFrame } from "./answer-frame.ts";
import { automatonOf } from "./automaton.ts";
import { sequence, text } from "./grammar.ts";
import { schemaGrammar } from "./json-schema.ts";
import { labelTrie } from "./labels.ts";
import type { ConstraintSpec } from "./spec.ts";
import { concatenated, tokenBytes } from "./token-bytes.ts";

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
  schema(tokenizer, layout, { schema }) {
    const { encode, endId } = answerFrame(tokenizer, layout);
    if (endId === undefined)
      throw new AppError("E_CONFIG", "JSON schema: expected a layout with a token that ends an answer, found none");
    const tokens = tokenBytes(tokenizer);
    const lead = leadOf(new TextDecoder().decode(concatenated(encode("{}").map((id) => tokens[id]))));
    const grammar = sequence(text(lead), schemaGrammar(schema));
    return { next: tokensOf(automatonOf(grammar), tokens, endId), stopIds: [endId] };
  },
};

/** What a layout and its tokenizer write in front of an answer. */
function leadOf(written: string): string {
  if (!written.endsWith("{}"))
    throw new AppError(
      "E_CONFIG",
      `JSON schema: expected a layout that writes answers as they are, found ${JSON.stringify(written)} for {}`,
    );
  return written.slice(0, -2);
}

/** Throws E_CONFIG where the tokenizer cannot write what the constraint demands. */
export const compileConstraint = (
  tokenizer: Tokenizer,
  layout: PromptLayout,
  spec: ConstraintSpec,
): CompiledConstraint => (compilers[spec.kind] as Compile<ConstraintSpec["kind"]>)(tokenizer, layout, spec);
