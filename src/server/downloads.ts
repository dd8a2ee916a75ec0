/** @file Exports to take away: made in a temporary folder, streamed as a tar archive, and deleted. */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { readChunks } from "../base/read-file.ts";
import { tarBytes, tarEnd, tarHeader, tarPadding } from "../base/tar.ts";
import { exportFormats } from "../export/formats.ts";
import type { WrittenFile } from "../export/new-folder.ts";
import { type ExportSource, runExport } from "../export/run-export.ts";
import { specializationSource } from "../export/specialization-source.ts";
import type { Pair } from "../pair/pair-file.ts";
import type { Specialization } from "../pair/specialization.ts";

export const downloadFormats = ["peft", "gguf", "onnx"] as const;
export type DownloadFormat = (typeof downloadFormats)[number];

/**
 * `running`: of all tenants; each makes one at a time, for exports hold merged weights in memory. `idleMs`: a client that takes nothing for
 * so long has gone. `ms`: from the request to the archive's last byte.
 */
export const downloadLimits = { running: 2, bytes: 4 * 2 ** 30, idleMs: 60_000, ms: 600_000 } as const;

export type Download = { readonly bytes: number; readonly body: ReadableStream<Uint8Array> };

export type Downloads = {
  /**
   * Exports, verifies, and opens the archive. Its folder is gone when it was read, or was not read on.
   * @throws E_BUSY while the tenant's last one, or too many others, are made or read; E_LIMIT, before anything is written, for one that is too
   * large; E_CONFIG for a whole model where the edge model's weights are held quantised; E_DEADLINE; E_INTERRUPTED; and as `runExport`
   */
  open(tenant: string, specialization: Specialization, format: DownloadFormat, signal: AbortSignal): Promise<Download>;
  /** Ends those under way. */
  close(): Promise<void>;
};

export type DownloadOptions = {
  /** What exports call their base model. */
  readonly baseName: string;
  /** Where the temporary folders are made. */
  readonly folder: string;
  readonly date: () => Date;
  readonly limits?: { readonly [L in keyof typeof downloadLimits]?: number } | undefined;
};

export function createDownloads(pair: Pair, { baseName, folder, date, limits: given }: DownloadOptions): Downloads {
  const limits = { ...downloadLimits, ...given };
  const ending = new AbortController();
  /** By tenant. */
  const running = new Map<string, Promise<void>>();

  async function open(
    tenant: string,
    specialization: Specialization,
    format: DownloadFormat,
    asked: AbortSignal,
  ): Promise<Download> {
    requireDenseEdge(pair, format);
    if (running.has(tenant))
      throw new AppError("E_BUSY", "export: another one of yours is being made or read: ask again later");
    if (running.size >= limits.running || ending.signal.aborted)
      throw new AppError("E_BUSY", `export: ${running.size} are being made or read: ask again later`);
    let done: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      done = resolve;
    });
    running.set(tenant, ended);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), limits.ms);
    const signal = AbortSignal.any([asked, ending.signal, late.signal]);
    let temporary: string | undefined;
    const remove = async (): Promise<void> => {
      clearTimeout(timer);
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
      running.delete(tenant);
      done();
    };
    const requireSize = (bytes: number): void => {
      if (bytes > limits.bytes)
        throw new AppError("E_LIMIT", `export: expected at most ${limits.bytes} bytes, found ${bytes}`);
    };
    try {
      const source = specializationSource(pair, specialization, baseName);
      requireSize(leastBytes(pair, source, format));
      temporary = await mkdtemp(join(folder, "loragen-export-"));
      const out = join(temporary, format);
      const { files } = await runExport(exportFormats[format], { ...source, scale: 1, out, signal });
      const bytes = tarBytes(files.map((file) => file.bytes));
      requireSize(bytes);
      if (late.signal.aborted) throw new AppError("E_INTERRUPTED", "export: too late");
      const parts = archive(out, files, Math.floor(date().getTime() / 1000));
      const body = streamed(parts, { after: remove, signal, idleMs: limits.idleMs });
      return { bytes, body };
    } catch (error) {
      await remove();
      if (late.signal.aborted && error instanceof AppError && error.code === "E_INTERRUPTED")
        throw new AppError("E_DEADLINE", `export: not made in ${limits.ms} ms`);
      throw error;
    }
  }

  return {
    open,
    async close() {
      ending.abort();
      await Promise.all(running.values());
    },
  };
}

/** Throws E_CONFIG for a format with the edge model's own weights where those are not at hand in full. */
function requireDenseEdge({ edge: { blocks, quantization } }: Pair, format: DownloadFormat): void {
  if (exportFormats[format].typeOfWeights !== undefined && (blocks !== undefined || quantization !== undefined))
    throw new AppError(
      "E_CONFIG",
      "export: format onnx has the edge model's own weights in it, which this service holds quantised: expected peft or gguf, the adapter alone",
    );
}

/** Of the weights alone, 4 bytes each: an ONNX model has all of them, an adapter its own. */
function leastBytes({ edge }: Pair, { adapter }: ExportSource, format: DownloadFormat): number {
  if (format === "onnx") return 4 * edge.parameterCount;
  let numbers = 0;
  for (const { a, b } of adapter.values()) numbers += a.length + b.length;
  return 4 * numbers;
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
  { after, signal, idleMs }: { after: () => Promise<void>; signal: AbortSignal; idleMs: number },
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
      idle = setTimeout(stop, idleMs);
      signal.addEventListener("abort", stop, { once: true });
      if (signal.aborted) stop();
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
