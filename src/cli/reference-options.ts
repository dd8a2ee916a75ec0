/**
 * @file The flags that name a stronger model: behind an OpenAI-compatible address, whose key comes from the environment, for flags are seen by
 * others; or opened in this process.
 */

import { basename } from "node:path";
import { Option } from "commander";
import { AppError } from "../base/errors.ts";
import { openModel } from "../models/model-file.ts";
import type { Pair } from "../pair/pair-file.ts";
import { cloudSide } from "../server/sides.ts";
import { ownReference } from "../server/trust/own-reference.ts";
import { type ReferenceModel, referenceModel } from "../server/trust/reference.ts";
import { CHAT_TEMPLATE_LAYOUT } from "../text/chat-layout.ts";
import { loadTokenizer } from "../text/tokenizer-file.ts";
import type { CliContext } from "./context.ts";
import { shortHash } from "./format.ts";

export type ReferenceFlags = { readonly reference?: string; readonly referenceModel?: string };

export const referenceOptions = (): Option[] => [
  new Option(
    "--reference <where>",
    "whose answers certificates are held against: an OpenAI-compatible address, such as http://localhost:8000/v1 (LORAGEN_REFERENCE_KEY is its key); or a model opened here: a folder, a GGUF file, an id of the hub, or the word cloud for the pair's own",
  ),
  new Option("--reference-model <name>", "the model to ask at that address"),
];

/**
 * undefined where none is named. Close it.
 * @param pair asked for when its cloud model is first needed
 * @throws E_USAGE for an address or a model's name alone, and for what is no address; as `openModel` and `loadTokenizer`; E_CONFIG for a
 * model without a chat template
 */
export async function readReference(
  { referenceKey, resolveModel, now }: Pick<CliContext, "referenceKey" | "resolveModel" | "now">,
  { reference, referenceModel: model, threads }: ReferenceFlags & { readonly threads: number },
  pair: () => Pair,
): Promise<ReferenceModel | undefined> {
  if (reference === undefined && model === undefined) return undefined;
  if (reference === undefined || (model === undefined && /^\w+:\/\//.test(reference)))
    throw new AppError("E_USAGE", "expected the address --reference and --reference-model together, found one of them");
  if (model !== undefined) return referenceModel({ url: reference, model, key: referenceKey });
  if (reference === "cloud") return ownReference("cloud", () => cloudSide(pair(), { threads, now }));
  const path = await resolveModel(reference);
  const cloudTokenizer = await loadTokenizer(path);
  if (cloudTokenizer.chatTemplates.size === 0)
    throw new AppError("E_CONFIG", `${path}: has no chat template, which says how a prompt and an input are laid out`);
  const cloud = await openModel(path, { keepBlocks: true });
  const parts = { cloud, cloudTokenizer, cloudLayout: CHAT_TEMPLATE_LAYOUT };
  return ownReference(`${basename(path)} ${shortHash(cloud.sha256)}`, () => cloudSide(parts, { threads, now }));
}
