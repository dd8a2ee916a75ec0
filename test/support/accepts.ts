/** @file Whether a whole text is one of an automaton's. */
import type { Automaton } from "../../src/constraint/automaton.ts";

export function accepts(automaton: Automaton, value: string): boolean {
  let state = automaton.start;
  for (const byte of new TextEncoder().encode(value)) {
    state = automaton.step(state, byte);
    if (state < 0) return false;
  }
  return automaton.isComplete(state);
}
