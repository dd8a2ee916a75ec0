/** @file Which files of a repository reading its model takes. */
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { readJsonFile } from "../base/json-file.ts";
import { formatHubId, type HubId } from "./id.ts";

/** A whole model, or its tokenizer alone. */
export type HubPart = "model" | "tokenizer";

const tokenizerFiles = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"];
const configFiles = ["config.json", "generation_config.json"];
export const weightFile = "model.safetensors";
export const indexFile = `${weightFile}.index.json`;

export type Choice = {
  /** What says how the model is built and how text becomes tokens. */
  readonly files: readonly string[];
  /** The file of the weights, or the index of their shards. */
  readonly weights: readonly string[];
  /** Whether the weights are the shards of `indexFile`. */
  readonly isSharded: boolean;
  /** The one GGUF file, where that is the model. */
  readonly gguf: string | undefined;
};

/** Throws E_NOT_FOUND where nothing can be read, E_USAGE where one of several GGUF files must be named. */
export function chooseFiles(id: HubId, names: readonly string[], part: HubPart): Choice {
  const what = formatHubId(id);
  const has = new Set(names);
  const present = (wanted: readonly string[]) => wanted.filter((name) => has.has(name));
  if (id.file !== undefined) {
    if (!has.has(id.file)) throw new AppError("E_NOT_FOUND", `${what}: has no such file`);
    return { files: [], weights: [id.file], isSharded: false, gguf: id.file };
  }
  if (part === "tokenizer") {
    if (has.has("tokenizer.json"))
      return { files: present(tokenizerFiles), weights: [], isSharded: false, gguf: undefined };
    if (!names.some((name) => name.endsWith(".gguf")))
      throw new AppError("E_NOT_FOUND", `${what}: has no tokenizer.json and no GGUF file`);
  }
  const weights = part === "tokenizer" ? undefined : present([weightFile, indexFile])[0];
  if (weights !== undefined)
    return {
      files: present([...configFiles, ...tokenizerFiles]),
      weights: [weights],
      isSharded: weights === indexFile,
      gguf: undefined,
    };
  const gguf = names.filter((name) => name.endsWith(".gguf"));
  if (gguf.length === 1) return { files: [], weights: gguf, isSharded: false, gguf: gguf[0] };
  if (gguf.length > 1)
    throw new AppError("E_USAGE", `${what}: name one of its GGUF files, as ${what}:${gguf[0]}; found ${list(gguf)}`);
  const others = names.filter((name) => /\.(bin|pt|pth|h5|msgpack|onnx|safetensors)$/.test(name));
  throw new AppError("E_NOT_FOUND", `${what}: expected ${weightFile}, its index or a GGUF file, found ${list(others)}`);
}

const Index = z.object({ weight_map: z.record(z.string(), z.string().max(200)) });

/** The shards that a folder's index names. Throws E_FORMAT. */
export async function shardsOf(folder: string): Promise<string[]> {
  const path = join(folder, indexFile);
  const { weight_map: weights } = await readJsonFile(path, Index);
  const shards = [...new Set(Object.values(weights))].sort();
  const wrong = shards.find((shard) => !/^[A-Za-z0-9][\w.-]*\.safetensors$/.test(shard));
  if (wrong !== undefined)
    throw new AppError("E_FORMAT", `${path}: ${JSON.stringify(wrong)} is not the plain name of a safetensors file`);
  return shards;
}

const list = (names: readonly string[]): string =>
  names.length === 0 ? "none" : names.length > 8 ? `${names.slice(0, 8).join(", ")}, …` : names.join(", ");
