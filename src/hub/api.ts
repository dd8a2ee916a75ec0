/** @file The two requests of the Hugging Face hub that reading a model takes: what a revision holds, and a file of it. */
import { z } from "zod";
import { AppError } from "../base/errors.ts";
import { requireRunning } from "../base/interrupt.ts";
import { checkSchema, parseJson } from "../base/json.ts";
import type { HubEntrance } from "./connect.ts";
import { formatHubId, type HubId } from "./id.ts";

export type HubConnection = HubEntrance & {
  readonly fetch?: typeof fetch;
  readonly signal?: AbortSignal | undefined;
  /** Silence after which a connection counts as broken, and the time that an answer about a model may take. */
  readonly stallMs?: number;
};

/** What must come for a file: its size, and the SHA-256 of its content or, for small files, git's hash of it. */
export type HubFile = {
  readonly name: string;
  readonly bytes: number;
  readonly hash: { readonly kind: "sha256" | "git"; readonly hex: string };
};

export type HubRevision = { readonly commit: string; readonly files: readonly HubFile[] };

const answerLimit = 16 * 2 ** 20;
export const stallDefaultMs = 60_000;
const hex = (length: number) => z.string().regex(new RegExp(`^[0-9a-f]{${length}}$`));
const size = z
  .int()
  .min(0)
  .max(2 ** 42);

const RevisionAnswer = z.object({
  sha: hex(40),
  siblings: z
    .array(
      z.object({
        rfilename: z.string().min(1).max(1000),
        size: size.nullish(),
        blobId: hex(40).nullish(),
        lfs: z.object({ sha256: hex(64), size }).nullish(),
      }),
    )
    .max(100_000),
});

/** The commit a revision stands for, and its files. Throws E_NOT_FOUND, E_IO; HubUnreachable where no answer comes. */
export async function fetchRevision(hub: HubConnection, id: HubId): Promise<HubRevision> {
  const path = `api/models/${id.owner}/${id.name}/revision/${encodeURIComponent(id.revision)}?blobs=true`;
  const what = `${hub.url}: answer about ${formatHubId(id)}`;
  const text = await request(hub, path, {}, (response) => {
    if (!response.ok) throw refusal(hub, id, response);
    return readText(response, what);
  });
  const { sha, siblings } = checkSchema(parseJson(text, { what }), RevisionAnswer, { what });
  const files = siblings.flatMap(({ rfilename: name, size: bytes, blobId, lfs }): HubFile[] => {
    if (lfs != null) return [{ name, bytes: lfs.size, hash: { kind: "sha256", hex: lfs.sha256 } }];
    return bytes == null || blobId == null ? [] : [{ name, bytes, hash: { kind: "git", hex: blobId } }];
  });
  return { commit: sha, files };
}

/** A file's content from byte `from` on. The answer may be the whole file all the same: look at its status. */
export function fetchFile(
  hub: HubConnection,
  id: HubId,
  commit: string,
  name: string,
  from: number,
): Promise<Response> {
  const path = `${id.owner}/${id.name}/resolve/${commit}/${name.split("/").map(encodeURIComponent).join("/")}`;
  const headers = { "accept-encoding": "identity", ...(from > 0 ? { range: `bytes=${from}-` } : {}) };
  return request(hub, path, headers, (response) => response);
}

/** No answer came: the network, a proxy, or the hub itself. */
export class HubUnreachable extends Error {}

/** Asks, and uses the answer within the time that it may take: what `use` leaves of the body may take longer. */
async function request<T>(
  { url, authorization, fetch: send = fetch, signal, stallMs = stallDefaultMs }: HubConnection,
  path: string,
  headers: Record<string, string>,
  use: (response: Response) => T | Promise<T>,
): Promise<T> {
  const stall = new AbortController();
  const timer = setTimeout(() => stall.abort(), stallMs);
  try {
    const response = await send(`${url}/${path}`, {
      headers: { ...headers, "user-agent": "lora-gen", ...(authorization === undefined ? {} : { authorization }) },
      signal: signal === undefined ? stall.signal : AbortSignal.any([signal, stall.signal]),
    });
    return await use(response);
  } catch (error) {
    requireDownloading(signal);
    if (stall.signal.aborted) throw new HubUnreachable(`no answer for ${stallMs / 1000} s`, { cause: error });
    if (error instanceof AppError || error instanceof HubUnreachable) throw error;
    throw new HubUnreachable(reason(error), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Throws E_INTERRUPTED after an abort. */
export const requireDownloading = (signal: AbortSignal | undefined): void =>
  requireRunning(signal, "download: stopped; what came is kept, the same command goes on from there");

/** "fetch failed" says nothing; its cause names what did. */
export function reason(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: unknown; message?: unknown }; message?: unknown };
  return String(cause?.code ?? cause?.message ?? message ?? error);
}

/** The user's error for an answer that is none; undefined for a state that may pass: busy or broken for now. */
export function refusal(hub: HubConnection, id: HubId, { status, headers }: Response): Error {
  const name = `${id.owner}/${id.name}`;
  const code = headers.get("x-error-code");
  if (status === 404) {
    const what =
      code === "RevisionNotFound"
        ? `${name}: has no revision ${JSON.stringify(id.revision)}`
        : code === "EntryNotFound"
          ? `${name}: has no such file`
          : `${name}: ${hub.url} has no model of that name, or a private one that needs a token (HF_TOKEN)`;
    return new AppError("E_NOT_FOUND", what);
  }
  if (status === 401 || status === 403) {
    const gated = code === "GatedRepo" ? ` whose owner was asked for access at ${hub.url}/${name}` : "";
    const found = hub.authorization === undefined ? "none" : "one without it";
    return new AppError(
      "E_IO",
      `${name}: access denied (status ${status}), or no model of that name: expected a token with access in HF_TOKEN${gated}, found ${found}`,
    );
  }
  return new HubUnreachable(`status ${status}`);
}

async function readText(response: Response, what: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > answerLimit) throw new AppError("E_LIMIT", `${what}: more than ${answerLimit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
