/** @file What a user may name a model by: a folder, a GGUF file, or an id of the hub. */
import { stat } from "node:fs/promises";
import { AppError } from "../base/errors.ts";
import { readModelConfig } from "../models/config-file.ts";
import type { HubPart } from "./choose.ts";
import { fetchModel, type HubOptions } from "./hub.ts";
import { parseHubId } from "./id.ts";

/** A name to the path of a folder or GGUF file on this machine. */
export type ResolveModel = (name: string, part?: HubPart) => Promise<string>;

/**
 * A path that exists is meant as such; else `owner/name[@revision][:file.gguf]` is looked up on the hub.
 * @throws as `fetchModel`; as `readModelConfig`, before the weights are downloaded, for a model whose `config.json` cannot be used
 */
export function createModelResolver(hub: HubOptions): ResolveModel {
  return async (name, part = "model") => {
    if (await exists(name)) return name;
    const id = parseHubId(name);
    if (id === undefined)
      throw new AppError(
        "E_NOT_FOUND",
        `${name}: no such folder, and no id of the hub (owner/name[@revision][:file.gguf])`,
      );
    try {
      return await fetchModel(id, { check: readModelConfig, ...hub }, part);
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "E_INTERRUPTED") throw error;
      throw new AppError(error.code, `no folder ${name} here; as a model of the hub: ${error.message}`, {
        cause: error,
      });
    }
  };
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
