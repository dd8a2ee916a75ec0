/** @file Codes for the labels of a short list, and the sentence that tells them: how a model answers then no longer hangs on which words a prompt chose. */

/** Longest list that codes stand for. The names of a longer one say what its labels mean, and gates hold too little to say it again. */
export const mostCodedLabels = 3;

const letters = ["A", "B", "C"] as const;

export type LabelCodes = {
  /** The prompt, and behind it which code stands for which label. */
  readonly prompt: string;
  /** One for each label, in the order of the labels. */
  readonly codes: readonly string[];
};

/** Codes in the order in which the prompt first names the labels; a label that it does not name comes last. Undefined for a longer list. */
export function labelCodes(prompt: string, labels: readonly string[]): LabelCodes | undefined {
  if (labels.length > mostCodedLabels) return undefined;
  const place = (label: string): number => {
    const at = firstMention(prompt, label);
    return at < 0 ? prompt.length : at;
  };
  const inOrder = labels.toSorted((a, b) => place(a) - place(b));
  const codes = labels.map((label) => letters[inOrder.indexOf(label)]!);
  const told = inOrder.map((label, i) => `${letters[i]} for ${JSON.stringify(label)}`);
  return { prompt: `${prompt}\n\nWrite ${told.join(", ")}.`, codes };
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Where a label stands as a word of its own; best in quotes, as a short one may be a word of the prompt too. */
function firstMention(prompt: string, label: string): number {
  const quoted = prompt.indexOf(`"${label}"`);
  if (quoted >= 0) return quoted;
  return prompt.search(new RegExp(`(?<![\\p{L}\\p{N}])${escaped(label)}(?![\\p{L}\\p{N}])`, "u"));
}
