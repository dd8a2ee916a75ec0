/** @file What may go wrong with a specialisation, said while its prompt can still be changed. */
import { answerFrame } from "../constraint/answer-frame.ts";
import { compileConstraint } from "../constraint/compile.ts";
import { labelTrie } from "../constraint/labels.ts";
import type { ConstraintSpec } from "../constraint/spec.ts";
import type { EdgePair } from "../pair/pair.ts";

/** The warnings for a prompt and its constraint. Throws E_CONFIG where the pair's tokenizer cannot write what the constraint demands. */
export function specializeWarnings(
  { tokenizer, layout }: Pick<EdgePair, "tokenizer" | "layout">,
  prompt: string,
  constraint: ConstraintSpec | undefined,
): string[] {
  const warnings: string[] = [];
  if (!seemsEnglish(prompt))
    warnings.push(
      "the prompt does not seem to be English; generators are trained on English prompts, and may not read it",
    );
  if (constraint !== undefined && constraint.kind !== "labels") compileConstraint(tokenizer, layout, constraint);
  if (constraint?.kind !== "labels") return warnings;
  if (labelTrie(tokenizer, answerFrame(tokenizer, layout), constraint.labels).sharesFirstToken)
    warnings.push(
      "all labels begin with the same token: which one is right is decided by later ones; labels that differ from the first letter on are told apart better",
    );
  return warnings;
}

/** Small words that sentences cannot do without. */
const english = new Set(
  "the of and to a in is with or one for this that are not on as by from it you do if only be an at your what which these no all into will can has have answer".split(
    " ",
  ),
);
const others = new Set(
  "der die das und ein eine ist nicht mit oder für auf den dem le la les des et est une un du pour avec pas ou que el los las y es por con una del se il di che per gli non een het van en op is niet och att det som är på ett og på er ikke w i na z do się nie jest".split(
    " ",
  ),
);

/** By its letters and its small words; a text of few words is given the benefit of the doubt. */
export function seemsEnglish(text: string): boolean {
  const letters = text.match(/\p{L}/gu) ?? [];
  const foreign = letters.filter((letter) => !/\p{Script=Latin}/u.test(letter));
  if (foreign.length > letters.length * 0.3) return false;
  const words = text.toLowerCase().match(/\p{L}+/gu) ?? [];
  const count = (known: ReadonlySet<string>, beside: ReadonlySet<string>) =>
    words.filter((word) => known.has(word) && !beside.has(word)).length;
  return count(others, english) <= count(english, others) || count(others, english) < 3;
}
