/** @file How a quantised directory says that it is one: `quantization_config` in its `config.json` (docs/quantization.md). */
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { checkSchema } from "../../base/json.ts";
import { Sha256 } from "../../base/sha256.ts";
import { BlockSize } from "./layout.ts";

export const quantizationMethod = "lora-gen";

/**
 * Version 1 had no hash of the quantised weights: nothing told damaged or exchanged ones. Version 2 had embeddings and head in the blocks of
 * the layers.
 */
export const quantizationVersion = 3;

const shared = {
  quant_method: z.literal(quantizationMethod),
  bits: z.union([z.literal(4), z.literal(8)]),
  /** Of the layers. */
  block_size: BlockSize,
  symmetric: z.boolean(),
  /** The identity of the weights that were quantised; where an adapter was merged into the codes, that of the result: its own. */
  base_sha256: Sha256,
  /** Of the files of quantised weights, in order. */
  weights_sha256: Sha256,
};
const QuantizationConfig = z.strictObject({
  ...shared,
  version: z.literal(quantizationVersion),
  /** Of embeddings and head. */
  table_block_size: BlockSize,
});
export type QuantizationConfig = z.infer<typeof QuantizationConfig>;

const Version2 = z
  .strictObject({ ...shared, version: z.literal(2) })
  .transform(
    (found): QuantizationConfig => ({ ...found, version: quantizationVersion, table_block_size: found.block_size }),
  );

/**
 * What the content of a `config.json` says about quantisation; undefined where nothing. `path` names it in errors.
 * @throws E_DTYPE for another tool's, E_FORMAT for an earlier version
 */
export function parseQuantization(path: string, json: unknown): QuantizationConfig | undefined {
  const file = checkSchema(json, z.looseObject({ quantization_config: z.looseObject({}).nullish() }), { what: path });
  const config = file.quantization_config;
  if (config == null) return undefined;
  if (config["quant_method"] !== quantizationMethod)
    throw new AppError(
      "E_DTYPE",
      `${path}: weights quantised by ${JSON.stringify(config["quant_method"] ?? "another tool")} cannot be read; expected none, or those of \`loragen quantize\``,
    );
  if (config["version"] === 1)
    throw new AppError(
      "E_FORMAT",
      `${path}: quantised in version 1 of the format, which has no hash of the quantised weights, so they cannot be checked: quantise the model it was made from again, with \`loragen quantize\``,
    );
  const schema = config["version"] === 2 ? Version2 : QuantizationConfig;
  return checkSchema(json, z.looseObject({ quantization_config: schema }), { what: path }).quantization_config;
}
