/** @file Another service, asked over HTTP: bounded in size and time, and what goes wrong is told with its name. */
import { z } from "zod";
import { AppError, type ErrorCode } from "../base/errors.ts";

export type RemoteOptions = {
  /** For messages: "reference qwen3". */
  readonly what: string;
  readonly url: string;
  readonly key?: string | undefined;
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** How long an answer may take; `remoteLimits.answerMs` where nothing else is said. Infinity: until the question is called off. */
  readonly answerMs?: number | undefined;
};

/**
 * `questions`: with the other host at once, of all tenants, and of one. `prompts`: the same of prompts for its cloud pass: no more than one
 * tenant may have waiting over there, for all tenants of this host are one there; one of them takes a quarter of these places. `readerMs`: how
 * old what is known of the reader over there may be; `readerAnswerMs`: how long it may take to say it.
 */
export const remoteLimits = {
  answerBytes: 2 ** 24,
  answerMs: 120_000,
  reasonChars: 500,
  questions: { all: 1024, ofTenant: 256 },
  prompts: { all: 16, ofTenant: 4 },
  readerMs: 60_000,
  readerAnswerMs: 10_000,
} as const;

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
 * @throws E_USAGE (E_LIMIT, E_PROMPT where it says so) with the other's reason where it refuses the question, E_BUSY where it has too much to
 * do, E_DEADLINE, E_INTERRUPTED, else E_IO
 */
export const postTo = async (
  options: RemoteOptions,
  path: string,
  body: object,
  signal?: AbortSignal,
): Promise<string> => whole(await askOther(options, path, posted(body), signal));

/** Asks for what is there. Throws as `postTo`. */
export const getFrom = async (options: RemoteOptions, path: string, signal?: AbortSignal): Promise<string> =>
  whole(await askOther(options, path, { method: "GET" }, signal));

/** Sends JSON, and gives the data of each server-sent event of the answer as it comes, up to `[DONE]`. Throws as `postTo`. */
export async function* eventsFrom(
  options: RemoteOptions,
  path: string,
  body: object,
  signal?: AbortSignal,
): AsyncGenerator<string, void> {
  let rest = "";
  for await (const piece of await askOther(options, path, posted(body), signal)) {
    rest += piece;
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const data = rest.slice(0, end).replace(/^data: /, "");
      rest = rest.slice(end + 2);
      if (data === "[DONE]") return;
      yield data;
    }
  }
  throw new AppError("E_IO", `${options.what}: its answer ended before its end`);
}

/**
 * Reads what the other has answered. An answer that is none, or of another pair, is that host's fault and not the caller's.
 * @throws E_IO
 */
export function readAnswer<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError("E_IO", error.message, { cause: error });
  }
}

const posted = (body: object) => ({ method: "POST", body: JSON.stringify(body) });

async function whole(pieces: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const piece of pieces) text += piece;
  return text;
}

/** The answer's text, piece by piece. */
async function askOther(
  { what, url, key, fetch = globalThis.fetch, answerMs = remoteLimits.answerMs }: RemoteOptions,
  path: string,
  request: { readonly method: string; readonly body?: string },
  signal?: AbortSignal,
): Promise<AsyncIterable<string>> {
  const failed = (why: string) => new AppError("E_IO", `${what}: ${why}`);
  const tooLate = (cause?: unknown) => new AppError("E_DEADLINE", `${what}: no answer in time`, { cause });
  const late = answerMs === Infinity ? undefined : AbortSignal.timeout(Math.max(0, Math.ceil(answerMs)));
  const broken = (cause: unknown): AppError => {
    if (cause instanceof AppError) return cause;
    if (signal?.aborted) return new AppError("E_INTERRUPTED", `${what}: interrupted`, { cause });
    if (late?.aborted) return tooLate(cause);
    return new AppError("E_IO", `${what}: cannot be reached`, { cause });
  };
  const headers = {
    "content-type": "application/json",
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
  const stop = AbortSignal.any([signal, late].filter((each) => each !== undefined));
  const options = { ...request, headers, redirect: "error", signal: stop } as const;
  const response = await fetch(`${url}${path}`, options).catch((error: unknown) => {
    throw broken(error);
  });
  const pieces = boundedText(response, failed, broken);
  if (response.ok) return pieces;
  if (response.status === 400 || response.status === 404) {
    const { code, reason } = refusalOf(await whole(pieces));
    if (response.status === 404) throw failed(`expected status 200, found 404: ${reason}`);
    throw new AppError(code, `${what}: ${reason}`);
  }
  await response.body?.cancel();
  if (response.status === 429) throw new AppError("E_BUSY", `${what}: it has too much to do: ask again later`);
  if (response.status === 504) throw tooLate();
  throw failed(`expected status 200, found ${response.status}`);
}

async function* boundedText(
  { body }: Response,
  failed: (why: string) => AppError,
  broken: (cause: unknown) => AppError,
): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let bytes = 0;
  try {
    for await (const part of body ?? []) {
      bytes += part.byteLength;
      if (bytes > remoteLimits.answerBytes)
        throw failed(`expected an answer of at most ${remoteLimits.answerBytes} bytes, found more`);
      yield decoder.decode(part, { stream: true });
    }
  } catch (error) {
    throw broken(error);
  }
}

const Refusal = z.object({ error: z.object({ message: z.string(), code: z.unknown() }) });
/** Codes that say what was wrong with a question, whoever says so. */
const telling = ["E_LIMIT", "E_PROMPT"] as const;

/** What the other says was wrong with the question. */
function refusalOf(text: string): { readonly code: ErrorCode; readonly reason: string } {
  try {
    const { message, code } = Refusal.parse(JSON.parse(text)).error;
    const reason = message.slice(0, remoteLimits.reasonChars);
    return { code: telling.find((known) => known === code) ?? "E_USAGE", reason };
  } catch {
    return { code: "E_USAGE", reason: "it refused the question" };
  }
}
