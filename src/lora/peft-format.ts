/** @file PEFT-compatible adapters: `adapter_config.json` + `adapter_model.safetensors`. */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { ensureFolder } from "../base/folder.ts";
import { readJsonFile, writeJsonFile } from "../base/json-file.ts";
import { openSafetensors, readTensor, type SafetensorsFile } from "../files/safetensors.ts";
import { type TensorToWrite, writeSafetensors } from "../files/safetensors-write.ts";
import { type Adapter, adapterRank, type LowRank, padRank, transpose } from "./low-rank.ts";
import { refuseMismatches } from "./mismatch.ts";

export const peftFiles = { config: "adapter_config.json", weights: "adapter_model.safetensors" } as const;

/** Limits for untrusted files. */
export const peftLimits = { configBytes: 2 ** 20, depth: 16, rank: 2 ** 16, patterns: 4096 } as const;

const rank = z.int().min(1).max(peftLimits.rank);
const alpha = z.number();
const pattern = <T extends z.ZodType>(value: T) =>
  z
    .record(z.string().max(512), value)
    .refine((found) => Object.keys(found).length <= peftLimits.patterns, `expected at most ${peftLimits.patterns} keys`)
    .nullish();

/** What we read of PEFT's LoraConfig; what would change the sum and is not here is refused. */
const AdapterConfig = z.looseObject({
  peft_type: z.literal("LORA"),
  r: rank,
  lora_alpha: alpha,
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  rank_pattern: pattern(rank),
  alpha_pattern: pattern(alpha),
  use_rslora: z.boolean().nullish(),
  bias: z.string().nullish(),
  init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
  base_model_name_or_path: z.string().nullish(),
});
type AdapterConfig = z.infer<typeof AdapterConfig>;

export type PeftOptions = {
  /** The base model's directory or name on the hub. */
  readonly baseName: string;
  readonly dtype?: "F32" | "F16";
};

const prefix = "base_model.model.";
const modulePath = (weight: string) => weight.replace(/\.weight$/, "");

/**
 * Writes an adapter that PEFT, and what reads its format, loads for the base model. All parts get the rank of the largest, the others padded
 * with zeros; scales are folded into B, so that `lora_alpha` is the rank.
 */
export async function writePeft(
  directory: string,
  adapter: Adapter,
  { baseName, dtype = "F32" }: PeftOptions,
): Promise<void> {
  const r = adapterRank(adapter);
  if (r === 0) throw new AppError("E_MISMATCH", "PEFT: the adapter changes nothing: no part of it has a rank");
  const tensors: TensorToWrite[] = [];
  for (const [weight, change] of adapter) {
    const { a, b, inputs, outputs } = padRank(change, r);
    const name = `${prefix}${modulePath(weight)}`;
    tensors.push({ name: `${name}.lora_A.weight`, dtype, shape: [r, inputs], data: a });
    tensors.push({ name: `${name}.lora_B.weight`, dtype, shape: [outputs, r], data: transpose(b, r, outputs) });
  }
  const targets = new Set([...adapter.keys()].map((weight) => modulePath(weight).split(".").at(-1)!));
  await ensureFolder(directory);
  await writeSafetensors(join(directory, peftFiles.weights), tensors, { format: "pt" });
  await writeJsonFile(join(directory, peftFiles.config), {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    auto_mapping: null,
    base_model_name_or_path: baseName,
    revision: null,
    inference_mode: true,
    r,
    lora_alpha: r,
    lora_dropout: 0,
    target_modules: [...targets],
    exclude_modules: null,
    bias: "none",
    fan_in_fan_out: false,
    modules_to_save: null,
    init_lora_weights: true,
    layers_to_transform: null,
    layers_pattern: null,
    rank_pattern: {},
    alpha_pattern: {},
    use_rslora: false,
    use_dora: false,
  });
}

/**
 * Reads an adapter that PEFT wrote, for a base model of these weights (name → shape). Scales are folded into B.
 * @throws E_NOT_FOUND, E_FORMAT, E_LIMIT; E_CONFIG for what is no plain LoRA; E_MISMATCH listing every module and shape that does not fit
 */
export async function readPeft(directory: string, shapes: ReadonlyMap<string, readonly number[]>): Promise<Adapter> {
  const where = join(directory, peftFiles.config);
  const config = await readPeftConfig(directory);
  requirePlainLora(where, config);
  const file = await openSafetensors(join(directory, peftFiles.weights));
  const { modules, problems } = groupTensors(file);
  for (const [module, sides] of modules) problems.push(...checkModule(module, sides, config, shapes, where));
  problems.push(...unusedTargets(config, [...modules.keys()]));
  refuseMismatches(directory, problems);
  const adapter = new Map<string, LowRank>();
  for (const [module, { A, B }] of modules) {
    const [outputs, inputs] = shapes.get(`${module}.weight`)! as [number, number];
    const { rank, scale } = scaling(module, config, where);
    const b = transpose(await readTensor(file, B!.name), outputs, rank);
    for (let i = 0; i < b.length; i++) b[i]! *= scale;
    adapter.set(`${module}.weight`, { rank, inputs, outputs, a: await readTensor(file, A!.name), b });
  }
  return adapter;
}

/** What an adapter says of itself, also where it is no plain LoRA. Throws E_NOT_FOUND, E_FORMAT, E_LIMIT. */
export const readPeftConfig = (directory: string): Promise<AdapterConfig> =>
  readJsonFile(join(directory, peftFiles.config), AdapterConfig, {
    maxBytes: peftLimits.configBytes,
    maxDepth: peftLimits.depth,
  });

/** Keys of LoraConfig that make it another sum than W + scale·B·A. */
const variants = [
  "use_dora",
  "use_qalora",
  "use_bdlora",
  "fan_in_fan_out",
  "lora_bias",
  "modules_to_save",
  "target_parameters",
  "trainable_token_indices",
  "alora_invocation_tokens",
  "layer_replication",
] as const;

/** Starts that also change the base model's weights. */
const changesBase = /^(pissa|olora|corda|loftq|lora_ga)/;

function requirePlainLora(where: string, config: AdapterConfig): void {
  const refuse = (what: string) => {
    throw new AppError("E_CONFIG", `${where}: ${what} is not supported; expected a plain LoRA`);
  };
  const isSet = (value: unknown) => (Array.isArray(value) ? value.length > 0 : value != null && value !== false);
  for (const key of variants) if (isSet(config[key])) refuse(key);
  const { bias, init_lora_weights: init } = config;
  if (bias != null && bias !== "none") refuse(`bias ${JSON.stringify(bias)}`);
  if (typeof init === "string" && changesBase.test(init)) refuse(`init_lora_weights ${JSON.stringify(init)}`);
}

type Part = { readonly name: string; readonly shape: readonly number[] };
type Sides = { A?: Part; B?: Part };

function groupTensors(file: SafetensorsFile): { modules: Map<string, Sides>; problems: string[] } {
  const modules = new Map<string, Sides>();
  const problems: string[] = [];
  for (const { name, shape, dtype } of file.tensors.values()) {
    const match = /^base_model\.model\.(.+)\.lora_([AB])(?:\.default)?\.weight$/.exec(name);
    if (match === null) problems.push(`${name}: no part of a LoRA on a linear map`);
    else if (!["F32", "F16", "BF16"].includes(dtype)) problems.push(`${name}: of ${dtype}, expected F32, F16 or BF16`);
    else {
      const [, module, side] = match as unknown as [string, string, "A" | "B"];
      const sides = modules.get(module) ?? {};
      if (sides[side] !== undefined) problems.push(`${name}: the second ${side} of ${module}`);
      sides[side] = { name, shape };
      modules.set(module, sides);
    }
  }
  if (modules.size === 0 && problems.length === 0) problems.push("it has no tensors");
  return { modules, problems };
}

function checkModule(
  module: string,
  { A, B }: Sides,
  config: AdapterConfig,
  shapes: ReadonlyMap<string, readonly number[]>,
  where: string,
): string[] {
  const shape = shapes.get(`${module}.weight`);
  if (shape === undefined) return [`${module}: the base model has no such module`];
  if (shape.length !== 2) return [`${module}: is no linear map`];
  if (A === undefined || B === undefined)
    return [`${module}: has lora_${A === undefined ? "B but no lora_A" : "A but no lora_B"}`];
  const { rank } = scaling(module, config, where);
  const [outputs, inputs] = shape as [number, number];
  const problems: string[] = [];
  const check = (side: "A" | "B", found: readonly number[], wanted: readonly number[]) => {
    if (String(found) !== String(wanted))
      problems.push(`${module}: lora_${side} should be [${wanted}], found [${found}]`);
  };
  check("A", A.shape, [rank, inputs]);
  check("B", B.shape, [outputs, rank]);
  return problems;
}

/** Targets that no tensor belongs to. A text is a regular expression, which is not run. */
function unusedTargets({ target_modules: targets }: AdapterConfig, modules: readonly string[]): string[] {
  if (!Array.isArray(targets)) return [];
  const isOf = (module: string, target: string) => module === target || module.endsWith(`.${target}`);
  return targets
    .filter((target) => !modules.some((module) => isOf(module, target)))
    .map((target) => `${target}: named as a target, but no tensor belongs to it`);
}

/** Rank and factor of one module. Patterns are names, or ends of names; with "^" whole names. */
function scaling(module: string, config: AdapterConfig, where: string): { rank: number; scale: number } {
  const rank = patternValue(module, config.rank_pattern, where) ?? config.r;
  const alpha = patternValue(module, config.alpha_pattern, where) ?? config.lora_alpha;
  return { rank, scale: config.use_rslora === true ? alpha / Math.sqrt(rank) : alpha / rank };
}

function patternValue(
  module: string,
  patterns: Readonly<Record<string, number>> | null | undefined,
  where: string,
): number | undefined {
  for (const [key, value] of Object.entries(patterns ?? {})) {
    if (!/^\^?[A-Za-z0-9_.-]+$/.test(key))
      throw new AppError("E_CONFIG", `${where}: pattern ${JSON.stringify(key)}: expected the name of a module`);
    if (key.startsWith("^") ? module === key.slice(1) : module === key || module.endsWith(`.${key}`)) return value;
  }
  return undefined;
}
