/** @file A system prompt to a specialisation: one forward pass of the cloud model, then the router. */
import { compile } from "#runtime";
import { AppError } from "../base/errors.ts";
import { hmacSha256, sha256 } from "../base/hash.ts";
import { version } from "../base/version.ts";
import type { ConstraintSpec } from "../constraint/spec.ts";
import { gateCount, generations } from "../generator/generations.ts";
import { promptGumbelFeeds } from "../generator/gumbel.ts";
import { promptState, readMetaState } from "../generator/meta-state.ts";
import { productFlops } from "../graph/products.ts";
import type { Node } from "../graph/types.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { floats } from "../runtime/tensor.ts";
import type { TruncateMode } from "../text/truncate-prompt.ts";
import { cloudGraph, cloudWeights, promptFeeds } from "./cloud-pass.ts";
import { isUnlike } from "./known-prompts.ts";
import type { Pair } from "./pair-file.ts";
import { requireSpecializable, type Specialization } from "./specialization.ts";

export type SpecializeOptions = {
  /** Shorten an over-long prompt instead of refusing it: in the middle (true), or at its beginning. */
  readonly truncate?: boolean | TruncateMode;
  /** What the caller knows `truncate` by, such as a flag: for the message that refuses a longer prompt. */
  readonly truncateName?: string | undefined;
  /** Told of the prompt's tokens, and how many of them the cloud model is about to read. */
  readonly onRead?: ((read: { readonly tokens: number; readonly kept: number }) => void) | undefined;
  /** Whoever has it finds the specialisation of a prompt again; without one it does not say which prompt it is of. */
  readonly secret?: Uint8Array | undefined;
  /** What the prompt demands of an answer's form. */
  readonly constraint?: ConstraintSpec | undefined;
};

/** Holds the cloud model's session; close it. */
export type Specializer = AsyncDisposable & {
  /** Throws E_PROMPT for an empty or over-long prompt, E_NAN where the gates are not finite. */
  specialize(prompt: string, options?: SpecializeOptions): Promise<Specialization>;
  close(): Promise<void>;
};

/** Compiles the cloud pass of a pair. Throws E_LIMIT where specialisations would not fit their file. */
export async function createSpecializer(
  pair: Pair,
  options: Pick<CompileOptions, "threads" | "device"> = {},
): Promise<Specializer> {
  const { shape, known } = pair;
  requireSpecializable(shape);
  const session = await compile({ outputs: specializerGraph(pair) }, { ...options, weights: cloudWeights(pair) });
  const { layers } = shape.edge;
  const experts = gateCount(shape);
  const { quantization, widenedFrom } = pair.cloud;
  const cloudQuantization = quantization ?? widenedFrom;

  async function specialize(
    prompt: string,
    { truncate = false, truncateName, secret, constraint, onRead }: SpecializeOptions = {},
  ): Promise<Specialization> {
    const read = promptFeeds(pair, prompt, truncate, truncateName);
    onRead?.(read);
    const noise = promptGumbelFeeds(shape, sha256(prompt));
    const from = performance.now();
    const { gates, state } = await session.run({ ...read.feeds, ...noise });
    const cloud = performance.now() - from;
    return {
      version,
      gates: toRows(floats(gates), layers, experts),
      topK: generations[shape.generator.generation].most(shape),
      layers,
      experts,
      promptTokens: read.tokens,
      truncated: read.truncated,
      ...(secret === undefined ? {} : { promptHmac: hmacSha256(secret, prompt) }),
      cloudSha256: pair.cloud.sha256,
      edgeSha256: pair.edge.sha256,
      generatorSha256: pair.generator.sha256,
      ...(cloudQuantization === undefined ? {} : { cloudQuantization }),
      ...(known !== undefined && state !== undefined && isUnlike(known, floats(state)) ? { unlike: true } : {}),
      ...(constraint === undefined ? {} : { constraint }),
      ms: { cloud },
    };
  }

  return { specialize, close: () => session.close(), [Symbol.asyncDispose]: () => session.close() };
}

/** One prompt, one specialisation: opens and closes the cloud session around it. */
export async function specialize(
  pair: Pair,
  prompt: string,
  options: SpecializeOptions & Pick<CompileOptions, "threads" | "device"> = {},
): Promise<Specialization> {
  await using specializer = await createSpecializer(pair, options);
  return await specializer.specialize(prompt, options);
}

/** Floating-point operations of the pass over so many tokens, meta tokens among them. */
export const specializeFlops = (pair: Pair, tokens: number): number =>
  productFlops(
    { outputs: specializerGraph(pair) },
    new Map([
      ["prompts", 1],
      ["cloud_time", tokens],
    ]),
  );

/**
 * Gates (1, L, n) or (1, L, 2n), or a direct generator's hidden states (1, L, width); where the pair says which prompts it knows, the prompt's
 * state (1, d) too.
 */
function specializerGraph(pair: Pair): { readonly gates: Node; readonly state?: Node } {
  const { shape, known } = pair;
  const { inputs, parts, parameters, outputs } = cloudGraph(pair);
  const hidden = readMetaState(shape, parts, outputs, inputs.metaRows);
  const gates = generations[shape.generator.generation].numbers(shape, parameters, hidden);
  return known === undefined ? { gates } : { gates, state: promptState(outputs, inputs.metaRows, known.layer) };
}

function toRows(values: Float32Array, layers: number, experts: number): number[][] {
  if (!values.every(Number.isFinite))
    throw new AppError(
      "E_NAN",
      "specialize: the gates are not finite; the cloud or generator weights hold NaN or infinity",
    );
  return Array.from({ length: layers }, (_, layer) =>
    Array.from(values.subarray(layer * experts, (layer + 1) * experts)),
  );
}
