/** @file What a model is called, for those who have it from elsewhere: never where it lies on this machine. */
import { basename, resolve } from "node:path";
import { z } from "zod";
import { readJsonFile } from "../base/json-file.ts";
import { openGguf } from "../files/gguf/read.ts";
import { isGguf } from "../text/tokenizer-file.ts";
import { parseHubId } from "./id.ts";

const Config = z.looseObject({ _name_or_path: z.string().optional() });
const longestName = 200;

/** `owner/name` of an id of the hub; undefined for anything else. */
export function repositoryOf(id: string): string | undefined {
  const parsed = parseHubId(id);
  return parsed && `${parsed.owner}/${parsed.name}`;
}

/**
 * The repository in whose folder of Hugging Face's cache a model lies, or the name that its own files say: `general.name` of a GGUF file, the id
 * that transformers kept in `config.json`; else the name of the file or folder itself.
 */
export async function publishedName(path: string): Promise<string> {
  const cached = /(?:^|[/\\])models--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\]/.exec(resolve(path));
  const inCache = cached === null ? undefined : repositoryOf(`${cached[1]}/${cached[2]}`);
  return inCache ?? (await (isGguf(path) ? nameInGguf(path) : nameInConfig(path))) ?? nameOfFile(path);
}

async function nameInGguf(path: string): Promise<string | undefined> {
  const name = (await openGguf(path)).metadata.get("general.name")?.value;
  return typeof name === "string" ? plain(name) : undefined;
}

async function nameInConfig(path: string): Promise<string | undefined> {
  const config = await readJsonFile(`${path}/config.json`, Config).catch(() => undefined); // the name of the folder will do
  return repositoryOf(config?._name_or_path ?? "");
}

const nameOfFile = (path: string): string => basename(resolve(path)).replace(/\.gguf$/i, "") || "model";

/** One printable line without the folders that tools put in front of a name; undefined where nothing is left. */
function plain(name: string): string | undefined {
  if (repositoryOf(name) !== undefined) return name;
  const last = name.replace(/\p{C}/gu, " ").split(/[/\\]/).at(-1)!.trim().slice(0, longestName);
  return last === "" ? undefined : last;
}
