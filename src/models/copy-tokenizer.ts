/** @file The files of a tokenizer, which follow the weights into every Hugging Face directory made from them. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ensureFolder } from "../base/folder.ts";
import { writeJsonFile } from "../base/json-file.ts";
import { copyRegularFile } from "../base/read-file.ts";
import { readTokenizer, tokenizerWithin } from "../text/tokenizer-file.ts";

const names = [
  "tokenizer.json",
  "tokenizer_config.json",
  "tokenizer.model",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "chat_template.jinja",
  "generation_config.json",
] as const;

/** Writes each from the first source that has it: a directory, or a GGUF file, whose metadata is translated. Throws E_IO, and as `readTokenizer`. */
export async function copyTokenizer(directory: string, sources: readonly (string | undefined)[]): Promise<void> {
  await ensureFolder(directory);
  const missing = new Set<string>(names);
  for (const source of sources) {
    if (source === undefined) continue;
    const within = await tokenizerWithin(source);
    if (within !== undefined) {
      if (missing.has("tokenizer.json")) await writeTokenizer(directory, within);
      return; // no part of another one goes with it
    }
    for (const name of [...missing]) {
      if (!(await isFile(join(source, name)))) continue;
      await copyRegularFile(join(source, name), join(directory, name));
      missing.delete(name);
    }
  }
}

async function writeTokenizer(directory: string, path: string): Promise<void> {
  const { json, config } = await readTokenizer(path);
  await writeJsonFile(join(directory, "tokenizer.json"), json);
  await writeJsonFile(join(directory, "tokenizer_config.json"), config);
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
