/** @file Whether an answer that was given freely has the form that a constraint would have held it to. */
import { automatonOf } from "./automaton.ts";
import { writeJson } from "./json-grammar.ts";
import { answerGrammar, type ConstraintSpec } from "./spec.ts";

type Keeps = (answer: string) => boolean;

const tests: { readonly [K in ConstraintSpec["kind"]]: (spec: Extract<ConstraintSpec, { kind: K }>) => Keeps } = {
  labels({ labels }) {
    const known = new Set(labels);
    return (answer) => known.has(answer);
  },
  calls: grammarTest,
  schema(spec) {
    const isWritten = grammarTest(spec);
    return (answer) => {
      try {
        return isWritten(writeJson(JSON.parse(answer)));
      } catch {
        return false;
      }
    };
  },
};

/** White space around an answer and inside JSON does not matter; the order of keys does, as under the constraint. */
export function keepsForm(spec: ConstraintSpec): Keeps {
  const keeps = tests[spec.kind](spec as never);
  return (answer) => keeps(answer.trim());
}

function grammarTest(spec: ConstraintSpec): Keeps {
  const automaton = automatonOf(answerGrammar(spec));
  const encoder = new TextEncoder();
  return (text) => {
    let state = automaton.start;
    for (const byte of encoder.encode(text)) {
      state = automaton.step(state, byte);
      if (state < 0) return false;
    }
    return automaton.isComplete(state);
  };
}
