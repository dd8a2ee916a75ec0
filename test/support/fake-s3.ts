/**
 * @file As much of S3's protocol as a store needs, in this process: objects of one bucket in memory, written on conditions, listed in pages.
 * Real servers are asked by `test/reliability/s3-store.ts`.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { S3Settings } from "../../src/server/store/bucket-client.ts";

/** Who asks: the package finds them in the environment. */
export const fakeCredentials = { AWS_ACCESS_KEY_ID: "fake", AWS_SECRET_ACCESS_KEY: "fake" } as const;

export type FakeS3 = AsyncDisposable & {
  readonly s3: S3Settings & { readonly endpoint: string };
  /** By their keys; tests may damage them, or make them older. */
  readonly objects: Map<string, { text: string; changed: Date }>;
  /** Of every request: method and key. */
  readonly asked: string[];
  /** What goes wrong from now on. */
  readonly faults: {
    /** Every connection ends without an answer. */
    isGone: boolean;
    /** Requests are taken and never answered. */
    isSilent: boolean;
    /** The next write of each of these keys is made, and nobody is told. */
    readonly lostAnswers: Set<string>;
    /** Conditions are not looked at, as by an old server. */
    ignoresConditions: boolean;
    /** Tags are compared without their quotation marks, as by Ceph's gateway 16. */
    comparesBareTags: boolean;
    /** Requests with conditions that are not known at all. */
    readonly unknown: Set<"PUT" | "DELETE">;
    /** Every page of a listing says that it goes on with itself. */
    repeatsPages: boolean;
    /** What happens before a request is looked at: another machine is quicker. */
    before: ((method: string, key: string) => void) | undefined;
  };
};

const bucket = "bucket";
/** Few, so that a listing of a test has several. */
const pageSize = 3;
const bare = (tag: string) => tag.replace(/^"(.*)"$/, "$1");
const etagOf = (text: string) => `"${createHash("md5").update(text).digest("hex")}"`;

export async function fakeS3(): Promise<FakeS3> {
  const objects: FakeS3["objects"] = new Map();
  const asked: string[] = [];
  const faults: FakeS3["faults"] = {
    isGone: false,
    isSilent: false,
    lostAnswers: new Set(),
    ignoresConditions: false,
    comparesBareTags: false,
    unknown: new Set(),
    repeatsPages: false,
    before: undefined,
  };
  const comparedTag = (text: string) => (faults.comparesBareTags ? bare(etagOf(text)) : etagOf(text));
  const server = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => {
      fail(response, 500, "InternalError", String(error));
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "" } = request;
    const url = new URL(request.url ?? "", "http://s3");
    const [, name, ...path] = decodeURIComponent(url.pathname).split("/");
    const key = path.join("/");
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    if (faults.isGone) return void request.socket.destroy();
    if (faults.isSilent) return;
    faults.before?.(method, key);
    asked.push(`${method} ${key}`);
    if (!request.headers.authorization?.startsWith("AWS4-HMAC-SHA256 ")) return fail(response, 403, "AccessDenied");
    if (name !== bucket) return fail(response, 404, "NoSuchBucket");
    const isConditional = (request.headers["if-match"] ?? request.headers["if-none-match"]) !== undefined;
    if (isConditional && faults.unknown.has(method as "PUT")) return fail(response, 501, "NotImplemented");
    const found = objects.get(key);
    if (method === "GET" && key === "") return list(url.searchParams, response);
    if (method === "GET") {
      if (found === undefined) return fail(response, 404, "NoSuchKey");
      response.writeHead(200, { etag: etagOf(found.text) });
      response.end(found.text);
    } else if (method === "PUT") {
      const tag = found && comparedTag(found.text);
      const { "if-match": same, "if-none-match": none } = request.headers;
      if (!faults.ignoresConditions) {
        if (same !== undefined && found === undefined) return fail(response, 404, "NoSuchKey");
        if ((none === "*" && found !== undefined) || (same !== undefined && same !== tag))
          return fail(response, 412, "PreconditionFailed");
      }
      const text = Buffer.concat(pieces).toString("utf8");
      objects.set(key, { text, changed: new Date() });
      if (faults.lostAnswers.delete(key)) return void request.socket.destroy();
      response.writeHead(200, { etag: etagOf(text) });
      response.end();
    } else {
      const { "if-match": same } = request.headers;
      if (same !== undefined && found === undefined) return fail(response, 404, "NoSuchKey");
      if (same !== undefined && found !== undefined && same !== comparedTag(found.text))
        return fail(response, 412, "PreconditionFailed");
      objects.delete(key);
      response.writeHead(204);
      response.end();
    }
  }

  function list(query: URLSearchParams, response: ServerResponse): void {
    const prefix = query.get("prefix") ?? "";
    const after = query.get("continuation-token") ?? "";
    const most = Math.min(pageSize, Number(query.get("max-keys") ?? pageSize));
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, most);
    const contents = page.map((key) => {
      const { text, changed } = objects.get(key)!;
      return `<Contents><Key>${key}</Key><LastModified>${changed.toISOString()}</LastModified><ETag>${etagOf(text).replaceAll('"', "&quot;")}</ETag></Contents>`;
    });
    const more = faults.repeatsPages
      ? "<IsTruncated>true</IsTruncated><NextContinuationToken>0</NextContinuationToken>"
      : keys.length > page.length
        ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${page.at(-1)}</NextContinuationToken>`
        : "<IsTruncated>false</IsTruncated>";
    response.writeHead(200, { "content-type": "application/xml" });
    response.end(`<?xml version="1.0"?><ListBucketResult>${contents.join("")}${more}</ListBucketResult>`);
  }

  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    s3: { endpoint },
    objects,
    asked,
    faults,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

function fail(response: ServerResponse, status: number, code: string, message = code): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
}
