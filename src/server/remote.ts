/** @file Another service, asked over HTTP: bounded in size and time, and what goes wrong is told with its name. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";

export type RemoteOptions = {
  /** For messages: "reference qwen3". */
  readonly what: string;
  readonly url: string;
  readonly key?: string | undefined;
  readonly fetch?: typeof globalThis.fetch | undefined;
};

export const remoteLimits = { answerBytes: 2 ** 24, answerMs: 120_000, reasonChars: 500 } as const;

/** Throws E_USAGE for what is no http address, and for one with a password in it. */
export function requireAddress(what: string, url: string): string {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (
    address === undefined ||
    !/^https?:$/.test(address.protocol) ||
    address.username !== "" ||
    address.password !== ""
  )
    throw new AppError("E_USAGE", `${what}: expected an http or https address without a password in it`);
  return url.replace(/\/+$/, "");
}

/**
 * Sends JSON, and returns the answer's text.
 * @throws E_USAGE with the other's reason where it refuses the question, E_BUSY where it has too much to do, else E_RUNTIME
 */
export const postTo = (options: RemoteOptions, path: string, body: object, signal?: AbortSignal): Promise<string> =>
  askOther(options, path, { method: "POST", body: JSON.stringify(body) }, signal);

/** Asks for what is there. Throws as `postTo`. */
export const getFrom = (options: RemoteOptions, path: string, signal?: AbortSignal): Promise<string> =>
  askOther(options, path, { method: "GET" }, signal);

async function askOther(
  { what, url, key, fetch = globalThis.fetch }: RemoteOptions,
  path: string,
  request: { readonly method: string; readonly body?: string },
  signal?: AbortSignal,
): Promise<string> {
  const failed = (why: string, cause?: unknown) =>
    new AppError("E_RUNTIME", `${what}: ${why}`, { ...(cause === undefined ? {} : { cause }) });
  const late = AbortSignal.timeout(remoteLimits.answerMs);
  const why = () => (signal?.aborted ? "interrupted" : late.aborted ? "no answer in time" : "cannot be reached");
  const headers = {
    "content-type": "application/json",
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
  const stop = signal === undefined ? late : AbortSignal.any([signal, late]);
  const options = { ...request, headers, redirect: "error", signal: stop } as const;
  const response = await fetch(`${url}${path}`, options).catch((error: unknown) => {
    throw failed(why(), error);
  });
  const read = () =>
    boundedText(response, failed).catch((error: unknown) => {
      throw error instanceof AppError ? error : failed(why(), error);
    });
  if (response.ok) return read();
  if (response.status === 400) throw new AppError("E_USAGE", `${what}: ${reasonOf(await read())}`);
  await response.body?.cancel();
  if (response.status === 429) throw new AppError("E_BUSY", `${what}: it has too much to do: ask again later`);
  throw failed(`expected status 200, found ${response.status}`);
}

async function boundedText({ body }: Response, failed: (why: string) => AppError): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body ?? []) {
    bytes += part.byteLength;
    if (bytes > remoteLimits.answerBytes)
      throw failed(`expected an answer of at most ${remoteLimits.answerBytes} bytes, found more`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

/** What the other says was wrong with the question. */
function reasonOf(text: string): string {
  const Told = z.object({ error: z.object({ message: z.string() }) });
  try {
    return Told.parse(JSON.parse(text)).error.message.slice(0, remoteLimits.reasonChars);
  } catch {
    return "it refused the question";
  }
}
