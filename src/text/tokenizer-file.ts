/** @file A tokenizer read from a Hugging Face directory: `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja`. */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { readJsonFile } from "../base/json-file.ts";
import { readFileBounded } from "../base/read-file.ts";
import { decodeUtf8 } from "../base/utf8.ts";
import { templateLimits } from "./bounded-template.ts";
import { createTokenizer, type Tokenizer } from "./tokenizer.ts";
import { tokenizerLimits } from "./tokenizer-json.ts";

export { createTokenizer, type Tokenizer } from "./tokenizer.ts";

/** Reads the tokenizer of a model directory. Throws E_NOT_FOUND, E_IO, E_LIMIT or E_FORMAT. */
export async function loadTokenizer(directory: string): Promise<Tokenizer> {
  const name = join(directory, "tokenizer.json");
  const configName = join(directory, "tokenizer_config.json");
  const json = await readJsonFile(name, z.unknown(), tokenizerLimits);
  const config = await readJsonFile(configName, z.unknown(), tokenizerLimits);
  const templateName = join(directory, "chat_template.jinja");
  const template = await readOptionalFile(templateName, 4 * templateLimits.length);
  return createTokenizer(json, config, { name, configName, template, templateName });
}

async function readOptionalFile(path: string, maxBytes: number): Promise<string | undefined> {
  try {
    return decodeUtf8(await readFileBounded(path, maxBytes), path);
  } catch (error) {
    if (error instanceof AppError && error.code === "E_NOT_FOUND") return undefined;
    throw error;
  }
}
