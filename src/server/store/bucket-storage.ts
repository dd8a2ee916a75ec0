/**
 * @file A store's files in a bucket, which several machines write to at once. Whoever changes a file says which content it replaces, and is
 * refused where that is no longer the one.
 *
 * What names point to is asked at every request, so a listing of each folder is kept. It says which files there are and their tags; a file
 * whose tag is the one of before is not read again. A listing is asked for anew after `renewMs`, beside the requests, and none is believed
 * that is older than `staleMs`, unless the bucket cannot be reached: then what is known goes on.
 */
import { randomUUID } from "node:crypto";
import { AppError } from "../../base/errors.ts";
import { type Bucket, type Condition, noConditions } from "./bucket-client.ts";
import type { Read, Storage, StoredFile, Writer } from "./storage.ts";

/**
 * `graceMs`: longer than any request takes, and than clocks differ: S3 refuses those a quarter of an hour off. `retryMs`: between attempts to
 * list a bucket that cannot be reached. `outMs`: for how long after a failed one requests do not wait for the next.
 * `patienceMs`: how long a request waits for a listing or a file where an older one is known. `keptBytes`: of files that names and certificates are in.
 */
export const bucketLimits = {
  renewMs: 1_000,
  staleMs: 2_000,
  retryMs: 1_000,
  outMs: 10_000,
  patienceMs: 1_000,
  graceMs: 60 * 60 * 1000,
  keptBytes: 64 * 2 ** 20,
} as const;

export type BucketStorageOptions = {
  /** A clock in milliseconds. */
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
};

type Listing = {
  /** undefined: it may have changed since, and is read again. */
  readonly files: Map<string, { readonly tag: string | undefined; readonly changedMs?: number }>;
  /** When it was asked for. */
  readonly atMs: number;
};
type Folder = {
  listing?: Listing;
  asking?: Promise<Listing>;
  askedMs: number;
  /** When the last attempt failed; undefined: it did not. */
  failedMs?: number | undefined;
  /** What was written here while a listing is under way, which may know it or not. */
  readonly written: Set<string>;
};

const folderOf = (key: string): string => key.slice(0, key.lastIndexOf("/") + 1);
/** Contents are found by their hash and never change: no listing tells anything new of them. */
const isListed = (key: string): boolean => key.startsWith("names/") || key.startsWith("certificates/");

export function bucketStorage(bucket: Bucket, { now, sleep }: BucketStorageOptions): Storage {
  const folders = new Map<string, Folder>();
  const kept = new Map<string, StoredFile>();
  let keptBytes = 0;

  function forget(key: string): void {
    keptBytes -= kept.get(key)?.bytes.length ?? 0;
    kept.delete(key);
  }
  function keep(key: string, file: StoredFile): void {
    forget(key);
    kept.set(key, file);
    keptBytes += file.bytes.length;
    for (const oldest of kept.keys()) {
      if (keptBytes <= bucketLimits.keptBytes) break;
      forget(oldest);
    }
  }

  function folder(name: string): Folder {
    const known = folders.get(name) ?? { askedMs: Number.NEGATIVE_INFINITY, written: new Set() };
    folders.set(name, known);
    return known;
  }

  /** One listing at a time. */
  function renew(name: string): Promise<Listing> {
    const of = folder(name);
    of.asking ??= ask(name, of).finally(() => {
      delete of.asking;
    });
    return of.asking;
  }
  /** Begun after this call: a listing that is under way may not know what other machines wrote since it began. Where that one fails, so does this. */
  async function renewFromNow(name: string): Promise<Listing> {
    await folder(name).asking;
    return renew(name);
  }
  async function ask(name: string, of: Folder): Promise<Listing> {
    of.askedMs = now();
    of.written.clear();
    try {
      const files: Listing["files"] = new Map((await bucket.list(name)).map(({ key, ...file }) => [key, file]));
      for (const key of of.written) files.set(key, { tag: undefined });
      of.listing = { files, atMs: of.askedMs };
      of.failedMs = undefined;
      return of.listing;
    } catch (error) {
      of.failedMs = now();
      throw error;
    }
  }

  /** The newest that can be had without waiting for a bucket that does not answer. Throws E_IO where none is known. */
  async function listing(name: string): Promise<Listing> {
    const of = folder(name);
    const { listing: known, failedMs } = of;
    if (known === undefined) return renew(name);
    const age = now() - known.atMs;
    if (age < bucketLimits.renewMs) return known;
    const failedAgo = failedMs === undefined ? Number.POSITIVE_INFINITY : now() - failedMs;
    if (failedAgo < bucketLimits.retryMs) return known;
    const asked = renew(name).catch(() => known);
    const waited = now() - of.askedMs;
    const isOut = failedAgo < bucketLimits.outMs;
    if (isOut || age < bucketLimits.staleMs || waited >= bucketLimits.patienceMs) return known;
    return Promise.race([asked, sleep(bucketLimits.patienceMs - waited).then(() => known)]);
  }

  const readNow: Read = async (key, maxBytes) => {
    const file = await bucket.get(key, maxBytes);
    if (file === undefined) forget(key);
    else if (isListed(key)) keep(key, file);
    return file;
  };

  /** The next reading here asks for it, whatever a listing says: another machine may have written again by now. */
  function wrote(key: string): void {
    if (!isListed(key)) return;
    const of = folder(folderOf(key));
    of.written.add(key);
    of.listing?.files.set(key, { tag: undefined });
  }

  /** Returns whether it was written. */
  async function write(key: string, content: string, condition?: Condition): Promise<boolean> {
    const tag = await bucket.put(key, content, condition).finally(() => wrote(key));
    if (tag !== undefined && isListed(key)) keep(key, { bytes: Buffer.from(content), tag });
    return tag !== undefined;
  }

  const writer: Writer = {
    async put(key, content) {
      await write(key, content);
    },
    async swap(key, content, tag) {
      const condition = tag === undefined ? ({ IfNoneMatch: "*" } as const) : { IfMatch: asCompared(tag) };
      return write(key, content, condition);
    },
    async remove(key) {
      await bucket.delete(key).finally(() => wrote(key));
      forget(key);
    },
    async removeSame(key, tag) {
      const isGone = await bucket.delete(key, asCompared(tag)).finally(() => wrote(key));
      if (isGone) forget(key);
      return isGone;
    },
  };

  let checked: Promise<void> | undefined;
  /** The form of a tag that the server compares, known from the check on. */
  let asCompared: TagForm = tagForms[0]!;
  /** Once, before the first change: a server that does not know conditions would let two machines write over each other. */
  function checkConditions(): Promise<void> {
    checked ??= checkTwice().catch((error: unknown) => {
      checked = undefined;
      throw error;
    });
    return checked;
  }

  /** A lost answer looks like a condition that was not kept, so a server is refused for what it does twice. */
  async function checkTwice(): Promise<void> {
    for (const form of tagForms)
      for (let trial = 0; trial < 2; trial++) {
        if (!(await keepsConditions(bucket, form))) continue;
        asCompared = form;
        return;
      }
    throw new AppError("E_IO", noConditions);
  }

  let reached: { readonly atMs: number; readonly answer: Promise<void> } | undefined;

  return {
    async read(key, maxBytes) {
      if (!isListed(key)) return readNow(key, maxBytes);
      const { files } = await listing(folderOf(key));
      const listed = files.get(key);
      if (listed === undefined) return undefined;
      const known = kept.get(key);
      if (known === undefined || known.tag !== listed.tag) {
        const asked = readNow(key, maxBytes).then(
          (file) => {
            if (files.get(key) === listed) file === undefined ? files.delete(key) : files.set(key, { tag: file.tag });
            return file;
          },
          (error: unknown) => {
            if (known !== undefined && error instanceof AppError && error.code === "E_IO") return known;
            throw error;
          },
        );
        if (known === undefined) return asked;
        return Promise.race([asked, sleep(bucketLimits.patienceMs).then(() => known)]);
      }
      kept.delete(key); // what was asked last is the last to go
      kept.set(key, known);
      return known;
    },
    readNow,
    async list(prefix) {
      if (!/^(names|certificates)\/[^/]+\/$/.test(prefix)) return bucket.list(prefix);
      const { files } = await renewFromNow(prefix);
      return [...files].map(([key, file]) => ({ key, ...file })).sort((a, b) => (a.key < b.key ? -1 : 1));
    },
    async change(work) {
      await checkConditions();
      return work(writer);
    },
    graceMs: bucketLimits.graceMs,
    check() {
      if (reached === undefined || now() - reached.atMs >= bucketLimits.retryMs) {
        const answer = bucket.list("names/", 1).then(() => undefined);
        reached = { atMs: now(), answer };
      }
      return reached.answer;
    },
  };
}

type TagForm = (tag: string) => string;

/** In quotation marks, as RFC 9110 has it, and as the server gave it; without them for servers that compare so (Ceph's gateway 16). */
const tagForms: readonly TagForm[] = [(tag) => tag, (tag) => tag.replace(/^"(.*)"$/, "$1")];

/** Writes a small file and tries to write it again on conditions that do not hold. Returns whether that was refused. A process that ends meanwhile leaves it behind. */
async function keepsConditions(bucket: Bucket, form: TagForm): Promise<boolean> {
  const key = `trials/${randomUUID()}.json`;
  const other = form('"00000000000000000000000000000000"');
  try {
    const tag = await bucket.put(key, "{}", { IfNoneMatch: "*" });
    const again = await bucket.put(key, "[]", { IfNoneMatch: "*" });
    const overOther = await bucket.put(key, "[]", { IfMatch: other });
    const over = tag === undefined ? undefined : await bucket.put(key, "[1]", { IfMatch: form(tag) });
    return tag !== undefined && over !== undefined && again === undefined && overOther === undefined;
  } finally {
    await bucket.delete(key).catch(() => undefined);
  }
}
