/** @file What of a prompt gates cannot carry: sentences with numbers, names, quotations and signs that must stay word for word. */
import { splitSentences } from "../../text/sentences.ts";

/** Gates say which behaviour, not which words. */
const verbatim: readonly RegExp[] = [
  /\d/u,
  /["“”„«»`]/u,
  /https?:\/\/|\S@\S|\b\w+\.\w{2,}\//u,
  /[{}<>[\]]/u,
  /\w_\w|\p{Ll}\p{Lu}/u,
  /\b\p{Lu}{2,}\b/u,
  /[\p{Ll}\p{N},;:]\s+\p{Lu}\p{Ll}+/u, // a name: a capital letter inside a sentence
];

/** Sentences of the prompt that hold such words, in their order; undefined where none does, or all do. */
export function residualPrompt(prompt: string): string | undefined {
  const sentences = splitSentences(prompt);
  const kept = sentences.filter((sentence) => verbatim.some((pattern) => pattern.test(sentence)));
  return kept.length === 0 || kept.length === sentences.length ? undefined : kept.join("").trim();
}
