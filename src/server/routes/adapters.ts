/** @file vLLM's calls that load and unload adapters, as tools that were written for it send them. What is loaded is a specialisation. */
import { realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, resolve } from "node:path";
import { AppError } from "../../base/errors.ts";
import { readFileBounded } from "../../base/read-file.ts";
import { decodeUtf8 } from "../../base/utf8.ts";
import {
  parseSpecialization,
  requireSamePair,
  type Specialization,
  specializationLimits,
} from "../../pair/specialization.ts";
import { specializationFileName } from "../../pair/specialization-file.ts";
import { LoadAdapterRequest, UnloadAdapterRequest } from "../api/schemas.ts";
import { readBody } from "../body.ts";
import type { RouteContext, Services } from "../services.ts";
import { isName, requireName } from "../store/names.ts";
import { removeName } from "./specializations.ts";

/** Loads a specialisation that lies in the folder of `--adapters`. As vLLM, it replaces what has the name only where that is asked for. */
export async function load(c: RouteContext, { store, pair, adapters, models }: Services): Promise<Response> {
  const { lora_name: name, lora_path: path, load_inplace: inPlace } = await readBody(c, LoadAdapterRequest);
  if (adapters === undefined)
    throw new AppError(
      "E_USAGE",
      "load_lora_adapter: no folder was opened for it; start the service with --adapters DIR",
    );
  if (name === "" || path === "") throw new AppError("E_USAGE", "Both 'lora_name' and 'lora_path' must be provided.");
  requireSmall(name);
  if (name === models.base)
    throw new AppError("E_USAGE", `The lora adapter '${name}' conflicts with a served base model.`);
  const { tenant } = c.var.caller;
  if (inPlace !== true && (await isThere(store.get(tenant, name))))
    throw new AppError(
      "E_USAGE",
      `The lora adapter '${name}' has already been loaded. If you want to load the adapter in place, set 'load_inplace' to True.`,
    );
  const content = await readAdapter(adapters, path);
  requireSamePair("lora_path", content, pair);
  await store.put(tenant, name, content);
  return c.text(`Success: LoRA adapter '${name}' added successfully.`);
}

export async function unload(c: RouteContext, services: Services): Promise<Response> {
  const { lora_name: name } = await readBody(c, UnloadAdapterRequest);
  if (name === "") throw new AppError("E_USAGE", "'lora_name' needs to be provided to unload a LoRA adapter.");
  const { tenant } = c.var.caller;
  if (!isName(name) || !(await isThere(services.store.get(tenant, name))))
    throw new AppError("E_NOT_FOUND", `The lora adapter '${name.slice(0, 80)}' cannot be found.`);
  await removeName(services, tenant, name);
  return c.text(`Success: LoRA adapter '${name}' removed successfully.`);
}

/** Names of vLLM may have large letters; a name here is a file's too, and some file systems take A for a. */
function requireSmall(name: string): void {
  const small = name.toLowerCase();
  if (isName(name) || !isName(small)) return void requireName(name);
  throw new AppError("E_USAGE", `lora_name: names here have small letters only: expected "${small}", found "${name}"`);
}

const isNotFound = (error: unknown): boolean => error instanceof AppError && error.code === "E_NOT_FOUND";

const isThere = (found: Promise<unknown>): Promise<boolean> =>
  found.then(
    () => true,
    (error: unknown) => {
      if (isNotFound(error)) return false;
      throw error;
    },
  );

/**
 * A specialisation's folder or file. Relative paths begin in the folder of adapters; absolute ones, and what links lead to, have to end
 * there. Whoever asks is not told what else this machine has.
 * @throws E_USAGE for what lies outside; E_NOT_FOUND, E_FORMAT
 */
async function readAdapter(adapters: string, path: string): Promise<Specialization> {
  const what = `lora_path ${JSON.stringify(path.slice(0, 200))}`;
  const outside = new AppError("E_USAGE", `${what}: expected a path inside the folder of adapters`);
  const missing = new AppError(
    "E_NOT_FOUND",
    `${what}: No adapter found: expected a folder of the folder of adapters with ${specializationFileName}, as loragen specialize writes it`,
  );
  if (path.includes("\0")) throw outside;
  const root = resolve(adapters);
  const real = await realpath(root).catch(() => root);
  const asked = isAbsolute(path) ? resolve(path) : resolve(root, path);
  if (!isInside(root, asked) && !isInside(real, asked)) throw outside;
  const follow = async (to: string): Promise<string> => {
    const found = await realpath(to).catch(() => {
      throw missing;
    });
    if (!isInside(real, found)) throw outside;
    return found;
  };
  const found = await follow(asked);
  const isFolder = await stat(found).then((each) => each.isDirectory());
  const file = isFolder ? await follow(join(found, specializationFileName)) : found;
  const bytes = await readFileBounded(file, specializationLimits.fileBytes).catch((error: unknown) => {
    if (error instanceof AppError)
      throw new AppError(error.code, error.message.replaceAll(file, what), { cause: error });
    throw error;
  });
  return parseSpecialization(decodeUtf8(bytes, what), what);
}

/** Whether a path is that of a folder or lies in it. */
function isInside(folder: string, path: string): boolean {
  const from = relative(folder, path);
  return !isAbsolute(from) && from.split(/[\\/]/)[0] !== "..";
}
