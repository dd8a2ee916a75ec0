/** @file The flags that name a stronger model behind an OpenAI-compatible address. Its key comes from the environment: flags are seen by others. */
import { Option } from "commander";
import { AppError } from "../base/errors.ts";
import { type ReferenceModel, referenceModel } from "../server/trust/reference.ts";
import type { CliContext } from "./context.ts";

export type ReferenceFlags = { readonly reference?: string; readonly referenceModel?: string };

export const referenceOptions = (): Option[] => [
  new Option(
    "--reference <url>",
    "an OpenAI-compatible address, such as http://localhost:8000/v1, whose model answers what certificates are held against; LORAGEN_REFERENCE_KEY is its key",
  ),
  new Option("--reference-model <name>", "the model to ask there"),
];

/** undefined where none is named. Throws E_USAGE for one of the two flags alone, and for what is no address. */
export function readReference(
  { referenceKey }: Pick<CliContext, "referenceKey">,
  { reference, referenceModel: model }: ReferenceFlags,
): ReferenceModel | undefined {
  if (reference === undefined && model === undefined) return undefined;
  if (reference === undefined || model === undefined)
    throw new AppError("E_USAGE", "expected --reference and --reference-model together, found one of them");
  return referenceModel({ url: reference, model, key: referenceKey });
}
