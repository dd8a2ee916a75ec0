/** @file Python's regular expressions on names of modules, as PEFT uses them: matched in linear time, for they come from files. */
import { AppError } from "../base/errors.ts";

/** Limits for expressions from files; `states` and `steps` are those of all that share a budget. */
export const patternLimits = { length: 4096, depth: 64, repeats: 1000, states: 200_000, steps: 10_000_000 } as const;

/** What all expressions of one file may take together, in memory and in time. */
export type PatternBudget = { statesLeft: number; stepsLeft: number };

export const newBudget = (): PatternBudget => ({ statesLeft: patternLimits.states, stepsLeft: patternLimits.steps });

/** One step of a match: a character of a set is read, a place is checked, or several ways are tried. */
type State =
  | { readonly kind: "read"; readonly accepts: (code: number) => boolean; next: number }
  | { readonly kind: "check"; readonly holds: (text: string, at: number) => boolean; next: number }
  | { readonly kind: "fork"; readonly ways: number[] }
  | { readonly kind: "end" };

export type Pattern = {
  readonly states: readonly State[];
  readonly start: number;
  /** By state: the last moment at which it was reached. Moments are counted over all matches, so that nothing is cleared between them. */
  readonly reached: Float64Array;
  moment: number;
  readonly budget: PatternBudget;
};

/**
 * An expression in Python's syntax without what has no linear-time match: no lookaround, no back-references; and no flags, no possessive
 * repeats.
 * @param where names the file and the key
 * @throws E_CONFIG for what is not supported or no expression, E_LIMIT
 */
export function compilePattern(source: string, where: string, budget: PatternBudget): Pattern {
  if (source.length > patternLimits.length)
    throw new AppError(
      "E_LIMIT",
      `${where}: an expression of ${source.length} characters, at most ${patternLimits.length}`,
    );
  const states: State[] = [];
  const refuse = (what: string): never => {
    throw new AppError(
      "E_CONFIG",
      `${where}: the expression ${JSON.stringify(source)} has ${what}; expected one of names, ".", sets, groups, "|", repeats and anchors, or a list of names`,
    );
  };
  const add = (state: State): number => {
    if (--budget.statesLeft < 0)
      throw new AppError(
        "E_LIMIT",
        `${where}: the expressions are too large, repeats written out; the limit is ${patternLimits.states} states`,
      );
    return states.push(state) - 1;
  };
  const tree = parse(source, refuse);
  const end = add({ kind: "end" });
  const start = build(tree, end, add, states);
  return { states, start, reached: new Float64Array(states.length), moment: 0, budget };
}

/** Python's `re.match`: whether the expression matches some beginning of the text. Throws E_LIMIT where the budget is spent. */
export const matchesStart = (pattern: Pattern, text: string): boolean => run(pattern, text, false);

/** Python's `re.fullmatch`. Throws E_LIMIT where the budget is spent. */
export const matchesWhole = (pattern: Pattern, text: string): boolean => run(pattern, text, true);

/** All ways at once, one character after the other: text length times states at most. */
function run(pattern: Pattern, text: string, isWhole: boolean): boolean {
  const { states, reached, budget } = pattern;
  const open: number[] = [];
  /** Adds the reading states that can be reached from one without reading. Returns whether the end can. */
  function follow(from: number, at: number, into: number[]): boolean {
    let isEnd = false;
    open.push(from);
    while (open.length > 0) {
      const id = open.pop()!;
      if (--budget.stepsLeft < 0)
        throw new AppError(
          "E_LIMIT",
          `expressions over the names of modules take more than ${patternLimits.steps} steps; expected simpler ones, or names`,
        );
      if (reached[id] === pattern.moment) continue;
      reached[id] = pattern.moment;
      const state = states[id]!;
      if (state.kind === "read") into.push(id);
      else if (state.kind === "fork") for (const way of state.ways) open.push(way);
      else if (state.kind === "end") isEnd ||= !isWhole || at === text.length;
      else if (state.holds(text, at)) open.push(state.next);
    }
    return isEnd;
  }
  let [current, next]: [number[], number[]] = [[], []];
  pattern.moment++;
  let isEnd = follow(pattern.start, 0, current);
  for (let at = 0; at < text.length && current.length > 0 && !isEnd; at++) {
    const code = text.charCodeAt(at);
    pattern.moment++;
    for (const id of current) {
      const state = states[id] as State & { kind: "read" };
      if (state.accepts(code)) isEnd = follow(state.next, at + 1, next) || isEnd;
    }
    [current, next] = [next, current];
    next.length = 0;
  }
  return isEnd;
}

type Tree =
  | { readonly kind: "read"; readonly accepts: (code: number) => boolean }
  | { readonly kind: "check"; readonly holds: (text: string, at: number) => boolean }
  | { readonly kind: "sequence"; readonly parts: readonly Tree[] }
  | { readonly kind: "either"; readonly ways: readonly Tree[] }
  | { readonly kind: "repeat"; readonly of: Tree; readonly least: number; readonly most: number };

/** The states of a tree in front of `next`. Returns the first. */
function build(tree: Tree, next: number, add: (state: State) => number, states: State[]): number {
  if (tree.kind === "read" || tree.kind === "check") return add({ ...tree, next });
  if (tree.kind === "sequence") return tree.parts.reduceRight((after, part) => build(part, after, add, states), next);
  if (tree.kind === "either") return add({ kind: "fork", ways: tree.ways.map((way) => build(way, next, add, states)) });
  const { of, least, most } = tree;
  let first = next;
  if (most === Infinity) {
    first = add({ kind: "fork", ways: [next] });
    (states[first] as State & { kind: "fork" }).ways.push(build(of, first, add, states));
  } else for (let i = least; i < most; i++) first = add({ kind: "fork", ways: [next, build(of, first, add, states)] });
  for (let i = 0; i < least; i++) first = build(of, first, add, states);
  return first;
}

type Refuse = (what: string) => never;
type Accepts = (code: number) => boolean;

const between =
  (first: string, last: string): Accepts =>
  (code) =>
    code >= first.charCodeAt(0) && code <= last.charCodeAt(0);
const isDigit = between("0", "9");
const isWord: Accepts = (code) =>
  isDigit(code) || between("a", "z")(code) || between("A", "Z")(code) || code === 0x5f || code > 0x7f;
const isSpace: Accepts = (code) => code === 0x20 || (code >= 0x09 && code <= 0x0d);
const not =
  (accepts: Accepts): Accepts =>
  (code) =>
    !accepts(code);

const classes: Readonly<Record<string, Accepts>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
};

const controls: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, f: 12, v: 11, a: 7 };

const isEdge = (text: string, at: number): boolean =>
  isWord(at > 0 ? text.charCodeAt(at - 1) : 0) !== isWord(at < text.length ? text.charCodeAt(at) : 0);

const places: Readonly<Record<string, (text: string, at: number) => boolean>> = {
  A: (_, at) => at === 0,
  Z: (text, at) => at === text.length,
  b: isEdge,
  B: (text, at) => !isEdge(text, at),
};

/** Recursive descent over Python's syntax. */
function parse(source: string, refuse: Refuse): Tree {
  let at = 0;
  let depth = 0;

  function either(): Tree {
    const ways = [sequence()];
    while (source[at] === "|") {
      at++;
      ways.push(sequence());
    }
    return ways.length === 1 ? ways[0]! : { kind: "either", ways };
  }

  function sequence(): Tree {
    const parts: Tree[] = [];
    while (at < source.length && source[at] !== "|" && source[at] !== ")") parts.push(repeated(item()));
    return { kind: "sequence", parts };
  }

  function repeated(of: Tree): Tree {
    const counts = quantifier();
    if (counts === undefined) return of;
    if (of.kind === "check") refuse("a repeat of an anchor");
    if (source[at] === "?")
      at++; // lazy: the same texts match
    else if (source[at] === "+") refuse("a possessive repeat");
    if (quantifier() !== undefined) refuse("a repeat of a repeat");
    const [least, most] = counts;
    if (least > most) refuse("a repeat from more to less");
    if (Math.max(least, most === Infinity ? 0 : most) > patternLimits.repeats)
      refuse(`a repeat of more than ${patternLimits.repeats} times`);
    return { kind: "repeat", of, least, most };
  }

  function quantifier(): readonly [least: number, most: number] | undefined {
    const found = /^(?:([*+?])|\{(\d{0,9})(,(\d{0,9}))?\})/.exec(source.slice(at, at + 24));
    if (found === null) return undefined;
    const [text, sign, least, comma, most] = found;
    if (text === "{}") return undefined; // literal, as in Python
    at += text.length;
    if (sign !== undefined) return sign === "*" ? [0, Infinity] : sign === "+" ? [1, Infinity] : [0, 1];
    const from = least === "" ? 0 : Number(least);
    if (comma === undefined) return [from, from];
    return [from, most === "" ? Infinity : Number(most)];
  }

  function item(): Tree {
    if (quantifier() !== undefined) refuse("a repeat of nothing");
    const sign = source[at++]!;
    if (sign === "(") return group();
    if (sign === "[") return { kind: "read", accepts: set() };
    if (sign === ".") return { kind: "read", accepts: (code) => code !== 10 };
    if (sign === "^") return { kind: "check", holds: places["A"]! };
    if (sign === "$")
      return { kind: "check", holds: (text, i) => i === text.length || (i === text.length - 1 && text[i] === "\n") };
    if (sign === "\\") return escaped();
    return literal(sign.charCodeAt(0));
  }

  function group(): Tree {
    if (++depth > patternLimits.depth) refuse(`more than ${patternLimits.depth} groups within each other`);
    if (source[at] === "?") {
      const opening = /^\?(?::|P<[A-Za-z_]\w*>)/.exec(source.slice(at, at + 100));
      if (opening === null) refuse("a lookaround, a flag or a back-reference");
      at += opening![0].length;
    }
    const tree = either();
    if (source[at] !== ")") refuse("a group that is not closed");
    at++;
    depth--;
    return tree;
  }

  function escaped(): Tree {
    const sign = source[at];
    if (sign === undefined) return refuse("a backslash at its end");
    if (Object.hasOwn(places, sign)) {
      at++;
      return { kind: "check", holds: places[sign]! };
    }
    return { kind: "read", accepts: escapedSet(escapedSign()) };
  }

  /** What stands behind a backslash: a class, or the code of one character. */
  function escapedSign(): Accepts | number {
    const sign = source[at++]!;
    if (Object.hasOwn(classes, sign)) return classes[sign]!;
    if (Object.hasOwn(controls, sign)) return controls[sign]!;
    const hex = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))/.exec(source.slice(at - 1, at + 4));
    if (hex !== null) {
      at += hex[0].length - 1;
      return Number.parseInt(hex[1] ?? hex[2]!, 16);
    }
    if (/[0-9]/.test(sign)) return refuse("a back-reference");
    if (/[A-Za-z]/.test(sign)) return refuse(`an unknown escape "\\${sign}"`);
    return sign.charCodeAt(0);
  }

  function set(): Accepts {
    const isNegated = source[at] === "^";
    if (isNegated) at++;
    const accepted: Accepts[] = [];
    const from = at;
    while (at < source.length && (source[at] !== "]" || at === from)) {
      const first = member();
      if (source[at] === "-" && at + 1 < source.length && source[at + 1] !== "]") {
        at++;
        const last = member();
        if (typeof first !== "number" || typeof last !== "number" || first > last)
          return refuse("a range that is none");
        accepted.push((code) => code >= first && code <= last);
      } else accepted.push(escapedSet(first));
    }
    if (at >= source.length) refuse("a set that is not closed");
    at++;
    const some: Accepts = (code) => accepted.some((accepts) => accepts(code));
    return isNegated ? not(some) : some;
  }

  function member(): Accepts | number {
    const sign = source[at++]!;
    if (sign !== "\\") return sign.charCodeAt(0);
    if (at >= source.length) return refuse("a backslash at its end");
    if (source[at] === "b") {
      at++;
      return 8; // backspace, within a set
    }
    return escapedSign();
  }

  const tree = either();
  if (at < source.length) refuse('a ")" that closes nothing');
  return tree;
}

const literal = (code: number): Tree => ({ kind: "read", accepts: (found) => found === code });
const escapedSet = (found: Accepts | number): Accepts => (typeof found === "number" ? (code) => code === found : found);
