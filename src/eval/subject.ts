/** @file What is evaluated: a pair, or a model alone. */
import { basename } from "node:path";
import { AppError } from "../base/errors.ts";
import { sha256 } from "../base/hash.ts";
import type { Subject } from "../methods/method.ts";
import type { Model } from "../models/model.ts";
import { type OpenOptions, openModel } from "../models/model-file.ts";
import { swappedEdge } from "../pair/gated-edge.ts";
import type { Pair } from "../pair/pair-file.ts";
import { encodeSpecialization, type Specialization } from "../pair/specialization-file.ts";
import { createSpecializer, specializeFlops } from "../pair/specialize.ts";
import { specializedEdge } from "../pair/specialized-edge.ts";
import type { CompileOptions } from "../runtime/session.ts";
import { CHAT_TEMPLATE_LAYOUT } from "../text/chat-layout.ts";
import { loadTokenizer } from "../text/tokenizer-file.ts";

/** Holds the cloud model's session: close it. */
export type PairSubject = Subject & AsyncDisposable & Required<Pick<Subject, "specialize">>;

export type SubjectOptions = {
  /**
   * Specialisations are swapped in one session, as a service does, instead of each having its own: many prompts begin sooner, and each token
   * costs the whole pool of experts.
   */
  readonly swap?: boolean | undefined;
};

/**
 * A pair's edge model and generator. The cloud model is compiled at the first specialisation, and reads each prompt once. With `swap`
 * the model is the one that was specialised last.
 */
export function pairSubject(
  pair: Pair,
  { swap = false, ...options }: Pick<CompileOptions, "threads" | "device"> & SubjectOptions = {},
): PairSubject {
  let specializer: ReturnType<typeof createSpecializer> | undefined;
  const known = new Map<string, Specialization>();
  let swapped: ReturnType<typeof swappedEdge> | undefined;
  async function put(made: Specialization) {
    if (!swap) return { model: await specializedEdge(pair, made) };
    swapped ??= swappedEdge(pair);
    return swapped(made);
  }
  return {
    name: pair.name,
    sha256: pairHash(pair),
    model: pair.edge,
    stored: pair.edge,
    pair,
    tokenizer: pair.tokenizer,
    layout: pair.layout,
    swaps: swap,
    async specialize(prompt) {
      specializer ??= createSpecializer(pair, options);
      const specialization = known.get(prompt) ?? (await (await specializer).specialize(prompt));
      known.set(prompt, specialization);
      const read = specialization.promptTokens + specialization.layers;
      const from = performance.now();
      return {
        ...(await put(specialization)),
        bytes: encodeSpecialization(specialization).length,
        flops: specializeFlops(pair, read),
        seconds: ((specialization.ms?.cloud ?? 0) + performance.now() - from) / 1000,
      };
    },
    [Symbol.asyncDispose]: async () => (await specializer)?.close(),
  };
}

/**
 * A model alone, laid out by its own chat template where it has one: it can be prompted, not specialised.
 * @throws as `openModel` and `loadTokenizer`
 */
export async function modelSubject(path: string, options: Pick<OpenOptions, "exact"> = {}): Promise<Subject> {
  const tokenizer = await loadTokenizer(path);
  const model = await openModel(path, { keepBlocks: true, ...options });
  return {
    name: basename(path),
    sha256: sha256(heldAs(model)),
    model,
    stored: model,
    tokenizer,
    layout: CHAT_TEMPLATE_LAYOUT,
  };
}

/** Throws E_CONFIG for a model without the chat template that says how its prompts and inputs are laid out. Plain text needs none. */
export function requireLayout({ name, tokenizer, layout }: Subject): void {
  if (layout.kind === "chat-template" && tokenizer.chatTemplates.size === 0)
    throw new AppError("E_CONFIG", `${name}: has no chat template, which says how a prompt and an input are laid out`);
}

/** Of all weights, and of how they are held: a quantised model has the hash of the one it was made from, and codes round their inputs. */
function pairHash({ cloud, edge, generator }: Pair): string {
  return sha256(`[${[cloud, edge].map(heldAs).join()},${JSON.stringify(generator.sha256)}]`);
}

const heldAs = ({ sha256: hash, quantization, blocks, widenedFrom }: Model): string =>
  JSON.stringify(
    widenedFrom === undefined
      ? [hash, quantization ?? (blocks === undefined ? null : "blocks")]
      : [hash, widenedFrom, "widened"],
  );
