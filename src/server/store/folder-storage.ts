/** @file A store's files in a folder. One process at a time writes, which a lock file sees to; readers need no lock. */
import { readdir, rm } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { writeFileAtomic } from "../../base/atomic-file.ts";
import { AppError } from "../../base/errors.ts";
import { ensureFolder, isFolder } from "../../base/folder.ts";
import { sha256 } from "../../base/hash.ts";
import { ioError } from "../../base/io-error.ts";
import { takeLock } from "../../base/lock.ts";
import { readFileBounded } from "../../base/read-file.ts";
import type { ListedFile, Read, Storage, Writer } from "./storage.ts";

const lockName = "store.lock";
const isBusy = "the store is being written to by another process";
const lockLimits = { tries: 1000, waitMs: 20 } as const;

/** In every store from its beginning. */
const folders = ["objects", "names"] as const;

/** The folder is made if it is not there. Throws E_IO. */
export async function openFolder(folder: string, sleep: (ms: number) => Promise<void>): Promise<Storage> {
  for (const name of folders) await ensureFolder(join(folder, name));
  const pathOf = (key: string) => join(folder, ...key.split("/"));

  /** A folder that was moved away, or is not mounted, is no empty store: nothing is missed in it, or written into what is in its place. */
  async function check(): Promise<void> {
    for (const name of folders)
      if (!(await isFolder(join(folder, name)))) throw new AppError("E_IO", "the store's folder is gone");
  }
  /** Whoever asks over HTTP is not told where the store lies. */
  async function told<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof AppError) || !error.message.includes(folder)) throw error;
      const message = error.message.replaceAll(`${folder}${sep}`, "the store's ").replaceAll(folder, "the store");
      throw new AppError(error.code, message, { cause: error });
    }
  }

  let queue: Promise<unknown> = Promise.resolve();
  /** One change at a time, in this process and beside others. */
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const result = queue.then(async () => {
      await check();
      const release = await told(lock());
      try {
        return await work();
      } finally {
        await release();
      }
    });
    queue = result.catch(() => undefined);
    return result;
  }
  async function lock(): Promise<() => Promise<void>> {
    for (let tries = 1; ; tries++) {
      try {
        return await takeLock(join(folder, lockName), () => isBusy);
      } catch (error) {
        if (!(error instanceof AppError) || error.message !== isBusy || tries === lockLimits.tries) throw error;
        await sleep(lockLimits.waitMs);
      }
    }
  }

  const read: Read = async (key, maxBytes) => {
    try {
      const bytes = await told(readFileBounded(pathOf(key), maxBytes));
      return { bytes, tag: sha256(bytes) };
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "E_NOT_FOUND") throw error;
      await check();
      return undefined;
    }
  };

  async function list(prefix: string): Promise<ListedFile[]> {
    const path = pathOf(prefix);
    try {
      const entries = await readdir(path, { withFileTypes: true });
      const found = await Promise.all(
        entries
          .sort((a, b) => (a.name < b.name ? -1 : 1))
          .filter(({ name }) => !name.startsWith(".")) // being written, or left half-written
          .map(async (entry) => {
            const key = `${prefix}${entry.name}`;
            const isInside = entry.isDirectory() || (entry.isSymbolicLink() && (await isFolder(pathOf(key))));
            return isInside ? list(`${key}/`) : [{ key }];
          }),
      );
      return found.flat();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw ioError(error, "read", path);
      await check();
      return [];
    }
  }

  const put: Writer["put"] = async (key, content) => {
    await told(ensureFolder(dirname(pathOf(key))));
    await told(writeFileAtomic(pathOf(key), content));
  };
  const writer: Writer = {
    put,
    async swap(key, content, tag) {
      if ((await read(key, Number.MAX_SAFE_INTEGER))?.tag !== tag) return false;
      await put(key, content);
      return true;
    },
    async remove(key) {
      const removing = rm(pathOf(key), { force: true }).catch((error: unknown) => {
        throw ioError(error, "write", pathOf(key));
      });
      await told(removing);
    },
    async removeSame(key) {
      await writer.remove(key); // nobody else writes meanwhile
      return true;
    },
  };

  return {
    read,
    readNow: read,
    list: (prefix) => told(list(prefix)),
    change: (work) => alone(() => work(writer)),
    graceMs: 0,
    check,
  };
}
