/** @file The log on disk: JSON lines, written as answers come, read back whole. */
import { type FileHandle, open } from "node:fs/promises";
import { AppError } from "../base/errors.ts";
import { ioError } from "../base/io-error.ts";
import { checkSchema } from "../base/json.ts";
import { takeLock } from "../base/lock.ts";
import { withRegularFile } from "../base/read-file.ts";
import { mendJsonl, readJsonl } from "../files/jsonl.ts";
import { LogLine } from "./log.ts";

/** Limits for untrusted files. */
export const logLimits = { lineBytes: 4 * 2 ** 20, fileBytes: 4 * 2 ** 30 } as const;

/** Reads logs in the given order. Throws E_NOT_FOUND, E_IO, E_LIMIT, or E_FORMAT naming file, line and key. */
export async function readLogs(paths: readonly string[]): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for (const path of paths) {
    let at = 0;
    const options = { maxLineBytes: logLimits.lineBytes, maxExpandedBytes: logLimits.fileBytes };
    for await (const value of readJsonl(path, options))
      lines.push(checkSchema(value, LogLine, { what: `${path}:${++at}` }));
  }
  return lines;
}

export type OpenLog = AsyncDisposable & {
  /** What stood in it already. */
  readonly lines: readonly LogLine[];
  append(line: LogLine): Promise<void>;
};

/**
 * Opens a log to go on with it; a line that a killed writer left half done is removed. Until it is closed, no other process may: their
 * lines would mix, and both would ask the same questions.
 * @throws as `readLogs`; E_IO where another process writes to it
 */
export async function openLog(path: string): Promise<OpenLog> {
  const lock = `${path}.lock`;
  const release = await takeLock(lock, (id) => `${path}: process ${id} is writing to it; if not, delete ${lock}`);
  try {
    const log = await openUnlocked(path);
    return {
      ...log,
      async [Symbol.asyncDispose]() {
        await log[Symbol.asyncDispose]();
        await release();
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

async function openUnlocked(path: string): Promise<OpenLog> {
  let file: FileHandle;
  try {
    await withRegularFile(path, async () => undefined).catch((error: unknown) => {
      if (!(error instanceof AppError) || error.code !== "E_NOT_FOUND") throw error; // a pipe would be waited for
    });
    file = await open(path, "a");
  } catch (error) {
    throw ioError(error, "write", path);
  }
  try {
    await mendJsonl(path);
    const lines = await readLogs([path]);
    return {
      lines,
      async append(line) {
        try {
          await file.appendFile(`${JSON.stringify(line)}\n`);
        } catch (error) {
          throw ioError(error, "write", path);
        }
      },
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
