/** @file The parties of a certificate, asked through the engine: as the service answers, the constraint for all of them alike. */
import { createRng } from "../../base/rng.ts";
import type { CompiledConstraint } from "../../constraint/compile.ts";
import type { EdgePair } from "../../pair/pair.ts";
import type { Usage } from "../api/answers.ts";
import { encodeFor } from "../api/conversation.ts";
import type { Engine, Gates } from "../engine/engine.ts";
import type { Party } from "./certificate.ts";
import type { Told } from "./certify.ts";

export type Asking = {
  readonly engine: Engine;
  readonly pair: EdgePair;
  readonly gates: Gates;
  readonly prompt: string | undefined;
  readonly constraint: CompiledConstraint | undefined;
  readonly tenant: string;
  readonly maxTokens: number;
  /** Of the control's shuffle: the specialisation's hash. */
  readonly seed: string;
  readonly signal: AbortSignal | undefined;
  /** Waited for before each question. */
  readonly turn?: ((signal?: AbortSignal) => Promise<void>) | undefined;
  readonly onAnswer?: ((usage: Pick<Usage, "prompt_tokens" | "completion_tokens">) => void) | undefined;
};

export function askParty(asking: Asking): (party: Party, input: string) => Promise<Told> {
  const { engine, pair, gates, prompt, constraint, tenant, maxTokens, seed, signal, turn, onAnswer } = asking;
  const { tokenizer, edge } = pair;
  const control = shuffledGates(gates, pair.shape.edge.layers, seed);
  const gatesOf: { readonly [P in Party]: Gates | undefined } = {
    specialized: gates,
    control,
    base: undefined,
    prompted: undefined,
  };
  return async (party, input) => {
    const shown = party === "prompted" ? prompt : undefined;
    const { ids, prefixTokens } = encodeFor(pair, { id: party }, { prompt: shown, history: [], input }, undefined);
    await turn?.(signal);
    let first: Float32Array | undefined;
    let isFirst = true;
    const {
      ids: answer,
      text,
      finish,
      inputTokens,
      outputTokens,
      ms,
    } = await engine.ask({
      ids,
      gates: gatesOf[party],
      prefixTokens,
      tenant,
      tokenizer,
      maxTokens: Math.max(0, Math.min(maxTokens, engine.capacity - ids.length + 1)),
      signal,
      onToken: ({ logits }) => {
        if (isFirst) first = logits;
        isFirst = false;
      },
      ...(constraint === undefined
        ? {}
        : { constraint: constraint.next, stopIds: [...edge.config.eosIds, ...constraint.stopIds] }),
    });
    onAnswer?.({ prompt_tokens: inputTokens, completion_tokens: outputTokens });
    return {
      text: (finish === "stop" ? constraint?.labelOf?.(answer) : undefined) ?? text ?? "",
      finish: finish === "stop" ? "stop" : "length",
      inputTokens,
      ms: ms.prefill + ms.decode,
      first,
    };
  };
}

/** Each layer's numbers in another order. */
function shuffledGates(gates: Gates, layers: number, seed: string): Gates {
  const rng = createRng(`certificate control ${seed}`);
  const width = gates.length / layers;
  const shuffled = new Float32Array(gates.length);
  for (let layer = 0; layer < layers; layer++)
    shuffled.set(rng.shuffle([...gates.subarray(layer * width, (layer + 1) * width)]), layer * width);
  return shuffled;
}
