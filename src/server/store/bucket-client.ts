/**
 * @file A bucket of S3 or of what speaks its protocol, by Amazon's own client. That is an optional package: it is loaded when a bucket is
 * named. Who may do what there is found by the package, as Amazon's programs do: AWS_ACCESS_KEY_ID, profiles, roles of the machine.
 */
/// <reference path="./aws-sdk.d.ts" />
import type { GetObjectCommandOutput, ListObjectsV2CommandOutput, S3Client } from "@aws-sdk/client-s3";
import { AppError } from "../../base/errors.ts";
import type { StoredFile } from "./storage.ts";

export type S3Settings = {
  /** Of a server that is not Amazon's; buckets are then part of the path. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
};

export type BucketFile = { readonly key: string; readonly tag: string | undefined; readonly changedMs: number };

/** When something is written: only where nothing is, or only over the content with this tag. */
export type Condition = { readonly IfNoneMatch: "*" } | { readonly IfMatch: string };

export type Bucket = {
  /** undefined: there is none. Throws E_LIMIT, E_IO. */
  get(key: string, maxBytes: number): Promise<StoredFile | undefined>;
  /** Returns the tag; undefined where the condition does not hold. Throws E_IO. */
  put(key: string, content: string, condition?: Condition): Promise<string | undefined>;
  /**
   * @param tag only the content with it, where the server knows such a condition
   * @returns whether nothing is there now
   */
  delete(key: string, tag?: string): Promise<boolean>;
  /** Throws E_LIMIT, E_IO. @param most of how many files; all of them without it */
  list(prefix: string, most?: number): Promise<BucketFile[]>;
};

/** What is wrong with a server that does not look at conditions. */
export const noConditions =
  "the store's server does not keep the conditions If-Match and If-None-Match: two machines could write over each other";

/** `pages`, `files`: of one listing. */
const bucketClientLimits = { connectMs: 2_000, answerMs: 10_000, tries: 3, pages: 10_000, files: 1_000_000 } as const;

/** Throws E_USAGE for what is no `s3://bucket/prefix`; E_CONFIG where the package is not installed. */
export async function openBucket(
  location: string,
  { endpoint, region }: S3Settings = {},
  given: { readonly [L in keyof typeof bucketClientLimits]?: number } = {},
): Promise<Bucket> {
  const limits = { ...bucketClientLimits, ...given };
  const { name, prefix } = parseLocation(location);
  const sdk = await import("@aws-sdk/client-s3").catch((error: unknown) => {
    throw new AppError(
      "E_CONFIG",
      `${location}: a store in a bucket takes a package that is not installed: npm install @aws-sdk/client-s3`,
      { cause: error },
    );
  });
  const where = endpoint === undefined ? {} : { endpoint: httpUrl(endpoint), forcePathStyle: true };
  const inRegion = region ?? (endpoint === undefined ? undefined : "us-east-1"); // signed with, where the server has none
  const client: S3Client = new sdk.S3Client({
    ...where,
    ...(inRegion === undefined ? {} : { region: inRegion }),
    maxAttempts: limits.tries,
    requestHandler: {
      connectionTimeout: limits.connectMs,
      requestTimeout: limits.answerMs,
      socketTimeout: limits.answerMs,
      throwOnRequestTimeout: true,
    },
    // Checksums beyond what the protocol asks for are not understood by every server.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
  const at = (key: string) => ({ Bucket: name, Key: `${prefix}${key}` });
  const told = (error: unknown) => storeError(error, name);

  return {
    async get(key, maxBytes) {
      let found: GetObjectCommandOutput;
      try {
        found = await client.send(new sdk.GetObjectCommand(at(key)));
        const bytes = await readBody(found, key, maxBytes);
        return { bytes, tag: found.ETag ?? "" };
      } catch (error) {
        if (nameOf(error) === "NoSuchKey") return undefined;
        throw told(error);
      }
    },
    async put(key, content, condition = undefined) {
      try {
        const written = await client.send(
          new sdk.PutObjectCommand({ ...at(key), Body: content, ContentType: "application/json", ...condition }),
        );
        return written.ETag ?? "";
      } catch (error) {
        // 409: another conditional request is under way; NoSuchKey: what should be replaced is gone.
        const isOther = [409, 412].includes(statusOf(error)) || nameOf(error) === "NoSuchKey";
        if (condition !== undefined && isOther) return undefined;
        if (condition !== undefined && statusOf(error) === 501)
          throw new AppError("E_IO", noConditions, { cause: error });
        throw told(error);
      }
    },
    async delete(key, tag) {
      const remove = (condition: { readonly IfMatch?: string }) =>
        client.send(new sdk.DeleteObjectCommand({ ...at(key), ...condition }));
      try {
        await remove(tag === undefined ? {} : { IfMatch: tag }).catch((error: unknown) => {
          if (tag === undefined || statusOf(error) !== 501) throw error;
          return remove({}); // 501: the server has no such condition
        });
      } catch (error) {
        if (tag !== undefined && [409, 412].includes(statusOf(error))) return false;
        if (nameOf(error) !== "NoSuchKey") throw told(error);
      }
      return true;
    },
    async list(under, most) {
      const files: BucketFile[] = [];
      try {
        let from: string | undefined;
        for (let pages = 1; ; pages++) {
          const page: ListObjectsV2CommandOutput = await client.send(
            new sdk.ListObjectsV2Command({
              Bucket: name,
              Prefix: `${prefix}${under}`,
              ...(most === undefined ? {} : { MaxKeys: most }),
              ...(from === undefined ? {} : { ContinuationToken: from }),
            }),
          );
          for (const { Key = "", ETag, LastModified } of page.Contents ?? [])
            files.push({ key: Key.slice(prefix.length), tag: ETag, changedMs: LastModified?.getTime() ?? 0 });
          const next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
          const isLast = next === undefined || files.length >= (most ?? Number.POSITIVE_INFINITY);
          if (files.length > limits.files || (!isLast && pages === limits.pages))
            throw new AppError(
              "E_LIMIT",
              `the store cannot be listed: expected at most ${limits.files} files in ${limits.pages} pages, found more`,
            );
          if (isLast) return files;
          if (next === from)
            throw new AppError("E_IO", "the store cannot be listed: its server gives the same page again and again");
          from = next;
        }
      } catch (error) {
        throw told(error);
      }
    },
  };
}

/** `s3://bucket/prefix` or `s3://bucket`. Throws E_USAGE, without what may be a password. */
function parseLocation(location: string): { readonly name: string; readonly prefix: string } {
  const [, name, path = ""] = /^[sS]3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([\w.\-/]*))?$/.exec(location) ?? [];
  const parts = path.split("/").filter((part) => part !== "");
  if (name === undefined || parts.includes(".") || parts.includes(".."))
    throw new AppError(
      "E_USAGE",
      `expected s3://BUCKET or s3://BUCKET/PREFIX, found ${
        /^s3:[\w.\-/]*$/i.test(location)
          ? JSON.stringify(location)
          : 'other characters than letters, digits, ".", "-", "_" and "/"; keys belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'
      }`,
    );
  return { name, prefix: parts.map((part) => `${part}/`).join("") };
}

function httpUrl(endpoint: string): string {
  if (/^https?:\/\/[^@]*$/.test(endpoint) && URL.canParse(endpoint)) return endpoint;
  throw new AppError(
    "E_CONFIG",
    `AWS_ENDPOINT_URL_S3: expected an address like https://host:9000, found ${
      endpoint.includes("@") ? 'one with "@" in it, as for a user and a password' : JSON.stringify(endpoint)
    }`,
  );
}

async function readBody({ Body, ContentLength = 0 }: GetObjectCommandOutput, key: string, maxBytes: number) {
  const tooLong = () => new AppError("E_LIMIT", `${key}: more than ${maxBytes} bytes`);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  if (ContentLength > maxBytes) {
    Body?.destroy();
    throw tooLong();
  }
  for await (const piece of Body ?? []) {
    bytes += piece.length;
    if (bytes > maxBytes) throw tooLong();
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : "");
const statusOf = (error: unknown): number =>
  (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode ?? 0;

/** What went wrong, without addresses: callers of the service read it. */
function storeError(error: unknown, bucket: string): unknown {
  if (error instanceof AppError) return error;
  const { code } = error as { code?: unknown };
  const status = statusOf(error);
  const name = nameOf(error);
  const why =
    name === "NoSuchBucket"
      ? `there is no bucket ${bucket}`
      : name === "CredentialsProviderError"
        ? "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile or role"
        : status === 403
          ? `not allowed (${name})`
          : status > 0
            ? `it answered ${status} (${name})`
            : typeof code === "string"
              ? `no answer (${code})`
              : `no answer (${(error as Error).message})`;
  return new AppError("E_IO", `the store cannot be reached: ${why}`, { cause: error });
}
