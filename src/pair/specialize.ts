/** @file A system prompt to a specialisation: one forward pass of the cloud model, then the router. */
import { compile } from "#runtime";
import { AppError } from "../base/errors.ts";
import { hmacSha256, sha256 } from "../base/hash.ts";
import { version } from "../base/version.ts";
import type { ConstraintSpec } from "../constraint/spec.ts";
import { cloudFeeds, cloudInputs, cloudParts, metaHidden } from "../generator/cloud.ts";
import { gateCount, generations } from "../generator/generations.ts";
import { promptGumbelFeeds } from "../generator/gumbel.ts";
import { generatorBuffers, generatorParameters } from "../generator/parameters.ts";
import { productFlops } from "../graph/products.ts";
import type { Node } from "../graph/types.ts";
import { frozenParts, frozenSources } from "../models/frozen-model.ts";
import { frozenWeights } from "../nn/parts.ts";
import type { CompileOptions, WeightSource } from "../runtime/session.ts";
import { floats } from "../runtime/tensor.ts";
import { encodeMeta } from "../text/prompt.ts";
import { fitPrompt, type TruncateMode } from "../text/truncate-prompt.ts";
import type { Pair } from "./pair-file.ts";
import { requireSpecializable, type Specialization } from "./specialization.ts";

export type SpecializeOptions = {
  /** Shorten an over-long prompt instead of refusing it: in the middle (true), or at its beginning. */
  readonly truncate?: boolean | TruncateMode;
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
  const { shape, cloudTokenizer: tokenizer, cloudLayout: layout } = pair;
  requireSpecializable(shape);
  const session = await compile(
    { outputs: { gates: gatesGraph(pair) } },
    { ...options, weights: specializerWeights(pair) },
  );
  const { layers } = shape.edge;
  const experts = gateCount(shape);
  const { quantization, widenedFrom } = pair.cloud;
  const cloudQuantization = quantization ?? widenedFrom;

  async function specialize(
    prompt: string,
    { truncate = false, secret, constraint }: SpecializeOptions = {},
  ): Promise<Specialization> {
    const fitted = fitPrompt(tokenizer, layout, prompt, { maxTokens: shape.cloud.context - layers, truncate });
    const ids = [...fitted.ids, ...encodeMeta(tokenizer, layout, layers)];
    const noise = promptGumbelFeeds(shape, sha256(prompt));
    const from = performance.now();
    const { gates } = await session.run({ ...cloudFeeds([ids], layers, tokenizer.padId), ...noise });
    const cloud = performance.now() - from;
    return {
      version,
      gates: toRows(floats(gates), layers, experts),
      topK: generations[shape.generator.generation].most(shape),
      layers,
      experts,
      promptTokens: fitted.tokens,
      truncated: fitted.tokens !== fitted.ids.length,
      ...(secret === undefined ? {} : { promptHmac: hmacSha256(secret, prompt) }),
      cloudSha256: pair.cloud.sha256,
      edgeSha256: pair.edge.sha256,
      generatorSha256: pair.generator.sha256,
      ...(cloudQuantization === undefined ? {} : { cloudQuantization }),
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
    { outputs: { gates: gatesGraph(pair) } },
    new Map([
      ["prompts", 1],
      ["cloud_time", tokens],
    ]),
  );

/** Gates (1, L, n) or (1, L, 2n), or a direct generator's hidden states (1, L, width). */
function gatesGraph(pair: Pair): Node {
  const { shape } = pair;
  const infos = new Map([...generatorParameters(shape), ...generatorBuffers(shape)]);
  const frozen = frozenWeights();
  const parameters = (name: string) => frozen(`generator.${name}`, infos.get(name)!.shape);
  const cloud = cloudParts(shape, frozenParts(pair.cloud, "cloud."), parameters);
  const hidden = metaHidden(shape, cloud, parameters, cloudInputs(shape.edge.layers));
  return generations[shape.generator.generation].numbers(shape, parameters, hidden);
}

function specializerWeights({ cloud, generator }: Pair): Record<string, WeightSource> {
  const weights = frozenSources(cloud, "cloud.");
  for (const [name, data] of generator.tensors) weights[`generator.${name}`] = { kind: "data", data };
  return weights;
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
