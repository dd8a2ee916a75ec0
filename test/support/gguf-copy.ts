/** @file A model directory as one GGUF file, tokenizer included. */
import { ggufTokenizer } from "../../src/export/gguf-tokenizer.ts";
import { type GgufModelType, saveGgufModel } from "../../src/models/gguf/save.ts";
import { openModel } from "../../src/models/model-file.ts";

/** Writes the file; a tokenizer's directory left out: without one. */
export async function writeGgufCopy(
  path: string,
  directory: string,
  { tokenizer, type = "F32" }: { readonly tokenizer?: string; readonly type?: GgufModelType } = {},
): Promise<void> {
  const model = await openModel(directory);
  const about = tokenizer === undefined ? new Map() : await ggufTokenizer(tokenizer, model.config);
  await saveGgufModel(path, model, { type, about });
}
