/** @file The `config.json` of a Hugging Face directory. */
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { readJsonFile } from "../base/json-file.ts";
import type { ModelConfig } from "./config.ts";
import { parseModelConfig } from "./config-json.ts";
import { configText } from "./config-text.ts";

/**
 * Reads and checks `config.json`.
 * @throws E_NOT_FOUND; E_ARCHITECTURE for an unknown `model_type` or a variant we do not have; E_FORMAT for a malformed file;
 * E_CONFIG for sizes that do not fit each other
 */
export async function readModelConfig(directory: string): Promise<ModelConfig> {
  const path = join(directory, "config.json");
  return parseModelConfig(path, await readJsonFile(path, z.looseObject({})));
}

/** Writes `config.json` into a folder, atomically. Throws E_IO. */
export async function writeConfigFile(directory: string, json: Readonly<Record<string, unknown>>): Promise<void> {
  await writeFileAtomic(join(directory, "config.json"), configText(json));
}
