/** @file A small Hugging Face hub on this machine: models with revisions, LFS files behind a redirect, and every way to fail. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type HubModel = {
  readonly commit: string;
  readonly files: Readonly<Record<string, Buffer>>;
  /** Names stored by Git LFS: served by another host, known by their SHA-256. */
  readonly lfs?: readonly string[];
};

export type HubFault = {
  /** Status instead of an answer, and the hub's own code for it. */
  readonly status?: number;
  readonly code?: string;
  /** Ends the connection after this many bytes of the answer. */
  readonly cutAfter?: number;
  /** Sends this many bytes, then nothing, without ending. */
  readonly stallAfter?: number;
  /** Sends one byte every so many milliseconds. */
  readonly trickleMs?: number;
  /** Sends other bytes of the same length. */
  readonly corrupt?: boolean;
  /** Sends more than was announced. */
  readonly tooLong?: boolean;
  /** Answers a range with the whole file. */
  readonly ignoreRange?: boolean;
  /** Answers a range with another one. */
  readonly wrongRange?: boolean;
  /** The body of an answer about a model. */
  readonly body?: string;
};

export type HubRequest = {
  readonly url: string;
  readonly range?: string;
  readonly authorization?: string;
  readonly host: "hub" | "storage";
};

export type HubServer = AsyncDisposable & {
  readonly url: string;
  readonly models: Map<string, HubModel>;
  /** Taken from the front, one per request whose address holds the text. */
  readonly faults: { readonly at: string; readonly fault: HubFault }[];
  readonly requests: HubRequest[];
  /** Who may read; everyone without it. */
  token: string | undefined;
  close(): Promise<void>;
};

const gitHash = (content: Buffer) =>
  createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

/** What both servers look at. */
type HubState = Pick<HubServer, "models" | "faults" | "requests" | "token">;

/** Starts on free ports. */
export async function startHub(): Promise<HubServer> {
  const state: HubState = { models: new Map(), faults: [], requests: [], token: undefined };
  const storage = createServer(
    answering(state, "storage", ({ response, content, range, fault }) => serve(response, content, range, fault)),
  );
  const storageUrl = await listen(storage);
  const hub = createServer(
    answering(state, "hub", ({ request, response, content, isLfs, range, fault }) => {
      if (isLfs) response.writeHead(302, { location: `${storageUrl}${request.url}` }).end();
      else serve(response, content, range, fault);
    }),
  );
  const url = await listen(hub);
  const close = async () => {
    for (const server of [hub, storage]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  };
  return Object.assign(state, { url, close, [Symbol.asyncDispose]: close });
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type FileRequest = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly content: Buffer;
  readonly isLfs: boolean;
  readonly range: string | undefined;
  readonly fault: HubFault;
};

/** Notes each request, takes its fault, checks the token, tells about models; `sendFile` answers for files that are there. */
function answering(state: HubState, host: HubRequest["host"], sendFile: (file: FileRequest) => void) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const url = decodeURIComponent(request.url!);
    const { range, authorization } = request.headers;
    state.requests.push({ url, host, ...(range ? { range } : {}), ...(authorization ? { authorization } : {}) });
    const found = locate(state, url);
    const fault = host === "hub" && found?.isLfs === true ? {} : takeFault(state, url); // the storage's turn comes
    if (fault.status !== undefined) return void deny(response, fault.status, fault.code);
    if (host === "hub" && state.token !== undefined && authorization !== `Bearer ${state.token}`)
      return void deny(response, 401, "RepoNotFound");
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/revision\/([^?]+)\?blobs=true$/.exec(url);
    if (api !== null) return void describe(state, response, api[1]!, api[2]!, fault);
    if (found === undefined) return void deny(response, 404, "EntryNotFound");
    sendFile({ request, response, range, fault, ...found });
  };
}

function takeFault({ faults }: HubState, url: string): HubFault {
  const index = faults.findIndex(({ at }) => url.includes(at));
  return index < 0 ? {} : faults.splice(index, 1)[0]!.fault;
}

/** The file of an address such as `/owner/name/resolve/COMMIT/model.safetensors`. */
function locate({ models }: HubState, url: string): { content: Buffer; isLfs: boolean } | undefined {
  const [, id, commit, name] = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(url) ?? [];
  const model = models.get(id!);
  const content = model?.commit === commit ? model?.files[name!] : undefined;
  return content === undefined ? undefined : { content, isLfs: model!.lfs?.includes(name!) === true };
}

/** The answer about a model: its commit, and each file's size and hash. */
function describe(
  { models }: HubState,
  response: ServerResponse,
  id: string,
  revision: string,
  { body, trickleMs }: HubFault,
): void {
  const model = models.get(id);
  if (model === undefined) return void deny(response, 404, "RepoNotFound");
  if (revision !== "main" && revision !== model.commit && revision !== "v1")
    return void deny(response, 404, "RevisionNotFound");
  const siblings = Object.entries(model.files).map(([rfilename, content]) => ({
    rfilename,
    size: content.length,
    blobId: gitHash(content),
    ...(model.lfs?.includes(rfilename)
      ? { lfs: { sha256: sha256(content), size: content.length, pointerSize: 134 } }
      : {}),
  }));
  response.writeHead(200, { "content-type": "application/json" });
  const answer = body ?? JSON.stringify({ id, sha: model.commit, siblings, gated: false });
  if (trickleMs !== undefined) trickle(response, Buffer.from(answer), trickleMs);
  else response.end(answer);
}

function deny(response: ServerResponse, status: number, code?: string): void {
  response.writeHead(status, code === undefined ? {} : { "x-error-code": code }).end("{}");
}

function serve(response: ServerResponse, content: Buffer, range: string | undefined, fault: HubFault): void {
  const from = range === undefined || fault.ignoreRange ? 0 : Number(/^bytes=(\d+)-$/.exec(range)![1]);
  if (from >= content.length && from > 0) return void response.writeHead(416).end();
  const part = fault.corrupt ? Buffer.from(content.subarray(from).map((byte) => byte ^ 1)) : content.subarray(from);
  const status = range === undefined || fault.ignoreRange ? 200 : 206;
  const first = fault.wrongRange ? from - 1 : from;
  const headers = status === 206 ? { "content-range": `bytes ${first}-${content.length - 1}/${content.length}` } : {};
  if (fault.tooLong) return void response.writeHead(status, headers).end(Buffer.concat([part, Buffer.from("more")]));
  response.writeHead(status, { ...headers, "content-length": part.length });
  if (fault.trickleMs !== undefined) return void trickle(response, part, fault.trickleMs);
  const stop = fault.cutAfter ?? fault.stallAfter;
  if (stop === undefined) return void response.end(part);
  response.write(part.subarray(0, stop), () => {
    if (fault.cutAfter !== undefined) response.destroy();
  });
}

function trickle(response: ServerResponse, content: Buffer, everyMs: number): void {
  let at = 0;
  const timer = setInterval(() => response.write(content.subarray(at, ++at)), everyMs);
  response.on("close", () => clearInterval(timer));
}
