/** @file A constraint's text as a function of tokens, for one tokenizer and layout. */
import { AppError } from "../base/errors.ts";
import type { PromptLayout } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { type SortedVocabulary, sortVocabulary, tokensOf } from "./allowed-tokens.ts";
import { answerFrame } from "./answer-frame.ts";
import { automatonOf } from "./automaton.ts";
import type { CompiledConstraint } from "./compiled.ts";
import { type Grammar, sequence, text } from "./grammar.ts";
import { labelTrie } from "./labels.ts";
import { answerGrammar, type ConstraintSpec } from "./spec.ts";
import { concatenated, tokenBytes } from "./token-bytes.ts";
import { type AnswerSpec, toolsGrammar } from "./tools.ts";

export type { CompiledConstraint } from "./compiled.ts";

export type ConstraintCompiler = (spec: AnswerSpec) => CompiledConstraint;

/** What all constraints of a tokenizer share: made when it is first needed. */
type Shared = { readonly tokenizer: Tokenizer; readonly layout: PromptLayout; vocabulary?: SortedVocabulary };

type Compile<Kind> = (shared: Shared, spec: Extract<AnswerSpec, { kind: Kind }>) => CompiledConstraint;

const compilers: { [Kind in AnswerSpec["kind"]]: Compile<Kind> } = {
  labels({ tokenizer, layout }, { labels }) {
    const frame = answerFrame(tokenizer, layout);
    const { next, labelOf, bytes } = labelTrie(tokenizer, frame, labels);
    return { next, labelOf, stopIds: frame.endId === undefined ? [] : [frame.endId], bytes: () => bytes };
  },
  schema: (shared, spec) => compileGrammar(shared, answerGrammar(spec)),
  calls: (shared, spec) => compileGrammar(shared, answerGrammar(spec)),
  tools: (shared, spec) => compileGrammar(shared, toolsGrammar(spec)),
};

function compileGrammar(shared: Shared, answers: Grammar): CompiledConstraint {
  const { encode, endId } = answerFrame(shared.tokenizer, shared.layout);
  if (endId === undefined)
    throw new AppError("E_CONFIG", "constraint: expected a layout with a token that ends an answer, found none");
  shared.vocabulary ??= sortVocabulary(tokenBytes(shared.tokenizer));
  const { tokens } = shared.vocabulary;
  const lead = leadOf(new TextDecoder().decode(concatenated(encode("{}").map((id) => tokens[id]))));
  const grammar = sequence(text(lead), answers);
  return { ...tokensOf(automatonOf(grammar), shared.vocabulary, endId), stopIds: [endId] };
}

/** What a layout and its tokenizer write in front of an answer. */
function leadOf(written: string): string {
  if (!written.endsWith("{}"))
    throw new AppError(
      "E_CONFIG",
      `constraint: expected a layout that writes answers as they are, found ${JSON.stringify(written)} for {}`,
    );
  return written.slice(0, -2);
}

/**
 * Compiles constraints of one tokenizer, whose vocabulary is sorted once for all of them.
 * @returns throws E_CONFIG where the tokenizer cannot write what a constraint demands
 */
export function constraintCompiler(tokenizer: Tokenizer, layout: PromptLayout): ConstraintCompiler {
  const shared: Shared = { tokenizer, layout };
  return (spec) => (compilers[spec.kind] as Compile<AnswerSpec["kind"]>)(shared, spec);
}

/** One constraint. Throws as `constraintCompiler` does. */
export const compileConstraint = (
  tokenizer: Tokenizer,
  layout: PromptLayout,
  spec: ConstraintSpec,
): CompiledConstraint => constraintCompiler(tokenizer, layout)(spec);
