/** @file How a model's weights lie in a checkpoint: inside a model with more senses, or several linear maps in one tensor. */
import type { LocatedTensor, SafetensorsModel } from "../files/safetensors-model.ts";
import { type Fused, joinValues } from "../lora/fused.ts";
import { architectures } from "./architectures/index.ts";
import type { ModelConfig } from "./config.ts";
import { linearName, parameterShapes } from "./parameters.ts";
import { requireWeight } from "./safetensors-weight.ts";

/** What stands in front of a text model's names, and what it stands for: as transformers wrote it before version 4.52, and since. */
const wrappings = [
  { prefix: "language_model.", plain: "" },
  { prefix: "model.language_model.", plain: "model." },
] as const;

/**
 * The same files; weights that are called or stored otherwise there are found by their own names too.
 * @throws E_FORMAT, E_SHAPE, E_DTYPE for a missing or wrong tensor of several maps; `where` names the folder
 */
export const asParameters = (where: string, config: ModelConfig, model: SafetensorsModel): SafetensorsModel =>
  withSplit(where, config, withPlainNames(model));

function withPlainNames(model: SafetensorsModel): SafetensorsModel {
  const tensors = new Map(model.tensors);
  for (const [name, tensor] of model.tensors)
    for (const { prefix, plain } of wrappings) {
      const alone = `${plain}${name.slice(prefix.length)}`;
      if (name.startsWith(prefix) && !tensors.has(alone)) tensors.set(alone, tensor);
    }
  return { ...model, tensors };
}

/** Rows of a tensor are a place in its file like a tensor. */
function withSplit(where: string, config: ModelConfig, model: SafetensorsModel): SafetensorsModel {
  const tensors = new Map(model.tensors);
  const shapes = parameterShapes(config);
  for (const { name, shape, parts } of checkpointTensors(config)) {
    if (parts.length === 1) continue;
    const whole = tensors.get(name);
    requireWeight(whole?.path ?? where, whole, name, shape);
    let offset = whole.offset;
    for (const part of parts) {
      const own = shapes.get(part)!;
      const bytes = (whole.bytes / shape[0]!) * own[0]!;
      tensors.set(part, { ...whole, name: part, shape: [...own], offset, bytes } satisfies LocatedTensor);
      offset += bytes;
    }
  }
  return { ...model, tensors };
}

/** A tensor of a checkpoint. */
export type CheckpointTensor = {
  readonly name: string;
  readonly shape: readonly number[];
  /** The weights of ours whose rows it holds, one behind the other: itself, but for tensors of several maps. */
  readonly parts: readonly string[];
};

/** All tensors of a model as transformers stores it, in their order. */
export function checkpointTensors(config: ModelConfig): CheckpointTensor[] {
  const { fused = {}, layers } = architectures[config.modelType];
  const shapes = parameterShapes(config);
  const wholes = new Map<string, CheckpointTensor>();
  for (let layer = 0; layer < config.layers; layer++)
    for (const [name, maps] of Object.entries(fused)) {
      const parts = maps.map((map) => `${linearName(config, layer, map)}.weight`);
      const rows = parts.reduce((sum, part) => sum + shapes.get(part)![0]!, 0);
      const whole = { name: `${layers}.${layer}.${name}.weight`, shape: [rows, shapes.get(parts[0]!)![1]!], parts };
      for (const part of parts) wholes.set(part, whole);
    }
  const tensors = [...shapes].map(([name, shape]) => wholes.get(name) ?? { name, shape, parts: [name] });
  return tensors.filter((tensor, i) => tensor !== tensors[i - 1]);
}

/** The tensors of several maps, as adapters name them. */
export function fusedWeights(config: ModelConfig): Fused {
  const shapes = parameterShapes(config);
  const wholes = checkpointTensors(config).filter(({ parts }) => parts.length > 1);
  return new Map(
    wholes.map(({ name, parts }) => [name, parts.map((part) => ({ name: part, rows: shapes.get(part)![0]! }))]),
  );
}

/** The values of a checkpoint's tensor: those of its parts, joined. */
export async function joinParts(
  { parts }: CheckpointTensor,
  read: (name: string) => Promise<Float32Array>,
): Promise<Float32Array> {
  const values: Float32Array[] = [];
  for (const part of parts) values.push(await read(part));
  return values.length === 1 ? values[0]! : joinValues(values);
}
