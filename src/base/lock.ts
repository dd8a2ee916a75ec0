/** @file A lock file: while one process works on something, others keep away from it. A lock whose process is gone is nobody's. */
import { link, rm, writeFile } from "node:fs/promises";
import { AppError } from "./errors.ts";
import { ioError } from "./io-error.ts";
import { isRunning, startOf } from "./process-identity.ts";
import { readFileBounded } from "./read-file.ts";
import { sweepTemporary, temporaryPath } from "./temporary-name.ts";

/** How often a lock may turn out to be nobody's, or another's, before it is given up. */
const maxTries = 8;
const maxBytes = 4096;

/**
 * Takes the lock at `path`. Returns how it is released.
 * @param busy what to say where a running process holds it
 * @throws E_IO with that, or where no lock can be written
 */
export async function takeLock(path: string, busy: (processId: number) => string): Promise<() => Promise<void>> {
  const text = `${process.pid} ${await startOf(process.pid)}`;
  const release = () => rm(path, { force: true });
  try {
    await sweepTemporary(path);
    for (let tries = 0; tries < maxTries; tries++) {
      if (await place(path, text)) return release;
      const holder = await holderOf(path);
      if (typeof holder === "number") throw new AppError("E_IO", busy(holder));
      if (holder === "nobody") await removeAbandoned(path, busy);
    }
    if (await place(path, text)) return release;
  } catch (error) {
    throw ioError(error, "write", path);
  }
  throw new AppError("E_IO", `cannot write ${path}: other processes are taking it`);
}

/** Makes the lock appear with its content, for an empty one is nobody's; false where there is one already. */
async function place(path: string, text: string): Promise<boolean> {
  const temporary = await temporaryPath(path);
  try {
    await writeFile(temporary, text, { flag: "wx" });
    await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") throw error;
      return writeFile(path, text, { flag: "wx" }); // a file system without links: there it is empty for a moment
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Removes a lock that is nobody's. One process at a time looks and removes, by a lock of its own: another one that looked before would remove
 * the lock that was taken since. It takes the lock next, so the others are told that it holds it.
 */
async function removeAbandoned(path: string, busy: (processId: number) => string): Promise<void> {
  const end = await takeLock(`${path}.removal`, busy);
  try {
    if ((await holderOf(path)) === "nobody") await rm(path, { force: true });
  } finally {
    await end();
  }
}

/** The process that holds a lock; undefined where there is no lock (any more). */
async function holderOf(path: string): Promise<number | "nobody" | undefined> {
  const found = await contentOf(path);
  return found === undefined ? undefined : ((await runningHolder(found)) ?? "nobody");
}

/** Undefined where there is no lock (any more). */
async function contentOf(path: string): Promise<string | undefined> {
  try {
    return Buffer.from(await readFileBounded(path, maxBytes)).toString("utf8");
  } catch (error) {
    if (error instanceof AppError && error.code === "E_NOT_FOUND") return undefined;
    throw error;
  }
}

/** The process that holds a lock; undefined where it ended, also where another one has its number by now. */
async function runningHolder(text: string): Promise<number | undefined> {
  const [, id, started] = /^(\d{1,10}) (.*)$/.exec(text) ?? [];
  const processId = Number(id);
  if (id === undefined || processId === 0 || !isRunning(processId)) return undefined;
  return ((await startOf(processId)) ?? started) === started ? processId : undefined;
}
