/** @file The tensors of a text model inside a model with more senses, under the names they have when it stands alone. */
import type { SafetensorsModel } from "../files/safetensors-model.ts";

/** What stands in front of a text model's names, and what it stands for: as transformers wrote it before version 4.52, and since. */
const wrappings = [
  { prefix: "language_model.", plain: "" },
  { prefix: "model.language_model.", plain: "model." },
] as const;

/** The same files; tensors whose names are wrapped are found by their plain names too. */
export function textTensors(model: SafetensorsModel): SafetensorsModel {
  const tensors = new Map(model.tensors);
  for (const [name, tensor] of model.tensors)
    for (const { prefix, plain } of wrappings) {
      const alone = `${plain}${name.slice(prefix.length)}`;
      if (name.startsWith(prefix) && !tensors.has(alone)) tensors.set(alone, tensor);
    }
  return { ...model, tensors };
}
