/** @file What kind of text prompts are, as the cloud model sees it: its layers up to one of them, and nothing behind. */
import { compile } from "#runtime";
import { promptState } from "../generator/meta-state.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { floats } from "../runtime/tensor.ts";
import { cloudGraph, cloudWeights, promptFeeds } from "./cloud-pass.ts";
import type { Pair } from "./pair-file.ts";

/** Holds a session; close it. */
export type PromptStates = AsyncDisposable & {
  /** Throws E_PROMPT for an empty prompt; one that is too long is shortened in the middle. */
  stateOf(prompt: string): Promise<Float32Array>;
};

export async function openPromptStates(
  pair: Pair,
  layer: number,
  options: Pick<CompileOptions, "threads" | "device"> = {},
): Promise<PromptStates> {
  const { inputs, outputs } = cloudGraph(pair);
  const state = promptState(outputs, inputs.metaRows, layer);
  const session = await compile({ outputs: { state } }, { ...options, weights: cloudWeights(pair) });
  return {
    stateOf: async (prompt) => floats((await session.run(promptFeeds(pair, prompt, true).feeds)).state).slice(),
    [Symbol.asyncDispose]: () => session.close(),
  };
}
