/** @file From the names of tokens back to text. */
import { byteCharacters } from "./bpe-train.ts";
import type { Budget } from "./search-budget.ts";
import type { Finder } from "./tokenizer-patterns.ts";
import type { DecoderStep, Pattern } from "./tokenizer-steps.ts";

type Change = (tokens: readonly string[], budget: Budget) => readonly string[];
type Tools = {
  readonly compile: (pattern: Pattern) => Finder;
  /** Contents of added tokens, which are text and not bytes spelled as characters. */
  readonly added: ReadonlySet<string>;
};
type StepOf<Type extends DecoderStep["type"]> = Extract<DecoderStep, { type: Type }>;

const bytesByCharacter = new Map(byteCharacters().map((character, byte) => [character, byte]));

const steps: { readonly [Type in DecoderStep["type"]]: (step: StepOf<Type>, tools: Tools) => Change } = {
  ByteLevel(_, { added }) {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const decode = (tokens: readonly string[]) =>
      decoder.decode(Uint8Array.from(tokens.join(""), (character) => bytesByCharacter.get(character) ?? 0));
    return (tokens) => {
      const texts: string[] = [];
      let pending: string[] = [];
      for (const token of [...tokens, undefined]) {
        if (token !== undefined && !added.has(token)) {
          pending.push(token);
          continue;
        }
        if (pending.length > 0) texts.push(decode(pending));
        pending = [];
        if (token !== undefined) texts.push(token);
      }
      return texts;
    };
  },
  WordPiece:
    ({ prefix, cleanup }) =>
    (tokens) =>
      tokens.map((token, i) => {
        const isContinued = prefix !== "" && token.startsWith(prefix);
        const text = i === 0 ? token : isContinued ? token.slice(prefix.length) : ` ${token}`;
        return cleanup === true ? withoutSpaces(text) : text;
      }),
  Metaspace:
    ({ replacement }) =>
    (tokens) =>
      tokens.map((token, i) => {
        const text = token.replaceAll(replacement, " ");
        return i === 0 && text.startsWith(" ") ? text.slice(1) : text;
      }),
  BPEDecoder:
    ({ suffix }) =>
    (tokens) =>
      tokens.map((token, i) => token.split(suffix).join(i === tokens.length - 1 ? "" : " ")),
  CTC:
    ({ pad_token, word_delimiter_token, cleanup }) =>
    (tokens) => {
      const text = tokens.filter((token, i) => token !== tokens[i - 1] && token !== pad_token).join("");
      return [cleanup === true ? withoutSpaces(text).split(word_delimiter_token).join(" ").trim() : text];
    },
  Replace({ pattern, content }, { compile }) {
    const finder = compile(pattern);
    return (tokens, budget) => tokens.map((token) => finder.replace(token, content, budget));
  },
  Fuse: () => (tokens) => [tokens.join("")],
  Strip:
    ({ content, start, stop }) =>
    (tokens) =>
      tokens.map((token) => {
        let [from, to] = [0, token.length];
        while (from < Math.min(start, to) && token[from] === content) from++;
        while (token.length - to < stop && to > from && token[to - 1] === content) to--;
        return token.slice(from, to);
      }),
  ByteFallback() {
    const decoder = new TextDecoder();
    return (tokens) => {
      const texts: string[] = [];
      let pending: number[] = [];
      for (const token of [...tokens, undefined]) {
        const byte = token === undefined ? undefined : /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
        if (byte !== undefined) {
          pending.push(parseInt(byte, 16));
          continue;
        }
        if (pending.length > 0) texts.push(decoder.decode(Uint8Array.from(pending)));
        pending = [];
        if (token !== undefined) texts.push(token);
      }
      return texts;
    };
  },
};

/** Spaces that English writes none of. */
const withoutSpaces = (text: string): string =>
  text
    .replace(/ ([.?!,])/g, "$1")
    .replace(/ ' /g, "'")
    .replace(/ (n't|'m|'s|'ve|'re)/g, "$1");

/** All steps in order, then joined; without a step, joined by spaces. */
export function createDecoder(
  list: readonly DecoderStep[],
  tools: Tools,
): (tokens: readonly string[], budget: Budget) => string {
  const changes = list.map((step) => (steps[step.type] as (step: DecoderStep, tools: Tools) => Change)(step, tools));
  if (changes.length === 0) return (tokens) => tokens.join(" ");
  return (tokens, budget) => changes.reduce((changed, change) => change(changed, budget), tokens).join("");
}
