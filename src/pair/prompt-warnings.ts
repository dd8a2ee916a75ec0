/** @file What makes a prompt's gates doubtful: another language, or nothing like it in the generator's training. */
import type { Specialization } from "./specialization.ts";

export const languageWarnings = (prompt: string): string[] =>
  seemsEnglish(prompt)
    ? []
    : ["the prompt does not seem to be English; generators are trained on English prompts, and may not read it"];

export const unlikeWarnings = ({ unlike }: Pick<Specialization, "unlike">): string[] =>
  unlike
    ? [
        "the prompt is unlike those that the generator was trained on, and its gates may mean little: try the specialisation on inputs of yours before you trust it",
      ]
    : [];

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
