/** @file Whether what lies in the cache is what the hub has: size and hash. A hash is computed once, and again where the file changed. */
import { createHash, type Hash } from "node:crypto";
import { realpath, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { readChunks } from "../base/read-file.ts";
import { type HubFile, requireDownloading } from "./api.ts";

/** What is known of a file's content. */
export type Expected = Omit<HubFile, "name">;

export type SoundOptions = {
  /** When the file last changed before it was found sound; it is not read again where it has not changed since. */
  readonly checkedMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** Throws E_IO, E_INTERRUPTED. A file that is not there, or not a regular one, is not sound. */
export async function isSound(
  path: string,
  wanted: Expected,
  { checkedMs, signal }: SoundOptions = {},
): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size !== wanted.bytes) return false;
  if (found.mtimeMs === checkedMs) return true;
  const hash = contentHash(wanted);
  for await (const chunk of readChunks(path)) {
    requireDownloading(signal);
    hash.update(chunk);
  }
  return hash.digest("hex") === wanted.hash.hex;
}

/** Ready for the content of a file. */
export const contentHash = ({ bytes, hash: { kind } }: Expected): Hash =>
  kind === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${bytes}\0`);

/** What a file in a snapshot should be by the name of the blob behind it; undefined where it is no link to one. */
export async function expectedByName(path: string): Promise<Expected | undefined> {
  const [real, found] = await Promise.all([realpath(path), stat(path)]).catch(() => []);
  if (real === undefined || found === undefined || basename(dirname(real)) !== "blobs") return undefined;
  const hash = hashOf(basename(real));
  return hash && { bytes: found.size, hash };
}

const hashOf = (hex: string): Expected["hash"] | undefined =>
  /^[0-9a-f]{64}$/.test(hex) ? { kind: "sha256", hex } : /^[0-9a-f]{40}$/.test(hex) ? { kind: "git", hex } : undefined;

/** As a record spells it. */
export const spellHash = ({ kind, hex }: Expected["hash"]): string => `${kind}:${hex}`;
export const parseHash = (text: string): Expected["hash"] | undefined => hashOf(text.replace(/^(sha256|git):/, ""));
