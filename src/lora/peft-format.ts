/** @file PEFT-compatible adapters: `adapter_config.json` + `adapter_model.safetensors`. */
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { ensureFolder } from "../base/folder.ts";
import { writeJsonFile } from "../base/json-file.ts";
import { type TensorToWrite, writeSafetensors } from "../files/safetensors-write.ts";
import { type Fused, joinAdapter } from "./fused.ts";
import { type Adapter, adapterRank, padRank, transpose } from "./low-rank.ts";
import { readPeftChange } from "./peft-change.ts";
import { peftFiles } from "./peft-config.ts";

export type PeftOptions = {
  /** The base model's directory or name on the hub. */
  readonly baseName: string;
  readonly dtype?: "F32" | "F16";
  /** Tensors of the base model that hold several of the adapted weights. */
  readonly fused?: Fused;
  /** All weights of the base model: of modules with one name in different places, only those adapted are named then. */
  readonly weights?: Iterable<string>;
  /** Lengths of rows by names of weights: DoRA. Not beside `fused`. */
  readonly magnitudes?: ReadonlyMap<string, Float32Array>;
};

const prefix = "base_model.model.";
const modulePath = (weight: string) => weight.replace(/\.weight$/, "");

/**
 * Writes an adapter that PEFT, and what reads its format, loads for the base model. All parts get the rank of the largest, the others padded
 * with zeros; scales are folded into B, so that `lora_alpha` is the rank.
 */
export async function writePeft(
  directory: string,
  ours: Adapter,
  { baseName, dtype = "F32", fused, weights = [], magnitudes }: PeftOptions,
): Promise<void> {
  const adapter = joinAdapter(ours, fused);
  const r = adapterRank(adapter);
  if (r === 0) throw new AppError("E_MISMATCH", "PEFT: the adapter changes nothing: no part of it has a rank");
  const tensors: TensorToWrite[] = [];
  for (const [weight, change] of adapter) {
    const { a, b, inputs, outputs } = padRank(change, r);
    const name = `${prefix}${modulePath(weight)}`;
    tensors.push({ name: `${name}.lora_A.weight`, dtype, shape: [r, inputs], data: a });
    tensors.push({ name: `${name}.lora_B.weight`, dtype, shape: [outputs, r], data: transpose(b, r, outputs) });
    const lengths = magnitudes?.get(weight);
    if (lengths !== undefined)
      tensors.push({ name: `${name}.lora_magnitude_vector`, dtype, shape: [outputs], data: lengths });
  }
  const targets = targetNames([...adapter.keys()].map(modulePath), [...weights].map(modulePath));
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
    target_modules: targets,
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
    use_dora: magnitudes !== undefined,
  });
}

/** The last names of modules, with the one before where another kind of module ends in the same. */
function targetNames(adapted: readonly string[], modules: readonly string[]): string[] {
  const ending = (module: string, parts: number) => module.split(".").slice(-parts).join(".");
  const kinds = new Map<string, Set<string>>();
  for (const module of [...modules, ...adapted]) {
    const known = kinds.get(ending(module, 1)) ?? new Set();
    kinds.set(ending(module, 1), known.add(ending(module, 2)));
  }
  return [...new Set(adapted.map((module) => ending(module, kinds.get(ending(module, 1))!.size > 1 ? 2 : 1)))];
}

/**
 * Reads an adapter that changes nothing but linear maps, for a base model of these weights (name → shape). Scales are folded into B.
 * @throws E_CONFIG where it is more than that, naming the weights: `readPeftChange` reads it, with the base model's values; else as that
 */
export async function readPeft(
  directory: string,
  shapes: ReadonlyMap<string, readonly number[]>,
  fused: Fused = new Map(),
): Promise<Adapter> {
  const refuse = (names: readonly string[]): never => {
    throw new AppError(
      "E_CONFIG",
      `${directory}: ${names.join(", ")}: more than a low-rank change of linear maps, which needs the base model's values: read it with readPeftChange`,
    );
  };
  const base = { shapes, fused, isSame: async () => false, valuesOf: async (name: string) => refuse([name]) };
  const { adapter, whole } = await readPeftChange(directory, base);
  if (whole.size > 0) refuse([...whole.keys()].slice(0, 10));
  return adapter;
}
