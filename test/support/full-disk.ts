/** @file A disk without room: from a given write on every call of the system that takes room fails as on a full disk. Needs no rights. */
import { promises } from "node:fs";
import { syncBuiltinESMExports } from "node:module";

type FileHandle = promises.FileHandle;

export type FullDisk = Disposable & {
  /** The next `writes` succeed, and no more. */
  leave(writes: number): void;
  /** There is room again. Returns how many writes were refused. */
  free(): number;
};

const full = (syscall: string) =>
  Object.assign(new Error(`ENOSPC: no space left on device, ${syscall}`), { code: "ENOSPC", errno: -28, syscall });

/** Names, links and folders take room as contents do. A content that finds no room is written up to its half. */
export function fullDisk(): FullDisk {
  const own = { ...promises };
  let left = Number.POSITIVE_INFINITY;
  let refused = 0;
  const take = (syscall: string): void => {
    if (--left >= 0) return;
    refused++;
    throw full(syscall);
  };
  const handleOf = (file: FileHandle): FileHandle => {
    const { writeFile, sync } = file;
    file.writeFile = async (data, options) => {
      try {
        take("write");
      } catch (error) {
        await writeFile.call(file, half(data as string | Uint8Array), options);
        throw error;
      }
      await writeFile.call(file, data, options);
    };
    file.sync = async () => {
      take("fsync");
      await sync.call(file);
    };
    return file;
  };
  const changes: Partial<typeof promises> = {
    async open(path, flags, mode) {
      const writes = typeof flags === "string" && /[wa+]/.test(flags);
      if (writes) take("open");
      const file = await own.open(path, flags, mode);
      return writes ? handleOf(file) : file;
    },
    async writeFile(path, data, options) {
      take("open");
      try {
        take("write");
      } catch (error) {
        await own.writeFile(path, half(data as string | Uint8Array), options);
        throw error;
      }
      await own.writeFile(path, data, options);
    },
    async rename(from, to) {
      take("rename");
      await own.rename(from, to);
    },
    async link(from, to) {
      take("link");
      await own.link(from, to);
    },
    mkdir: (async (path: string, options?: { recursive: boolean }) => {
      take("mkdir");
      return own.mkdir(path, options);
    }) as typeof promises.mkdir,
  };
  const put = (what: Partial<typeof promises>): void => {
    Object.assign(promises, what);
    syncBuiltinESMExports(); // who imported them by name gets these
  };
  put(changes);
  return {
    leave(writes) {
      left = writes;
      refused = 0;
    },
    free() {
      left = Number.POSITIVE_INFINITY;
      return refused;
    },
    [Symbol.dispose]: () => put(own),
  };
}

const half = (data: string | Uint8Array): string | Uint8Array => data.slice(0, data.length / 2);
