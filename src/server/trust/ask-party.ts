/** @file The parties of a certificate, asked through the engines: as the service answers, the constraint for all of them alike. */
import { createRng } from "../../base/rng.ts";
import type { ConstraintSpec } from "../../constraint/spec.ts";
import type { Usage } from "../api/answers.ts";
import { encodeRead } from "../api/conversation.ts";
import type { Gates } from "../engine/engine.ts";
import type { CloudSide, Side } from "../sides.ts";
import type { Told } from "./asking.ts";
import type { Party } from "./certificate.ts";

/** What a party answers by; the prompt stands in front of every input. */
export type Source = EdgeSource | CloudSource;
export type EdgeSource = {
  readonly side: Side;
  readonly gates?: Gates | undefined;
  readonly prompt?: string | undefined;
};
type CloudSource = { readonly cloud: CloudSide; readonly prompt: string };

export type Asking = {
  readonly sources: ReadonlyMap<Party, Source>;
  readonly constraint: ConstraintSpec | undefined;
  readonly tenant: string;
  /** Tokens that an answer has at most; perhaps another number for each input. */
  readonly maxTokens: number | ((input: string) => number);
  readonly signal: AbortSignal | undefined;
  /** Waited for before each question. */
  readonly turn?: ((signal?: AbortSignal) => Promise<void>) | undefined;
  readonly onAnswer?: ((usage: Pick<Usage, "prompt_tokens" | "completion_tokens">) => void) | undefined;
};

export function askParty({ sources, constraint: spec, tenant, maxTokens: most, signal, turn, onAnswer }: Asking) {
  const mostOf = typeof most === "number" ? () => most : most;

  async function askCloud({ cloud, prompt }: CloudSource, input: string): Promise<Told> {
    await turn?.(signal);
    const { text, finish, usage, ms } = await cloud.answer({
      conversation: { prompt, history: [], input },
      constraint: spec,
      sampled: {},
      maxTokens: mostOf(input),
      logprobs: undefined,
      tenant,
      deadline: undefined,
      signal,
    });
    onAnswer?.(usage);
    return { text, finish, inputTokens: usage.prompt_tokens, ms };
  }

  return async (party: Party, input: string): Promise<Told> => {
    const source = sources.get(party)!;
    if ("cloud" in source) return askCloud(source, input);
    const { side, gates, prompt } = source;
    const { engine, texts, constraints } = side;
    const constraint = spec && constraints.compile(spec);
    const { ids, prefixTokens } = encodeRead(texts, { prompt, history: [], input });
    await turn?.(signal);
    let first: Float32Array | undefined;
    let isFirst = true;
    const generated = await engine.ask({
      ids,
      gates,
      prefixTokens,
      tenant,
      tokenizer: texts.tokenizer,
      maxTokens: Math.max(0, Math.min(mostOf(input), engine.capacity - ids.length + 1)),
      signal,
      onToken: ({ logits }) => {
        if (isFirst) first = logits;
        isFirst = false;
      },
      ...(constraint === undefined
        ? {}
        : { constraint: constraint.next, stopIds: [...texts.edge.config.eosIds, ...constraint.stopIds] }),
    });
    const { finish, inputTokens, outputTokens, ms } = generated;
    onAnswer?.({ prompt_tokens: inputTokens, completion_tokens: outputTokens });
    return {
      text: (finish === "stop" ? constraint?.labelOf?.(generated.ids) : undefined) ?? generated.text ?? "",
      finish: finish === "stop" ? "stop" : "length",
      inputTokens,
      ms: ms.prefill + ms.decode,
      first,
    };
  };
}

/** Each layer's numbers in another order: the control. */
export function shuffledGates(gates: Gates, layers: number, seed: string): Gates {
  const rng = createRng(`certificate control ${seed}`);
  const width = gates.length / layers;
  const shuffled = new Float32Array(gates.length);
  for (let layer = 0; layer < layers; layer++)
    shuffled.set(rng.shuffle([...gates.subarray(layer * width, (layer + 1) * width)]), layer * width);
  return shuffled;
}
