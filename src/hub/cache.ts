/** @file The folder that holds models of the hub, laid out as Hugging Face's own tools do, so that they share downloads. */
import { link, readdir, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { ensureFolder } from "../base/folder.ts";
import { ioError } from "../base/io-error.ts";
import { readJsonFile, writeJsonFile } from "../base/json-file.ts";
import { copyRegularFile, readFileBounded } from "../base/read-file.ts";
import type { HubFile } from "./api.ts";
import { type HubId, isCommit } from "./id.ts";
import { type Expected, expectedByName, parseHash, spellHash } from "./sound.ts";

/** Beside the files of a snapshot: where they are from, and what was checked. */
export const recordName = ".lora-gen.json";

const Record = z.object({
  id: z.string(),
  revision: z.string(),
  commit: z.string(),
  /** What was downloaded here. */
  files: z.record(z.string(), z.object({ bytes: z.int(), hash: z.string() })),
  /** When each file that was found sound had last changed, in milliseconds; also of files that other tools downloaded. */
  checked: z.record(z.string(), z.number()).optional(),
});
export type HubRecord = z.infer<typeof Record>;

const modelFolder = (cache: string, { owner, name }: HubId) => join(cache, `models--${owner}--${name}`);
export const snapshotFolder = (cache: string, id: HubId, commit: string) =>
  join(modelFolder(cache, id), "snapshots", commit);
export const blobPath = (cache: string, id: HubId, { hash }: HubFile) =>
  join(modelFolder(cache, id), "blobs", hash.hex);
const refPath = (cache: string, id: HubId) => join(modelFolder(cache, id), "refs", id.revision);

const refBytes = 1024;

/** The commit that a revision stood for when it was last looked up; undefined where it never was. */
export async function knownCommit(cache: string, id: HubId): Promise<string | undefined> {
  if (isCommit(id.revision)) return id.revision;
  const bytes = await readFileBounded(refPath(cache, id), refBytes).catch(() => new Uint8Array(0));
  const text = Buffer.from(bytes).toString("utf8").trim();
  return isCommit(text) ? text : undefined;
}

export async function rememberCommit(cache: string, id: HubId, commit: string): Promise<void> {
  if (id.revision === commit) return;
  const path = refPath(cache, id);
  await ensureFolder(dirname(path));
  await writeFileAtomic(path, commit);
}

/** What lies in a snapshot: names relative to it. */
export async function snapshotNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const names: string[] = [];
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isDirectory() && (await sizeOf(path)) !== undefined)
      names.push(relative(folder, path).replaceAll("\\", "/"));
  }
  return names;
}

/** What was checked in a snapshot; undefined where another tool made it. */
export const readRecord = (folder: string): Promise<HubRecord | undefined> =>
  readJsonFile(join(folder, recordName), Record).catch(() => undefined);

/** Adds to a snapshot's record: files that were downloaded, and those that were found sound, as they are now. */
export async function writeRecord(
  folder: string,
  id: HubId,
  commit: string,
  { files = [], sound = [] }: { readonly files?: readonly HubFile[]; readonly sound?: readonly string[] },
): Promise<void> {
  const before = await readRecord(folder);
  const added = files.map(({ name, bytes, hash }) => [name, { bytes, hash: spellHash(hash) }] as const);
  const checked: [string, number][] = [];
  for (const name of sound) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found !== undefined) checked.push([name, found.mtimeMs]);
  }
  await writeJsonFile(join(folder, recordName), {
    id: `${id.owner}/${id.name}`,
    revision: id.revision,
    commit,
    files: { ...before?.files, ...Object.fromEntries(added) },
    checked: { ...before?.checked, ...Object.fromEntries(checked) },
  });
}

/** What a snapshot's file should be: by the record, else by the name of the blob behind it; undefined where neither tells. */
export function expectedOf(folder: string, record: HubRecord | undefined, name: string): Promise<Expected | undefined> {
  const { bytes, hash: text } = record?.files[name] ?? {};
  const hash = text === undefined ? undefined : parseHash(text);
  return bytes === undefined || hash === undefined
    ? expectedByName(join(folder, name))
    : Promise.resolve({ bytes, hash });
}

export const sizeOf = (path: string): Promise<number | undefined> =>
  stat(path).then(
    ({ size }) => size,
    () => undefined,
  );

/** Puts a blob into a snapshot under its name: as a link, or a copy where the file system has none. */
export async function placeBlob(blob: string, path: string): Promise<void> {
  try {
    await ensureFolder(dirname(path));
    await rm(path, { force: true });
    await symlink(relative(dirname(path), blob), path).catch(() =>
      link(blob, path).catch(() => copyRegularFile(blob, path)),
    );
  } catch (error) {
    throw ioError(error, "write", path);
  }
}
