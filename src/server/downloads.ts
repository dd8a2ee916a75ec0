/** @file Exports to take away: made in a temporary folder, streamed as a tar archive, and deleted. */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError, type ErrorCode } from "../base/errors.ts";
import { readChunks } from "../base/read-file.ts";
import { tarBytes, tarEnd, tarHeader, tarPadding } from "../base/tar.ts";
import { exportFormats } from "../export/formats.ts";
import type { WrittenFile } from "../export/new-folder.ts";
import { type ExportSource, runExport } from "../export/run-export.ts";
import { specializationSource } from "../export/specialization-source.ts";
import { openModel } from "../models/model-file.ts";
import type { Pair } from "../pair/pair-file.ts";
import type { Specialization } from "../pair/specialization.ts";

export const downloadFormats = ["peft", "gguf", "onnx"] as const;
export type DownloadFormat = (typeof downloadFormats)[number];

/** A format, and why it is not offered here where that is so. */
export type OfferedFormat = { readonly format: DownloadFormat; readonly refused?: string };

/**
 * `running`: of all tenants; each makes one at a time, for exports hold merged weights in memory. `idleMs`: a client that takes nothing for
 * so long has gone. `ms`: from the request to the archive's last byte. `widening`: a whole model of weights that are held in blocks takes so
 * many times its bytes in fp32 of memory.
 */
export const downloadLimits = { running: 2, bytes: 4 * 2 ** 30, idleMs: 60_000, ms: 600_000, widening: 5 } as const;

export type Download = { readonly bytes: number; readonly body: ReadableStream<Uint8Array> };

export type Downloads = {
  /** All formats, with what speaks against them now. */
  offered(): OfferedFormat[];
  /**
   * Exports, verifies, and opens the archive. Its folder is gone when it was read, or was not read on.
   * @throws E_BUSY while the tenant's last one, or too many others, are made or read; E_LIMIT, before anything is written, for one that is too
   * large, or takes more memory than is free; E_CONFIG for a whole model where the edge model's weights were quantised; E_ARCHITECTURE;
   * E_DEADLINE; E_INTERRUPTED; and as `runExport`
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
  /** Memory that is free for this process. */
  readonly freeBytes?: () => number;
  readonly limits?: { readonly [L in keyof typeof downloadLimits]?: number } | undefined;
};

export function createDownloads(
  pair: Pair,
  { baseName, folder, date, freeBytes = () => process.availableMemory(), limits: given }: DownloadOptions,
): Downloads {
  const limits = { ...downloadLimits, ...given };
  const { edge } = pair;
  const ending = new AbortController();
  /** By tenant. */
  const running = new Map<string, Promise<void>>();

  async function open(
    tenant: string,
    specialization: Specialization,
    format: DownloadFormat,
    asked: AbortSignal,
  ): Promise<Download> {
    const against = refusal(format);
    if (against !== undefined) throw new AppError(against.code, `export: ${against.why}`);
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
    /** What cannot be removed stays: the tenant's next export does not wait for it. */
    const remove = async (): Promise<void> => {
      clearTimeout(timer);
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
      running.delete(tenant);
      done();
    };
    const requireSize = (bytes: number): void => {
      if (bytes > limits.bytes)
        throw new AppError("E_LIMIT", `export: expected at most ${limits.bytes} bytes, found ${bytes}`);
    };
    try {
      const isWhole = exportFormats[format].typeOfWeights !== undefined;
      // Blocks are widened for this export alone, to the very numbers that the service computes with.
      const base = isWhole && edge.blocks !== undefined ? await openModel(edge.directory) : edge;
      const source = specializationSource({ ...pair, edge: base }, specialization, baseName);
      if (!isWhole) requireSize(adapterBytes(source));
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

  /** What speaks against a format, before anything is made. */
  function refusal(format: DownloadFormat): { readonly code: ErrorCode; readonly why: string } | undefined {
    const { architectures, tool, typeOfWeights } = exportFormats[format];
    const { modelType } = edge.config;
    if (!architectures.includes(modelType))
      return { code: "E_ARCHITECTURE", why: `format ${format}: ${tool} does not support ${modelType}` };
    if (typeOfWeights === undefined) return undefined;
    const bytes = 4 * edge.parameterCount;
    if (edge.quantization !== undefined)
      return {
        code: "E_CONFIG",
        why: `format ${format} has the edge model's own weights in it, which this service holds quantised: expected peft or gguf, the adapter alone`,
      };
    if (bytes > limits.bytes)
      return { code: "E_LIMIT", why: `format ${format}: expected at most ${limits.bytes} bytes, found ${bytes}` };
    const [needed, free] = [limits.widening * bytes, freeBytes()];
    if (edge.blocks === undefined || needed <= free) return undefined;
    return {
      code: "E_LIMIT",
      why: `format ${format} takes about ${megabytes(needed)} of memory, and ${megabytes(free)} are free here: \`loragen export\` makes it elsewhere`,
    };
  }

  return {
    offered: () =>
      downloadFormats.map((format) => {
        const against = refusal(format);
        return against === undefined ? { format } : { format, refused: against.why };
      }),
    open,
    async close() {
      ending.abort();
      await Promise.all(running.values());
    },
  };
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6).toLocaleString("en")} MB`;

/** Of an adapter's numbers alone, 4 bytes each. */
function adapterBytes({ adapter }: ExportSource): number {
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
