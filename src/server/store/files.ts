/** @file What a store's files are called. */
import { Sha256 } from "../../base/sha256.ts";
import type { Storage } from "./storage.ts";

export const isHash = (name: string): boolean => Sha256.safeParse(name).success;

export const objectPath = (object: string): string => `objects/${Sha256.parse(object)}.json`;

/** Keys of JSON files below a prefix, with what stands between their last "/" and ".json". */
export const jsonFiles = async (storage: Storage, prefix: string) =>
  (await storage.list(prefix)).flatMap(({ key, changedMs }) => {
    const [, folder, name] = /^(.*\/)([^/.][^/]*)\.json$/.exec(key) ?? [];
    return name === undefined || folder === undefined ? [] : [{ key, folder, name, changedMs }];
  });
