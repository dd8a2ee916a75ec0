/** @file The tensors of an adapter by what PEFT's names for them mean. */
import type { SafetensorsFile, TensorInfo } from "../files/safetensors.ts";

/** What belongs to one adapted module. */
export type ModuleTensors = {
  /** (rank, in) and (out, rank); of an embedding (rank, tokens) and (width, rank). */
  A?: TensorInfo;
  B?: TensorInfo;
  isEmbedding: boolean;
  /** (out): added to what comes out, times the factor. */
  bias?: TensorInfo;
  /** (out): DoRA's lengths of rows. */
  magnitude?: TensorInfo;
  /** The weight itself and its bias, as they were when the adapter was saved. */
  baseWeight?: TensorInfo;
  baseBias?: TensorInfo;
};

export type PeftTensors = {
  readonly modules: ReadonlyMap<string, ModuleTensors>;
  /** Parameters of the base model saved whole, by their names there. */
  readonly whole: ReadonlyMap<string, TensorInfo>;
  /** Rows of a module's weight, each in place of one of the base model's. */
  readonly rows: ReadonlyMap<string, TensorInfo>;
  /** What is none of these. */
  readonly problems: readonly string[];
};

type Part = Exclude<keyof ModuleTensors, "isEmbedding">;

/** Endings behind the name of an adapted module. */
const endings: readonly (readonly [ending: string, part: Part, isEmbedding?: boolean])[] = [
  [".lora_A.weight", "A"],
  [".lora_B.weight", "B"],
  [".lora_embedding_A", "A", true],
  [".lora_embedding_B", "B", true],
  [".lora_B.bias", "bias"],
  [".lora_magnitude_vector", "magnitude"],
  [".lora_magnitude_vector.weight", "magnitude"],
  [".base_layer.weight", "baseWeight"],
  [".base_layer.bias", "baseBias"],
];

const prefix = "base_model.model.";
const rowsEnding = ".token_adapter.trainable_tokens_delta";
const floats: readonly string[] = ["F32", "F16", "BF16"];

/** Sorts a file's tensors. Nothing is read of them but names, types and shapes. */
export function groupTensors(file: SafetensorsFile): PeftTensors {
  const modules = new Map<string, ModuleTensors>();
  const whole = new Map<string, TensorInfo>();
  const rows = new Map<string, TensorInfo>();
  const problems: string[] = [];
  for (const info of file.tensors.values()) {
    const { name, dtype } = info;
    const path = name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
    if (!floats.includes(dtype)) problems.push(`${name}: of ${dtype}, expected F32, F16 or BF16`);
    else if (path === undefined) problems.push(`${name}: no part of a LoRA: its name does not begin with "${prefix}"`);
    else if (path.endsWith(rowsEnding)) rows.set(path.slice(0, -rowsEnding.length), info);
    else if (!putPart(modules, path, info, problems)) {
      if (/\.lora_|\.(default|original_module|modules_to_save)\./.test(path) || !/\.(weight|bias)$/.test(path))
        problems.push(`${name}: no part of a LoRA that PEFT would read; save it with \`save_pretrained\``);
      else whole.set(path, info);
    }
  }
  if (file.tensors.size === 0) problems.push("it has no tensors");
  return { modules, whole, rows, problems };
}

function putPart(modules: Map<string, ModuleTensors>, path: string, info: TensorInfo, problems: string[]): boolean {
  for (const [ending, part, isEmbedding = false] of endings) {
    if (!path.endsWith(ending)) continue;
    const module = path.slice(0, -ending.length);
    if (module.includes(".lora_")) return false;
    const found = modules.get(module) ?? { isEmbedding };
    if (found[part] !== undefined) problems.push(`${info.name}: the second ${part} of ${module}`);
    modules.set(module, { ...found, [part]: info, isEmbedding: found.isEmbedding || isEmbedding });
    return true;
  }
  return false;
}
