/** @file The log on disk: JSON lines, written as answers come, read back whole. */
import { type FileHandle, open } from "node:fs/promises";
import { AppError } from "../base/errors.ts";
import { ioError } from "../base/io-error.ts";
import { checkSchema } from "../base/json.ts";
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

/** Opens a log to go on with it; a line that a killed writer left half done is removed. Throws as `readLogs`. */
export async function openLog(path: string): Promise<OpenLog> {
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
