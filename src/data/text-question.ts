/**
 * @file Questions as plain text, without the model's own layout and without an end token: a choice continues the input, or fills its blank. This
 * is what lm-evaluation-harness asks (Gao et al., https://github.com/EleutherAI/lm-evaluation-harness).
 */
import type { Example } from "../text/prompt.ts";

/** `text`: the input, a space, the choice, which is what counts. `blank`: the choice in the place of `_`; what stands behind it counts. */
export const TEXT_LAYOUTS = ["text", "blank"] as const;
export type TextLayout = (typeof TEXT_LAYOUTS)[number];

/** What is read, and how likely what is behind it. */
export type TextParts = { readonly read: string; readonly counted: string };

const place = "_";

export const hasOneBlank = (input: string): boolean => input.split(place).length === 2;

const partsOf: { readonly [L in TextLayout]: (input: string, choice: string) => TextParts } = {
  text: (read, choice) => ({ read, counted: ` ${choice}` }),
  blank(input, choice) {
    const [before = "", behind = ""] = input.split(place);
    return { read: before + choice, counted: ` ${behind.trim()}` };
  },
};

export const textParts = (layout: TextLayout, input: string, choice: string): TextParts =>
  partsOf[layout](input, choice);

/** Between texts that stand one after the other. */
export const textSeparator = "\n\n";

/** Solved questions, as they stand in front of one that is asked. */
export const textShots = (layout: TextLayout, examples: readonly Example[]): string =>
  examples
    .map(({ input, target }) => {
      const { read, counted } = textParts(layout, input, target);
      return read + counted;
    })
    .join(textSeparator);
