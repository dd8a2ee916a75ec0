/** @file Models of the Hugging Face hub: the files that reading one takes, downloaded once, checked, pinned to a commit. */
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../base/errors.ts";
import { ensureFolder } from "../base/folder.ts";
import type { Logger } from "../base/log.ts";
import type { Progress } from "../base/progress.ts";
import { fetchRevision, type HubFile, type HubRevision, HubUnreachable } from "./api.ts";
import { type BlobOptions, downloadBlob } from "./blob.ts";
import {
  blobPath,
  expectedOf,
  knownCommit,
  placeBlob,
  readRecord,
  rememberCommit,
  sizeOf,
  snapshotFolder,
  snapshotNames,
  writeRecord,
} from "./cache.ts";
import { type Choice, chooseFiles, type HubPart, indexFile, shardsOf } from "./choose.ts";
import { connect, type HubAddress, type HubEntrance } from "./connect.ts";
import { formatHubId, type HubId, isCommit, isPlainPath } from "./id.ts";
import { isSound } from "./sound.ts";

export type HubOptions = HubAddress &
  Omit<BlobOptions, "onBytes" | keyof HubEntrance> & {
    /** Folder of the cache, as Hugging Face's tools lay it out. */
    readonly cache: string;
    /** Never ask the hub: only what is in the cache. */
    readonly isOffline?: boolean;
    /** Given a model's folder before its weights are downloaded; throws where they would be of no use. Not asked for GGUF files. */
    readonly check?: (folder: string) => Promise<unknown>;
    readonly log: Logger;
    /** Of a download in megabytes. */
    readonly progress: (totalMegabytes: number, label: string) => Progress;
  };

/**
 * The folder with a model's files at the commit that its revision stands for, or the path of its GGUF file. What is not
 * in the cache is downloaded; only files whose size and hash are right are ever in that folder.
 * @throws E_NOT_FOUND, E_USAGE, E_IO (offline, refused, cut short), E_FORMAT (wrong content), E_INTERRUPTED, and as `check` does
 */
export async function fetchModel(id: HubId, options: HubOptions, part: HubPart = "model"): Promise<string> {
  const known = await knownCommit(options.cache, id);
  if (known !== undefined && (isCommit(id.revision) || options.isOffline)) {
    const local = await findLocal(id, known, options, part);
    if (local !== undefined) return local;
  }
  if (options.isOffline)
    throw new AppError(
      "E_NOT_FOUND",
      `${formatHubId(id)}: not in ${options.cache}, and no download is allowed offline`,
    );
  const hub = { ...options, ...connect(options) };
  let revision: HubRevision;
  try {
    revision = await fetchRevision(hub, id);
  } catch (error) {
    if (!(error instanceof HubUnreachable)) throw error;
    return await fallBack(id, known, hub, part, error.message);
  }
  return await download(id, revision, hub, part);
}

/** The options, and who asks where. */
type Connected = Omit<HubOptions, keyof HubAddress> & HubEntrance;
type Local = Pick<HubOptions, "cache" | "isOffline" | "signal" | "log">;

/** The hub does not answer: what an earlier run brought will do, and the user is told. */
async function fallBack(
  id: HubId,
  known: string | undefined,
  options: Connected,
  part: HubPart,
  why: string,
): Promise<string> {
  const local = known === undefined ? undefined : await findLocal(id, known, options, part);
  const name = formatHubId(id);
  if (local === undefined)
    throw new AppError(
      "E_IO",
      `${name}: cannot reach ${options.url} (${why}), and the model is not in ${options.cache}; give a folder with the model instead, or connect once`,
    );
  options.log.warn(`${name}: cannot reach ${options.url} (${why}); using commit ${known} from ${options.cache}`);
  return local;
}

/**
 * A complete snapshot in the cache; undefined where a file is missing, or has other content than it should: the hub has it still.
 * @throws E_FORMAT naming the file, where no download is allowed
 */
async function findLocal(id: HubId, commit: string, options: Local, part: HubPart): Promise<string | undefined> {
  const folder = snapshotFolder(options.cache, id, commit);
  const record = await readRecord(folder);
  const names = await snapshotNames(folder);
  let choice: Choice;
  let wanted: readonly string[];
  try {
    choice = chooseFiles(id, names, part);
    wanted = [...choice.files, ...choice.weights, ...(choice.isSharded ? await shardsOf(folder) : [])];
  } catch (error) {
    if (error instanceof AppError) return undefined; // not there, or not whole
    throw error;
  }
  const isDownload = record !== undefined && Object.keys(record.files).length > 0;
  if (!isDownload && part === "model" && choice.gguf === undefined && !names.includes("config.json")) return undefined;
  if (!(await areSound(id, commit, wanted, options))) return undefined;
  return choice.gguf === undefined ? folder : join(folder, choice.gguf);
}

/** Hashes what was not hashed since it last changed, and remembers the outcome. */
async function areSound(
  id: HubId,
  commit: string,
  names: readonly string[],
  { cache, isOffline, signal, log }: Local,
): Promise<boolean> {
  const folder = snapshotFolder(cache, id, commit);
  const record = await readRecord(folder);
  const sound: string[] = [];
  for (const name of names) {
    const path = join(folder, name);
    if ((await sizeOf(path)) === undefined) return false;
    const expected = await expectedOf(folder, record, name);
    if (expected === undefined) continue; // a copy made by another tool: nothing says what it should be
    if (await isSound(path, expected, { checkedMs: record?.checked?.[name], signal })) sound.push(name);
    else {
      const what = `${formatHubId(id)}: ${path} is damaged: expected ${expected.bytes} bytes of ${expected.hash.kind} hash ${expected.hash.hex}, found others`;
      if (isOffline) throw new AppError("E_FORMAT", `${what}; no download is allowed offline`);
      log.warn(`${what}; it is downloaded again`);
      return false;
    }
  }
  if (sound.some((name) => record?.checked?.[name] === undefined))
    await writeRecord(folder, id, commit, { sound }).catch(() => undefined); // a cache may be read-only: then next time again
  return true;
}

async function download(id: HubId, revision: HubRevision, options: Connected, part: HubPart): Promise<string> {
  const { cache } = options;
  const { commit } = revision;
  const folder = snapshotFolder(cache, id, commit);
  const byName = new Map(revision.files.filter(({ name }) => isPlainPath(name)).map((file) => [file.name, file]));
  const choice = chooseFiles(id, [...byName.keys()], part);
  const pick = (names: readonly string[]): HubFile[] =>
    names.map((name) => {
      const file = byName.get(name);
      if (file === undefined)
        throw new AppError("E_FORMAT", `${formatHubId(id)}: ${indexFile} names ${name}, which is missing`);
      return file;
    });
  const files: HubFile[] = [];
  const fetchNext = async (names: readonly string[]) => {
    const next = pick(names);
    await fetchFiles(id, commit, next, options);
    files.push(...next);
  };
  // Weights come last: whatever is wrong with the small files is known before the long part begins.
  await fetchNext(choice.files);
  if (part === "model" && choice.gguf === undefined) await options.check?.(folder);
  await fetchNext(choice.weights);
  if (choice.isSharded) await fetchNext(await shardsOf(folder));
  await rememberCommit(cache, id, commit);
  await writeRecord(folder, id, commit, { files, sound: files.map(({ name }) => name) });
  return choice.gguf === undefined ? folder : join(folder, choice.gguf);
}

async function fetchFiles(id: HubId, commit: string, files: readonly HubFile[], options: Connected): Promise<void> {
  const { cache, signal } = options;
  if (files.length === 0) return;
  const snapshot = snapshotFolder(cache, id, commit);
  const checked = (await readRecord(snapshot))?.checked;
  const unplaced: HubFile[] = [];
  for (const file of files) {
    const path = join(snapshot, file.name);
    if (!(await isSound(path, file, { checkedMs: checked?.[file.name], signal }))) unplaced.push(file);
  }
  if (unplaced.length === 0) return;
  const missing: HubFile[] = [];
  for (const file of unplaced) {
    const blob = blobPath(cache, id, file);
    if (await isSound(blob, file, { signal })) continue;
    missing.push(file);
    if ((await sizeOf(blob)) !== undefined) options.log.warn(`${blob} is damaged; it is downloaded again`);
  }
  const total = missing.reduce((sum, { bytes }) => sum + bytes, 0);
  const folder = join(blobPath(cache, id, files[0]!), "..");
  await ensureFolder(folder);
  await requireSpace(folder, total);
  const progress = total > 0 ? options.progress(Math.ceil(total / 1e6), `MB of ${id.owner}/${id.name}`) : undefined;
  let done = 0;
  try {
    for (const file of unplaced) {
      const onBytes = (bytes: number) => {
        done += bytes;
        progress?.update(Math.min(Math.ceil(total / 1e6), Math.round(done / 1e6)), { file: file.name });
      };
      const blob = blobPath(cache, id, file);
      if (missing.includes(file)) await downloadBlob(blob, { id, commit, file }, { ...options, onBytes });
      await placeBlob(blob, join(snapshot, file.name));
    }
  } finally {
    progress?.finish();
  }
}

async function requireSpace(folder: string, bytes: number): Promise<void> {
  const free = await statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => Number.POSITIVE_INFINITY,
  );
  const gigabytes = (value: number) => `${(value / 1e9).toFixed(1)} GB`;
  if (bytes > free)
    throw new AppError(
      "E_IO",
      `${folder}: the download takes ${gigabytes(bytes)}, the disk has ${gigabytes(free)} left`,
    );
}
