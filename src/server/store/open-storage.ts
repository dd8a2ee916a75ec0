/** @file Where a store is, by what a user names it: a folder, or `s3://BUCKET/PREFIX`. */
import { openBucket, type S3Settings } from "./bucket-client.ts";
import { bucketStorage } from "./bucket-storage.ts";
import { openFolder } from "./folder-storage.ts";
import type { Storage } from "./storage.ts";

type Options = { readonly s3: S3Settings | undefined; readonly sleep: (ms: number) => Promise<void> };

/** Whether what a user names is a bucket; else it is a folder. */
export const isBucket = (where: string): boolean => /^s3:/i.test(where);

/** Throws E_USAGE, E_CONFIG for what is no bucket; E_IO where it cannot be reached. */
export async function openStorage(where: string, { s3, sleep }: Options): Promise<Storage> {
  if (!isBucket(where)) return openFolder(where, sleep);
  const storage = bucketStorage(await openBucket(where, s3), { now: () => performance.now(), sleep });
  await storage.check();
  return storage;
}
