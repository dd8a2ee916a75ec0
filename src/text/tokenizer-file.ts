/** @file A tokenizer on disk: a Hugging Face directory (`tokenizer.json`, `tokenizer_config.json`, `chat_template.jinja`) or a GGUF file. */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { readJsonFile } from "../base/json-file.ts";
import { readFileBounded } from "../base/read-file.ts";
import { decodeUtf8 } from "../base/utf8.ts";
import { openGguf } from "../files/gguf/read.ts";
import { templateLimits } from "./bounded-template.ts";
import { hasGgufTokenizer, tokenizerOfGguf } from "./gguf-tokenizer.ts";
import { createTokenizer, type Tokenizer } from "./tokenizer.ts";
import { tokenizerLimits } from "./tokenizer-json.ts";

export { createTokenizer, type Tokenizer } from "./tokenizer.ts";

/** What the files of a tokenizer say, not yet checked; a GGUF file's metadata is translated into the same. */
export type TokenizerSource = {
  readonly json: unknown;
  readonly config: unknown;
  /** The text of `chat_template.jinja`, where there is one. */
  readonly template: string | undefined;
  /** Where each part is from, for messages. */
  readonly name: string;
  readonly configName: string;
  readonly templateName: string;
};

/** Whether a path names a GGUF file, in which model and tokenizer lie together. */
export const isGguf = (path: string): boolean => path.endsWith(".gguf");

/** Reads the tokenizer of a model directory or a GGUF file. Throws E_NOT_FOUND, E_IO, E_LIMIT, E_FORMAT or E_ARCHITECTURE. */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const { json, config, ...names } = await readTokenizer(path);
  return createTokenizer(json, config, names);
}

/** The parts that `loadTokenizer` puts together. Throws E_NOT_FOUND, E_IO, E_LIMIT, E_FORMAT or E_ARCHITECTURE. */
export async function readTokenizer(path: string): Promise<TokenizerSource> {
  if (isGguf(path)) {
    const { json, config } = tokenizerOfGguf((await openGguf(path)).metadata, path);
    return { json, config, template: undefined, name: path, configName: path, templateName: path };
  }
  const name = join(path, "tokenizer.json");
  const configName = join(path, "tokenizer_config.json");
  const templateName = join(path, "chat_template.jinja");
  return {
    json: await readJsonFile(name, z.unknown(), tokenizerLimits),
    config: await readJsonFile(configName, z.unknown(), tokenizerLimits),
    template: await readOptionalFile(templateName, 4 * templateLimits.length),
    name,
    configName,
    templateName,
  };
}

/** The path itself where a tokenizer lies in it beside the weights of a GGUF file. Throws as `openGguf`. */
export async function tokenizerWithin(path: string): Promise<string | undefined> {
  return isGguf(path) && hasGgufTokenizer((await openGguf(path)).metadata) ? path : undefined;
}

async function readOptionalFile(path: string, maxBytes: number): Promise<string | undefined> {
  try {
    return decodeUtf8(await readFileBounded(path, maxBytes), path);
  } catch (error) {
    if (error instanceof AppError && error.code === "E_NOT_FOUND") return undefined;
    throw error;
  }
}
