/** @file What a model is called, for those who have it from elsewhere: never where it lies on this machine. */
import { basename, resolve } from "node:path";
import { openGguf } from "../files/gguf/read.ts";
import { isGguf } from "../text/tokenizer-file.ts";
import { parseHubId } from "./id.ts";

const longestName = 200;

/** `owner/name` of an id of the hub; undefined for anything else. */
export function repositoryOf(id: string): string | undefined {
  const parsed = parseHubId(id);
  return parsed && `${parsed.owner}/${parsed.name}`;
}

/**
 * The repository in whose folder of Hugging Face's cache a model lies, or the name that a GGUF file says
 * (`general.name`); else the name of the file or folder itself. `_name_or_path` in `config.json` is not asked: it says
 * what a model was loaded from, which for one trained further is another model.
 */
export async function publishedName(path: string): Promise<string> {
  const cached = /(?:^|[/\\])models--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\]/.exec(resolve(path));
  const inCache = cached === null ? undefined : repositoryOf(`${cached[1]}/${cached[2]}`);
  return inCache ?? (await (isGguf(path) ? nameInGguf(path) : undefined)) ?? nameOfFile(path);
}

async function nameInGguf(path: string): Promise<string | undefined> {
  const name = (await openGguf(path)).metadata.get("general.name")?.value;
  return typeof name === "string" ? plain(name) : undefined;
}

const nameOfFile = (path: string): string => basename(resolve(path)).replace(/\.gguf$/i, "") || "model";

/** One printable line without the folders that tools put in front of a name; undefined where nothing is left. */
function plain(name: string): string | undefined {
  if (repositoryOf(name) !== undefined) return name;
  const last = name.replace(/\p{C}/gu, " ").split(/[/\\]/).at(-1)!.trim().slice(0, longestName);
  return last === "" ? undefined : last;
}
