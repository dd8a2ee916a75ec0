/** @file The file of keys: read when a service starts, and again when it has changed. */
import { stat } from "node:fs/promises";
import { ioError } from "../base/io-error.ts";
import { readJsonFile } from "../base/json-file.ts";
import { KeyFile } from "./keys.ts";

export type OpenedKeys = {
  readonly keys: KeyFile;
  /** The keys where the file is another than when it was looked at last, sound or not. Throws E_NOT_FOUND, E_CONFIG, E_FORMAT, E_IO: once for each file. */
  changed(): Promise<KeyFile | undefined>;
};

/** Throws E_NOT_FOUND; E_CONFIG, E_FORMAT for what is no file of keys. */
export async function openKeys(path: string): Promise<OpenedKeys> {
  const read = () => readJsonFile(path, KeyFile, { code: "E_CONFIG" });
  /** Looked at before it is read: what is written in between is another file. */
  let seen = await looksOf(path).catch(() => "");
  const keys = await read();
  return {
    keys,
    async changed() {
      const found = await looksOf(path).catch((error: unknown) => error);
      const looks = typeof found === "string" ? found : "";
      if (looks === seen) return undefined;
      seen = looks;
      if (looks === "") throw ioError(found, "read", path);
      return read();
    },
  };
}

/** A file that is written again, or replaced by another, looks another way. */
async function looksOf(path: string): Promise<string> {
  const { mtimeNs, size, ino } = await stat(path, { bigint: true });
  return `${mtimeNs} ${size} ${ino}`;
}
