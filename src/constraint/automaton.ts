/** @file A grammar as an automaton over bytes of UTF-8: states are found as they are reached, and remembered. */
import { AppError } from "../base/errors.ts";
import type { CodePoints, Grammar } from "./grammar.ts";

export type Automaton = {
  readonly start: number;
  /** The state behind a byte; below 0 where no text of the grammar goes on so. */
  step(state: number, byte: number): number;
  /** A state's class: states of one class have the same continuations of up to `horizon` bytes. */
  classOf(state: number): number;
  /** Whether a text of the grammar may end here. */
  isComplete(state: number): boolean;
  /** What it takes in memory by now, about. */
  bytes(): number;
};

/** Bytes within which a bounded repetition far from its bounds looks like any other place in it. */
export const horizon = 24;

/** Of a grammar's states, and of the sets of them that are states of the automaton. */
const maxStates = 200_000;

/** Byte edges (from → to, low…high) and empty edges, as Thompson's construction makes them. Every state leads to the end. */
class Edges {
  readonly empty: number[][] = [];
  readonly bytes: [low: number, high: number, to: number][][] = [];
  /** Per state one that has the same continuations within the horizon. */
  readonly alike: number[] = [];

  state(): number {
    if (this.empty.length >= maxStates) throw new AppError("E_LIMIT", `constraint: more than ${maxStates} states`);
    this.empty.push([]);
    this.bytes.push([]);
    this.alike.push(this.alike.length);
    return this.empty.length - 1;
  }

  /** Adds a grammar behind a state; returns the state behind it. */
  add(grammar: Grammar, from: number): number {
    return (adders[grammar.kind] as Adder<Grammar["kind"]>)(this, grammar, from);
  }

  /** Adds copies of a part, one behind the other; those before the last `horizon` are alike. Returns the state behind them. */
  addCopies(part: Grammar, copies: number, from: number, behind: (state: number) => void = () => undefined): number {
    const begins: number[] = [];
    let at = from;
    for (let i = 0; i < copies; i++) {
      begins.push(this.alike.length);
      at = this.add(part, at);
      behind(at);
    }
    const last = copies - 1 - horizon;
    for (let i = 0; i < last; i++)
      for (let state = begins[i]!; state < begins[i + 1]!; state++)
        this.alike[state] = this.alike[state - begins[i]! + begins[last]!]!;
    return at;
  }

  byte(from: number, low: number, high = low): number {
    const to = this.state();
    this.bytes[from]!.push([low, high, to]);
    return to;
  }
}

type Adder<Kind> = (edges: Edges, grammar: Extract<Grammar, { kind: Kind }>, from: number) => number;

const adders: { readonly [Kind in Grammar["kind"]]: Adder<Kind> } = {
  text: (edges, { text }, from) => new TextEncoder().encode(text).reduce((at, byte) => edges.byte(at, byte), from),
  character(edges, { ranges }, from) {
    const end = edges.state();
    for (const range of ranges)
      for (const bytes of utf8Ranges(range)) {
        const at = bytes.slice(0, -1).reduce((state, [low, high]) => edges.byte(state, low, high), from);
        const [low, high] = bytes.at(-1)!;
        edges.bytes[at]!.push([low, high, end]);
      }
    return end;
  },
  sequence: (edges, { parts }, from) => parts.reduce((at, part) => edges.add(part, at), from),
  choice(edges, { parts }, from) {
    const end = edges.state();
    for (const part of parts) {
      const begin = edges.state();
      edges.empty[from]!.push(begin);
      edges.empty[edges.add(part, begin)]!.push(end);
    }
    return end;
  },
  repeat(edges, { part, min, max }, from) {
    const at = edges.addCopies(part, min, from);
    const end = edges.state();
    if (max === undefined) {
      const loop = edges.state();
      edges.empty[at]!.push(loop);
      edges.empty[edges.add(part, loop)]!.push(loop);
      edges.empty[loop]!.push(end);
      return end;
    }
    edges.empty[at]!.push(end);
    edges.addCopies(part, max - min, at, (state) => edges.empty[state]!.push(end));
    return end;
  },
};

/** Throws E_LIMIT for a grammar of too many states. */
export function automatonOf(grammar: Grammar): Automaton {
  const edges = new Edges();
  const first = edges.state();
  const last = edges.add(grammar, first);
  const sets: Int32Array[] = [];
  const complete: boolean[] = [];
  const steps: (Int32Array | undefined)[] = [];
  const known = new Map<string, number>();
  const classes: (number | undefined)[] = [];
  const knownClasses = new Map<string, number>();
  const mark = new Int32Array(edges.empty.length);
  let round = 0;
  let bytes = edges.empty.length * bytesOf.edgeState;

  /** The number of a set of states, and of all that empty edges reach from them; below 0 for the empty set. */
  function numberOf(states: readonly number[]): number {
    if (states.length === 0) return -1;
    round++;
    const all: number[] = [];
    const open = [...states];
    for (let state = open.pop(); state !== undefined; state = open.pop()) {
      if (mark[state] === round) continue;
      mark[state] = round;
      if (edges.bytes[state]!.length > 0 || state === last) all.push(state);
      open.push(...edges.empty[state]!);
    }
    const set = Int32Array.from(all).sort();
    const key = set.join();
    const number = known.get(key) ?? sets.length;
    if (number < sets.length) return number;
    if (number >= maxStates) throw new AppError("E_LIMIT", `constraint: more than ${maxStates} states`);
    known.set(key, number);
    sets.push(set);
    complete.push(set.includes(last));
    steps.push(undefined);
    bytes += bytesOf.set + 4 * set.length + key.length;
    return number;
  }

  function firstStep(state: number): Int32Array {
    bytes += bytesOf.row;
    steps[state] = new Int32Array(256).fill(unknown);
    return steps[state];
  }

  function step(state: number, byte: number): number {
    const row = steps[state] ?? firstStep(state);
    if (row[byte] === unknown) {
      const next: number[] = [];
      for (const from of sets[state]!)
        for (const [low, high, to] of edges.bytes[from]!) if (byte >= low && byte <= high) next.push(to);
      row[byte] = numberOf(next);
    }
    return row[byte]!;
  }
  function classOf(state: number): number {
    const key = () =>
      [...new Set(Array.from(sets[state]!, (member) => edges.alike[member]!))].sort((a, b) => a - b).join();
    const number = classes[state] ?? knownClasses.get(key()) ?? knownClasses.size;
    if (classes[state] === undefined) knownClasses.set(key(), number);
    classes[state] = number;
    return number;
  }

  return { start: numberOf([first]), step, classOf, isComplete: (state) => complete[state]!, bytes: () => bytes };
}

/** Of a state of the grammar, of a set of them, and of a row of steps, with what the engine of JavaScript adds. */
const bytesOf = { edgeState: 200, set: 300, row: 1200 } as const;

const unknown = -2;

type ByteRange = readonly [low: number, high: number];

/** Code points as sequences of byte ranges of UTF-8. */
export function utf8Ranges([from, to]: CodePoints): ByteRange[][] {
  for (const end of [0x7f, 0x7ff, 0xffff])
    if (from <= end && to > end) return [...utf8Ranges([from, end]), ...utf8Ranges([end + 1, to])];
  const [low, high] = [utf8Bytes(from), utf8Bytes(to)];
  // Where the last bytes of both ends are not those of a whole block, the block is split.
  for (let i = 1; i < low.length; i++) {
    const block = 64 ** i;
    if (Math.floor(from / block) === Math.floor(to / block)) continue;
    if (from % block !== 0) {
      const end = Math.floor(from / block) * block + block - 1;
      return [...utf8Ranges([from, end]), ...utf8Ranges([end + 1, to])];
    }
    if (to % block !== block - 1) {
      const end = Math.floor(to / block) * block - 1;
      return [...utf8Ranges([from, end]), ...utf8Ranges([end + 1, to])];
    }
  }
  return [low.map((byte, i) => [byte, high[i]!] as const)];
}

/** By hand, for U+D800 to U+DFFF have bytes too here. */
function utf8Bytes(point: number): number[] {
  if (point < 0x80) return [point];
  if (point < 0x800) return [0xc0 | (point >> 6), 0x80 | (point & 63)];
  if (point < 0x10000) return [0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)];
  return [0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)];
}
