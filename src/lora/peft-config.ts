/** @file `adapter_config.json` of PEFT: which keys are applied, which mean nothing for a trained adapter, and which are refused. */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { readJsonFile } from "../base/json-file.ts";

export const peftFiles = { config: "adapter_config.json", weights: "adapter_model.safetensors" } as const;

/** Limits for untrusted files. */
export const peftLimits = { configBytes: 2 ** 20, depth: 16, rank: 2 ** 16, entries: 4096, name: 512 } as const;

const rank = z.int().min(1).max(peftLimits.rank);
const name = z.string().max(peftLimits.name);
const list = <T extends z.ZodType>(value: T) => z.array(value).max(peftLimits.entries);
const index = z.int().min(0);
const pattern = <T extends z.ZodType>(value: T) =>
  z
    .record(name, value)
    .refine((found) => Object.keys(found).length <= peftLimits.entries, `expected at most ${peftLimits.entries} keys`)
    .nullish();
const modules = z.union([z.string(), list(name)]).nullish();
const flag = z.boolean().nullish();

/** The keys that are applied, as PEFT's LoraConfig has them. */
const AdapterConfig = z.looseObject({
  peft_type: z.literal("LORA"),
  base_model_name_or_path: z.string().nullish(),
  r: rank,
  lora_alpha: z.number(),
  rank_pattern: pattern(rank),
  alpha_pattern: pattern(z.number()),
  use_rslora: flag,
  target_modules: modules,
  exclude_modules: modules,
  layers_to_transform: z.union([index, list(index)]).nullish(),
  layers_pattern: z.union([name, list(name)]).nullish(),
  use_dora: flag,
  lora_bias: flag,
  bias: z.enum(["none", "all", "lora_only"]).nullish(),
  modules_to_save: list(name).nullish(),
  trainable_token_indices: z.union([list(index), z.record(name, list(index))]).nullish(),
  ensure_weight_tying: flag,
  init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
});
export type AdapterConfig = z.infer<typeof AdapterConfig>;

/** "applied"; "training": it says nothing of a trained adapter's result; else refused where it is set, with the reason. */
type KeyRule = "applied" | "training" | { readonly refused: string };

const inPython = "load it with PEFT, and save what `merge_and_unload()` gives as a model";

/** Every key of LoraConfig in PEFT 0.21, and a few of versions before. The table in docs/exports.md says the same. */
export const peftKeys: Readonly<Record<string, KeyRule>> = {
  ...(Object.fromEntries(Object.keys(AdapterConfig.shape).map((key) => [key, "applied"])) as Record<string, "applied">),
  task_type: "training",
  auto_mapping: "training",
  peft_version: "training",
  revision: "training",
  inference_mode: "training",
  lora_dropout: "training",
  // For linear maps PEFT sets it to false, whatever the file says.
  fan_in_fan_out: "training",
  megatron_core: "training",
  loftq_config: "training",
  eva_config: "training",
  corda_config: "training",
  lora_ga_config: "training",
  velora_config: "training",
  runtime_config: "training",
  qalora_group_size: "training",
  megatron_config: { refused: `its modules are Megatron's: ${inPython}` },
  use_qalora: { refused: `it adds to groups of inputs: ${inPython}` },
  use_bdlora: { refused: `its factors are block-diagonal: ${inPython}` },
  kasa_config: { refused: `it changes the base model's weights too: ${inPython}` },
  monteclora_config: { refused: `it is more than one low-rank change: ${inPython}` },
  arrow_config: { refused: "it chooses among adapters token by token, which no merge can" },
  alora_invocation_tokens: { refused: "it begins within the text, which no merge can" },
  layer_replication: { refused: `the result has other layers than the base model: ${inPython}` },
  target_parameters: { refused: `it changes parameters that are no modules: ${inPython}` },
};

/** Starts that leave the base model's weights alone. Others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) change them too. */
const plainStarts: readonly unknown[] = [null, undefined, true, false, "gaussian", "eva", "orthogonal", "mica"];

const isSet = (value: unknown): boolean =>
  value != null && value !== false && !(typeof value === "object" && Object.keys(value).length === 0);

/** What an adapter says of itself, also where it is none that can be merged. Throws E_NOT_FOUND, E_FORMAT, E_LIMIT. */
export const readPeftConfig = (directory: string): Promise<AdapterConfig> =>
  readJsonFile(join(directory, peftFiles.config), AdapterConfig, {
    maxBytes: peftLimits.configBytes,
    maxDepth: peftLimits.depth,
  });

const Kind = z.looseObject({ peft_type: z.string().max(peftLimits.name) });

/** "LORA", "IA3", … Throws E_NOT_FOUND, E_FORMAT, E_LIMIT. */
export const readPeftKind = async (directory: string): Promise<string> =>
  (
    await readJsonFile(join(directory, peftFiles.config), Kind, {
      maxBytes: peftLimits.configBytes,
      maxDepth: peftLimits.depth,
    })
  ).peft_type;

/** Throws E_CONFIG naming the first key that makes it more than what is applied here, and one that PEFT 0.21 does not have. */
export function requireApplicable(where: string, config: AdapterConfig): void {
  const refuse = (what: string, why: string) => {
    throw new AppError("E_CONFIG", `${where}: ${what} is not supported: ${why}`);
  };
  for (const [key, value] of Object.entries(config)) {
    const rule = Object.hasOwn(peftKeys, key) ? peftKeys[key]! : undefined;
    if (rule === "applied" || rule === "training" || !isSet(value)) continue;
    const why = rule?.refused ?? "PEFT 0.21 has no such key: take it out of the file if it changes nothing";
    refuse(JSON.stringify(key.slice(0, 100)), why);
  }
  const {
    init_lora_weights: init,
    target_modules: targets,
    layers_to_transform: layers,
    layers_pattern: pattern,
  } = config;
  if (!plainStarts.includes(init))
    refuse(
      `init_lora_weights ${JSON.stringify(init)}`,
      `it changes the base model's weights: save it with path_initial_model_for_weight_conversion, or ${inPython}`,
    );
  if (!isSet(targets))
    refuse(
      "a file without target_modules",
      "PEFT would choose them by its own tables and drop other tensors; name them there",
    );
  if (typeof targets === "string" && layers != null)
    refuse(
      "layers_to_transform",
      "PEFT does not take it beside an expression as target_modules: say it in the expression",
    );
  if (isSet(pattern) && layers == null)
    refuse("layers_pattern", "PEFT does not take it without layers_to_transform: take it out, or name the layers");
}
