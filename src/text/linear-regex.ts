/**
 * @file Searching by regular expressions from files, in time that grows with text × pattern and no faster, whatever the pattern: a search that
 * remembers at which place which part has failed. It finds what JavaScript's own engine finds, look-around included; there are no captures.
 */
import { AppError } from "../base/errors.ts";
import { parseRegex, type Regex } from "./regex-parse.ts";
import type { Budget } from "./search-budget.ts";

/** Bounds for a pattern and its use. Published tokenizers stay below 700 characters and 300 steps; each remembers 2 bits per join and character. */
export const regexLimits = { sourceLength: 4096, steps: 4096, memoryBytes: 2 ** 27, resultLength: 2 ** 26 } as const;

/** A step of a program: what is tried at a place of the text, and where it goes on. */
type Step =
  | { readonly op: "character"; readonly codePoint: number; readonly next: number }
  | { readonly op: "class"; readonly includes: (codePoint: number) => boolean; readonly next: number }
  | { readonly op: "split"; first: number; second: number }
  | { readonly op: "look"; readonly entry: number; readonly isNegated: boolean; readonly next: number }
  | { readonly op: "accept" }
  | { readonly op: "fail" };

const ACCEPT = 0;
const FAIL = 1;

type Program = {
  readonly entry: number;
  /** Per step, as numbers: what it is, what it takes (a code point, a class, the entry of a look-around), where it goes on. */
  readonly ops: Uint8Array;
  readonly takes: Int32Array;
  readonly nexts: Int32Array;
  readonly classes: readonly ((codePoint: number) => boolean)[];
  /** Per step: its row in the memory, or -1 where only one way leads to it. */
  readonly joins: Int32Array;
  readonly joinCount: number;
};

/** Numbers of steps: those that read, forwards or backwards, those that branch, those that end. */
const ops = {
  character: 0,
  class: 1,
  characterBefore: 2,
  classBefore: 3,
  split: 4,
  look: 5,
  lookNot: 6,
  accept: 7,
  fail: 8,
};

export type Match = { readonly start: number; readonly end: number };

export type LinearRegex = {
  /** All matches from left to right, as `matchAll` with the flags `gu`. Throws E_LIMIT for a text too long for the pattern. */
  matches(text: string, budget: Budget): Match[];
  /** Each match replaced by a text, taken literally. Throws E_LIMIT for a result beyond the bound. */
  replace(text: string, by: string, budget: Budget): string;
  /** How large the pattern is: what every character of a text may cost. */
  readonly steps: number;
};

/** Throws E_LIMIT for a pattern beyond the bounds, E_FORMAT for one that needs references back or anchors. */
export function linearRegex(source: string, what: string): LinearRegex {
  const program = compile(parseRegex(source, what), what);
  const matches = (text: string, budget: Budget) => findAll(program, text, budget, what);
  return {
    matches,
    steps: program.ops.length,
    replace(text, by, budget) {
      const parts: string[] = [];
      let [from, length] = [0, text.length];
      for (const { start, end } of matches(text, budget)) {
        parts.push(text.slice(from, start), by);
        length += by.length - (end - start);
        if (length > regexLimits.resultLength)
          throw new AppError("E_LIMIT", `${what}: a text of more than ${regexLimits.resultLength} characters`);
        from = end;
      }
      return parts.length === 0 ? text : parts.join("") + text.slice(from);
    },
  };
}

function compile(regex: Regex, what: string): Program {
  const steps: Step[] = [{ op: "accept" }, { op: "fail" }];
  const isBackward: boolean[] = [false, false];
  const classes = new Map<string, (codePoint: number) => boolean>();
  let spent = 0;

  function add(step: Step, backward = false): number {
    isBackward.push(backward);
    return steps.push(step) - 1;
  }

  const either = (isLazy: boolean, more: number, out: number) =>
    isLazy ? add({ op: "split", first: out, second: more }) : add({ op: "split", first: more, second: out });

  /**
   * The step at which a part begins. It goes on at `moved` once it has consumed something, else at `unmoved`: an optional repetition that
   * consumes nothing does not count, as in JavaScript.
   */
  function enter(part: Regex, unmoved: number, moved: number, backward: boolean): number {
    if (++spent > regexLimits.steps || steps.length > regexLimits.steps)
      throw new AppError("E_LIMIT", `${what}: a regular expression of more than ${regexLimits.steps} steps`);
    switch (part.kind) {
      case "character":
        return add({ op: "character", codePoint: part.codePoint, next: moved }, backward);
      case "class": {
        const includes = classes.get(part.source) ?? classTest(part.source);
        classes.set(part.source, includes);
        return add({ op: "class", includes, next: moved }, backward);
      }
      case "look":
        return add({
          op: "look",
          entry: enter(part.body, ACCEPT, ACCEPT, part.isBehind),
          isNegated: part.isNegated,
          next: unmoved,
        });
      case "choice":
        return part.options
          .map((option) => enter(option, unmoved, moved, backward))
          .reduceRight((second, first) => add({ op: "split", first, second }));
      case "sequence":
        return chain(part.parts, unmoved, moved, backward);
      case "repeat":
        return repeat(part, unmoved, moved, backward);
    }
  }

  function chain(parts: readonly Regex[], unmoved: number, moved: number, backward: boolean): number {
    let [still, gone] = [unmoved, moved];
    for (const part of backward ? parts : parts.toReversed()) {
      const entry = enter(part, still, gone, backward);
      gone = still === gone ? entry : enter(part, gone, gone, backward);
      still = entry;
    }
    return still;
  }

  function repeat(part: Extract<Regex, { kind: "repeat" }>, unmoved: number, moved: number, backward: boolean): number {
    const { body, min, max, isLazy } = part;
    let [still, gone] = [unmoved, moved];
    if (max === Infinity) {
      const head = add({ op: "split", first: FAIL, second: FAIL });
      const again = enter(body, FAIL, head, backward);
      steps[head] = isLazy
        ? { op: "split", first: moved, second: again }
        : { op: "split", first: again, second: moved };
      still = unmoved === moved ? head : either(isLazy, again, unmoved);
      gone = head;
    } else {
      for (let count = min; count < max; count++) {
        const again = enter(body, FAIL, gone, backward);
        still = either(isLazy, again, unmoved);
        gone = unmoved === moved ? still : either(isLazy, again, moved);
      }
    }
    for (let count = 0; count < min; count++) {
      const entry = enter(body, still, gone, backward);
      gone = still === gone ? entry : enter(body, gone, gone, backward);
      still = entry;
    }
    return still;
  }

  const entry = enter(regex, ACCEPT, ACCEPT, false);
  const list = [...classes.values()];
  const number = (step: Step, i: number): [op: number, take: number, next: number] => {
    switch (step.op) {
      case "character":
        return [isBackward[i] ? ops.characterBefore : ops.character, step.codePoint, step.next];
      case "class":
        return [isBackward[i] ? ops.classBefore : ops.class, list.indexOf(step.includes), step.next];
      case "split":
        return [ops.split, step.second, step.first];
      case "look":
        return [step.isNegated ? ops.lookNot : ops.look, step.entry, step.next];
      default:
        return [ops[step.op], 0, 0];
    }
  };
  const numbers = steps.map(number);
  return {
    entry,
    ops: Uint8Array.from(numbers, ([op]) => op),
    takes: Int32Array.from(numbers, ([, take]) => take),
    nexts: Int32Array.from(numbers, ([, , next]) => next),
    classes: list,
    ...findJoins(steps, entry),
  };
}

/** Steps that several ways lead to: only there can a search come again. */
function findJoins(steps: readonly Step[], entry: number): Pick<Program, "joins" | "joinCount"> {
  const ways = new Array<number>(steps.length).fill(0);
  const lead = (...to: number[]) => {
    for (const number of to) ways[number]!++;
  };
  lead(entry);
  for (const step of steps) {
    if (step.op === "split") lead(step.first, step.second);
    if ("next" in step) lead(step.next);
    if ("entry" in step) lead(step.entry);
  }
  let joinCount = 0;
  const joins = ways.map((count, i) => (count > 1 && i !== ACCEPT && i !== FAIL ? joinCount++ : -1));
  for (const [i, { op }] of steps.entries()) if (op === "look" && joins[i] === -1) joins[i] = joinCount++;
  return { joins: Int32Array.from(joins), joinCount };
}

/** Whether a class has a code point: asked of JavaScript once, then read from a table. */
function classTest(source: string): (codePoint: number) => boolean {
  const pattern = new RegExp(`^(?:${source})$`, "u");
  const pages: Uint8Array[] = [];
  const pageOf = (number: number) =>
    Uint8Array.from({ length: 256 }, (_, i) => (pattern.test(String.fromCodePoint(number * 256 + i)) ? 1 : 0));
  return (codePoint) => {
    const number = codePoint >> 8;
    const page = pages[number] ?? pageOf(number);
    pages[number] = page;
    return page[codePoint & 255] === 1;
  };
}

/** What the memory says of a join at a place: it is being tried or has failed; within look-arounds also that it succeeds. */
const TRIED = 1;
const GOOD = 2;

/** What a search costs before it reads anything. */
const SEARCH_COST = 32;

function findAll(program: Program, text: string, budget: Budget, what: string): Match[] {
  const { entry, takes, nexts, classes, joins, joinCount } = program;
  const places = text.length + 1;
  if (joinCount * places > 4 * regexLimits.memoryBytes)
    throw new AppError(
      "E_LIMIT",
      `${what}: a text of ${text.length} characters for a regular expression of ${takes.length} steps`,
    );
  const memory = new Uint8Array(Math.ceil((joinCount * places) / 4)); // two bits each
  const recall = (cell: number): number => (memory[cell >> 2]! >> (2 * (cell & 3))) & 3;
  const remember = (cell: number, what: number): void => {
    const shift = 2 * (cell & 3);
    memory[cell >> 2] = (memory[cell >> 2]! & ~(3 << shift)) | (what << shift);
  };

  /** Where a match from `from` ends, by the first way in the order of the pattern; -1 where there is none. */
  function search(from: number, start: number, isLook: boolean): number {
    const stack = [from, start]; // ways to try: a step and a place; the step as its complement where a join was left
    let visits = 0;
    while (stack.length > 0) {
      let place = stack.pop()!;
      let step = stack.pop()!;
      if (step < 0) continue; // all ways from this join have failed: it stays tried
      for (;;) {
        if ((++visits & 0xfff) === 0) budget.spend(0x1000);
        const op = program.ops[step]!;
        const join = joins[step]!;
        if (join >= 0 && op !== ops.look && op !== ops.lookNot) {
          const cell = join * places + place;
          const known = recall(cell);
          if (known === TRIED) break;
          if (known === GOOD) return succeed(stack, place, isLook, visits);
          remember(cell, TRIED);
          stack.push(~step, place);
        }
        const take = takes[step]!;
        if (op === ops.split) stack.push(take, place);
        else if (op === ops.character || op === ops.class) {
          if (place >= text.length) break;
          const codePoint = text.codePointAt(place)!;
          if (op === ops.character ? take !== codePoint : !classes[take]!(codePoint)) break;
          place += codePoint > 0xffff ? 2 : 1;
        } else if (op === ops.look || op === ops.lookNot) {
          if (looksGood(step, take, place) !== (op === ops.look)) break;
        } else if (op === ops.accept) return succeed(stack, place, isLook, visits);
        else if (op === ops.fail) break;
        else {
          if (place === 0) break;
          const codePoint = codePointBefore(text, place);
          if (op === ops.characterBefore ? take !== codePoint : !classes[take]!(codePoint)) break;
          place -= codePoint > 0xffff ? 2 : 1;
        }
        step = nexts[step]!;
      }
    }
    budget.spend(visits & 0xfff);
    return -1;
  }

  /** The joins that were left open lie on the way that succeeded. */
  function succeed(stack: readonly number[], end: number, isLook: boolean, visits: number): number {
    for (let i = 0; i < stack.length; i += 2) {
      const step = stack[i]!;
      if (step < 0) remember(joins[~step]! * places + stack[i + 1]!, isLook ? GOOD : 0);
    }
    budget.spend(visits & 0xfff);
    return end;
  }

  function looksGood(step: number, entry: number, place: number): boolean {
    const cell = joins[step]! * places + place;
    if (recall(cell) === 0) remember(cell, search(entry, place, true) >= 0 ? GOOD : TRIED);
    return recall(cell) === GOOD;
  }

  budget.spend(SEARCH_COST);
  const found: Match[] = [];
  for (let start = 0; start <= text.length; ) {
    const end = search(entry, start, false);
    if (end >= 0) found.push({ start, end });
    start = end > start ? end : start + ((text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1);
  }
  return found;
}

function codePointBefore(text: string, place: number): number {
  const pair = place > 1 ? text.codePointAt(place - 2)! : 0;
  return pair > 0xffff ? pair : text.charCodeAt(place - 1);
}
