/** @file Which tokens go on in an automaton: all of a vocabulary tried, sorted, so that common beginnings are walked once. */
import { AppError } from "../base/errors.ts";
import { type Automaton, horizon } from "./automaton.ts";
import type { CompiledConstraint } from "./compiled.ts";
import type { TokenBytes } from "./token-bytes.ts";

/** Lists of allowed tokens are remembered by state, up to so many tokens in all (4 bytes each). */
const maxRememberedTokens = 2 ** 22;

/** What a remembered list takes beside its tokens, about. */
const bytesOfList = 200;

/** Tokens by their bytes: those of one beginning lie together. */
type Sorted = {
  readonly ids: Int32Array;
  /** The bytes of token i: `bytes` from `begins[i]` to `begins[i + 1]`. */
  readonly bytes: Uint8Array;
  readonly begins: Int32Array;
  /** How many bytes a token has in common with the one before it. */
  readonly shared: Int32Array;
};

type Known = { readonly id: number; readonly bytes: Uint8Array };

/** A vocabulary's tokens, sorted once for all constraints. */
export type SortedVocabulary = { readonly tokens: TokenBytes; readonly short: Sorted; readonly long: Sorted };

export function sortVocabulary(tokens: TokenBytes): SortedVocabulary {
  const known = tokens.flatMap((bytes, id): Known[] => (bytes === undefined ? [] : [{ id, bytes }]));
  return {
    tokens,
    short: sortTokens(known.filter(({ bytes }) => bytes.length <= horizon)),
    long: sortTokens(known.filter(({ bytes }) => bytes.length > horizon)),
  };
}

function sortTokens(tokens: readonly Known[]): Sorted {
  const sorted = tokens.toSorted((a, b) => compareBytes(a.bytes, b.bytes) || a.id - b.id);
  const begins = new Int32Array(sorted.length + 1);
  sorted.forEach(({ bytes }, i) => {
    begins[i + 1] = begins[i]! + bytes.length;
  });
  const bytes = new Uint8Array(begins.at(-1)!);
  sorted.forEach((token, i) => {
    bytes.set(token.bytes, begins[i]);
  });
  const shared = sorted.map(({ bytes }, i) => (i === 0 ? 0 : sharedLength(sorted[i - 1]!.bytes, bytes)));
  return { ids: Int32Array.from(sorted, ({ id }) => id), bytes, begins, shared: Int32Array.from(shared) };
}

function sharedLength(a: Uint8Array, b: Uint8Array): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = sharedLength(a, b);
  return (a[shared] ?? -1) - (b[shared] ?? -1);
}

/** Finds the tokens that go on from a state. A beginning that goes nowhere is tried once for all tokens that have it. */
function createFinder({ step }: Automaton, { ids, bytes, begins, shared }: Sorted): (state: number) => number[] {
  const walked = new Int32Array(bytes.length + 1); // states behind the bytes of the current token
  return (state) => {
    const found: number[] = [];
    walked[0] = state;
    let deadAt = Number.POSITIVE_INFINITY; // the byte at which the token before went nowhere
    for (let i = 0; i < ids.length; i++) {
      let at = shared[i]!;
      if (at > deadAt) continue;
      deadAt = Number.POSITIVE_INFINITY;
      const begin = begins[i]!;
      const length = begins[i + 1]! - begin;
      for (; at < length; at++) {
        const next = step(walked[at]!, bytes[begin + at]!);
        if (next < 0) {
          deadAt = at;
          break;
        }
        walked[at + 1] = next;
      }
      if (at === length) found.push(ids[i]!);
    }
    return found;
  };
}

/**
 * The tokens whose bytes go on in the automaton, the end token where a text may end. Special tokens write nothing and are never among them.
 * Throws E_CONFIG where the vocabulary has no token for what the automaton asks for.
 */
export function tokensOf(
  automaton: Automaton,
  { tokens, short, long }: SortedVocabulary,
  endId: number,
): Pick<CompiledConstraint, "next" | "bytes"> {
  const findShort = createFinder(automaton, short);
  const findLong = createFinder(automaton, long);
  const remembered = new Map<number, Int32Array>(); // by class, without long tokens
  let rememberedTokens = 0;

  function shortAt(state: number): Int32Array {
    const known = remembered.get(automaton.classOf(state));
    if (known !== undefined) return known;
    const found = Int32Array.from(automaton.isComplete(state) ? [endId, ...findShort(state)] : findShort(state));
    for (const [oldest, list] of remembered) {
      if (rememberedTokens + found.length <= maxRememberedTokens) break;
      remembered.delete(oldest);
      rememberedTokens -= list.length;
    }
    remembered.set(automaton.classOf(state), found);
    rememberedTokens += found.length;
    return found;
  }

  let last: { readonly state: number; readonly allowed: Int32Array } | undefined;
  function allowedAt(state: number): Int32Array {
    if (last?.state === state) return last.allowed;
    const short = shortAt(state);
    const long = findLong(state);
    const allowed = long.length === 0 ? short : joined(long, short);
    if (allowed.length === 0)
      throw new AppError("E_CONFIG", "constraint: this vocabulary has no token for what must come next");
    last = { state, allowed };
    return allowed;
  }

  // The tokens of the call before and the state behind each: an answer grows by one token at a time.
  const path: number[] = [];
  const states: number[] = [automaton.start];
  const next: CompiledConstraint["next"] = (soFar) => {
    let same = 0;
    while (same < path.length && same < soFar.length && path[same] === soFar[same]) same++;
    path.length = same;
    states.length = same + 1;
    for (let i = same; i < soFar.length; i++) {
      path.push(soFar[i]!);
      states.push(stepToken(automaton, states[i]!, tokens[soFar[i]!]));
    }
    const state = states[soFar.length]!;
    return state < 0 ? [] : allowedAt(state);
  };
  return { next, bytes: () => automaton.bytes() + bytesOfList * remembered.size + 4 * rememberedTokens };
}

const stepToken = (automaton: Automaton, from: number, bytes: Uint8Array | undefined): number =>
  bytes === undefined ? -1 : bytes.reduce((state, byte) => (state < 0 ? state : automaton.step(state, byte)), from);

function joined(a: readonly number[], b: Int32Array): Int32Array {
  const both = new Int32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
