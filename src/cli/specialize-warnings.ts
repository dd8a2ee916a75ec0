/** @file What may go wrong with a specialisation, said while its prompt can still be changed. */
import { answerFrame } from "../constraint/answer-frame.ts";
import { compileConstraint } from "../constraint/compile.ts";
import { labelTrie } from "../constraint/labels.ts";
import type { ConstraintSpec } from "../constraint/spec.ts";
import type { EdgePair } from "../pair/pair.ts";
import { languageWarnings } from "../pair/prompt-warnings.ts";

/** The warnings for a prompt and its constraint. Throws E_CONFIG where the pair's tokenizer cannot write what the constraint demands. */
export function specializeWarnings(
  { tokenizer, layout }: Pick<EdgePair, "tokenizer" | "layout">,
  prompt: string,
  constraint: ConstraintSpec | undefined,
): string[] {
  const warnings = languageWarnings(prompt);
  if (constraint !== undefined && constraint.kind !== "labels") compileConstraint(tokenizer, layout, constraint);
  if (constraint?.kind !== "labels") return warnings;
  if (labelTrie(tokenizer, answerFrame(tokenizer, layout), constraint.labels).sharesFirstToken)
    warnings.push(
      "all labels begin with the same token: which one is right is decided by later ones; labels that differ from the first letter on are told apart better",
    );
  return warnings;
}
