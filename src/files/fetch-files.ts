/** @file Files below a URL. */
import { AppError } from "../base/errors.ts";
import { withoutCredentials } from "../base/url.ts";

export type FetchFilesOptions = {
  readonly fetch?: (url: string) => Promise<Response>;
  /** Called as files come in, with the bytes received so far and, once it is known, how many there will be. */
  readonly onProgress?: (path: string, bytes: number, total: number | undefined) => void;
};

/** Reads files by their path below `base`, which is a URL with or without a slash at its end. Throws E_NOT_FOUND, E_IO. */
export function fetchFiles(
  base: string,
  { fetch = (url) => globalThis.fetch(url), onProgress }: FetchFilesOptions = {},
): (path: string) => Promise<Uint8Array> {
  return async (path) => {
    const address = `${base.replace(/\/$/, "")}/${path}`;
    const url = withoutCredentials(address);
    try {
      const response = await fetch(address);
      if (response.status === 404) throw new AppError("E_NOT_FOUND", `${url}: not found`);
      if (!response.ok) throw new AppError("E_IO", `cannot read ${url}: the server answered ${response.status}`);
      return await received(response, (bytes, total) => onProgress?.(path, bytes, total));
    } catch (cause) {
      if (cause instanceof AppError) throw cause;
      throw new AppError("E_IO", `cannot read ${url}: ${messageOf(cause).replaceAll(address, url)}`, { cause });
    }
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function received(
  { body, headers }: Response,
  onBytes: (bytes: number, total: number | undefined) => void,
): Promise<Uint8Array> {
  // The length of a compressed answer is not that of the file.
  const claimed = headers.get("content-encoding") === null ? Number(headers.get("content-length")) : 0;
  const total = claimed > 0 ? claimed : undefined;
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (const reader = body?.getReader(); reader !== undefined; ) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    length += value.length;
    onBytes(length, total);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
