/** @file Exports to take away: made in a temporary folder, streamed as a tar archive, and deleted. */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { readChunks } from "../base/read-file.ts";
import { tarBytes, tarEnd, tarHeader, tarPadding } from "../base/tar.ts";
import { exportFormats } from "../export/formats.ts";
import type { WrittenFile } from "../export/new-folder.ts";
import { runExport } from "../export/run-export.ts";
import { specializationSource } from "../export/specialization-source.ts";
import type { Pair } from "../pair/pair-file.ts";
import type { Specialization } from "../pair/specialization.ts";

export const downloadFormats = ["peft", "gguf", "onnx"] as const;
export type DownloadFormat = (typeof downloadFormats)[number];

/** `running`: exports hold merged weights in memory. `idleMs`: a client that takes nothing for so long has gone. */
export const downloadLimits = { running: 1, bytes: 4 * 2 ** 30, idleMs: 60_000 } as const;

export type Download = { readonly bytes: number; readonly body: ReadableStream<Uint8Array> };

export type Downloads = {
  /**
   * Exports, verifies, and opens the archive. Its folder is gone when it was read, or was not read on.
   * @throws E_BUSY while another one is made or read; E_LIMIT for one that is too large; E_INTERRUPTED; and as `runExport`
   */
  open(specialization: Specialization, format: DownloadFormat, signal: AbortSignal): Promise<Download>;
  /** Ends those under way. */
  close(): Promise<void>;
};

export type DownloadOptions = {
  /** What exports call their base model. */
  readonly baseName: string;
  /** Where the temporary folders are made. */
  readonly folder: string;
  readonly date: () => Date;
};

export function createDownloads(pair: Pair, { baseName, folder, date }: DownloadOptions): Downloads {
  const ending = new AbortController();
  const running = new Set<Promise<void>>();

  async function open(specialization: Specialization, format: DownloadFormat, given: AbortSignal): Promise<Download> {
    if (running.size >= downloadLimits.running || ending.signal.aborted)
      throw new AppError("E_BUSY", "export: another one is being made: ask again later");
    let done: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      done = resolve;
    });
    running.add(ended);
    const signal = AbortSignal.any([given, ending.signal]);
    let temporary: string | undefined;
    const remove = async (): Promise<void> => {
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
      running.delete(ended);
      done();
    };
    try {
      temporary = await mkdtemp(join(folder, "loragen-export-"));
      const out = join(temporary, format);
      const source = specializationSource(pair, specialization, baseName);
      const { files } = await runExport(exportFormats[format], { ...source, scale: 1, out, signal });
      const bytes = tarBytes(files.map((file) => file.bytes));
      if (bytes > downloadLimits.bytes)
        throw new AppError("E_LIMIT", `export: expected at most ${downloadLimits.bytes} bytes, found ${bytes}`);
      const body = streamed(archive(out, files, Math.floor(date().getTime() / 1000)), remove, signal);
      return { bytes, body };
    } catch (error) {
      await remove();
      throw error;
    }
  }

  return {
    open,
    async close() {
      ending.abort();
      await Promise.all(running);
    },
  };
}

async function* archive(folder: string, files: readonly WrittenFile[], at: number): AsyncGenerator<Uint8Array, void> {
  for (const { name, bytes } of files) {
    yield tarHeader(name.split(/[\\/]/).join("/"), bytes, at);
    yield* readChunks(join(folder, name));
    yield tarPadding(bytes);
  }
  yield tarEnd();
}

/** Read as it is asked for; `after` is called once, however it ends. */
function streamed(
  parts: AsyncGenerator<Uint8Array, void>,
  after: () => Promise<void>,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  let isOver = false;
  let idle: NodeJS.Timeout | undefined;
  const end = async (): Promise<void> => {
    if (isOver) return;
    isOver = true;
    clearTimeout(idle);
    signal.removeEventListener("abort", stop);
    await parts.return();
    await after();
  };
  let stop: () => void = () => undefined;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      stop = () => {
        if (!isOver) controller.error(new AppError("E_INTERRUPTED", "export: ended before it was read"));
        void end();
      };
      signal.addEventListener("abort", stop, { once: true });
      idle = setTimeout(stop, downloadLimits.idleMs);
    },
    async pull(controller) {
      idle?.refresh();
      try {
        const { done, value } = await parts.next();
        if (isOver) return;
        if (value !== undefined) controller.enqueue(value);
        if (!done) return;
        await end();
        controller.close();
      } catch (error) {
        await end();
        throw error;
      }
    },
    cancel: end,
  });
}
