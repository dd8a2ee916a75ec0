/**
 * @file Contents that no name pointed to, kept in a bucket for a while longer: another machine may be about to name one, and for as long as
 * such a thing can take it can be brought back.
 *
 * Each copy has a key of its own. Machines that collect at the same time do not remove each other's.
 */
import { randomUUID } from "node:crypto";
import { sha256 } from "../../base/hash.ts";
import { Sha256 } from "../../base/sha256.ts";
import { decodeUtf8 } from "../../base/utf8.ts";
import { specializationLimits } from "../../pair/specialization.ts";
import { isHash, jsonFiles, objectPath } from "./files.ts";
import type { Storage, StoredFile, Writer } from "./storage.ts";

export function contentsAsideOf(storage: Storage) {
  const prefixOf = (object: string) => `aside/${Sha256.parse(object)}`;
  const { fileBytes } = specializationLimits;
  return {
    /** `name` is the content's hash. */
    list: async () =>
      (await jsonFiles(storage, "aside/")).flatMap(({ folder, name, ...file }) => {
        const object = name.replace(/-.*$/, "");
        return folder === "aside/" && isHash(object) ? [{ ...file, name: object }] : [];
      }),
    /** Stores it again. Resolves with what was found, which may be damaged; undefined: nothing. */
    async bringBack(object: string): Promise<StoredFile | undefined> {
      if (storage.graceMs === 0) return undefined;
      let damaged: StoredFile | undefined;
      for (const { key } of await storage.list(prefixOf(object))) {
        const file = await storage.read(key, fileBytes);
        if (file === undefined) continue;
        if (sha256(file.bytes) === object) {
          await storage.change((writer) => writer.put(objectPath(object), decodeUtf8(file.bytes, key)));
          return file;
        }
        damaged = file;
      }
      return damaged;
    },
    /** Returns whether there was a content to copy. */
    async put(writer: Writer, object: string): Promise<boolean> {
      const file = await storage.readNow(objectPath(object), fileBytes);
      if (file === undefined) return false;
      await writer.put(`${prefixOf(object)}-${randomUUID()}.json`, decodeUtf8(file.bytes, objectPath(object)));
      return true;
    },
  };
}
