/** @file The files of a Hugging Face directory that go with its tokenizer, which follow the weights into every directory made from them. */
import { copyFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ioError } from "../base/io-error.ts";

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

/** Copies each from the first source that has it. Throws E_IO. */
export async function copyTokenizer(directory: string, sources: readonly (string | undefined)[]): Promise<void> {
  for (const name of names) {
    for (const source of sources) {
      if (source === undefined || !(await isFile(join(source, name)))) continue;
      const copy = join(directory, name);
      await copyFile(join(source, name), copy).catch((error: unknown) => {
        throw ioError(error, "write", copy);
      });
      break;
    }
  }
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
