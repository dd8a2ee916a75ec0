/** @file The decompositions of a model's maps, kept in a folder under the model's hash; made where they are missing or damaged. */
import { readdir, rm, stat, utimes } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { writeFileAtomic } from "../base/atomic-file.ts";
import { AppError } from "../base/errors.ts";
import { ensureFolder, isFolder } from "../base/folder.ts";
import { requireRunning } from "../base/interrupt.ts";
import { takeLock } from "../base/lock.ts";
import { isRunning, startOf } from "../base/process-identity.ts";
import { readFileBounded } from "../base/read-file.ts";
import { readWeight } from "../runtime/read-weight.ts";
import type { WeightSource } from "../runtime/session.ts";
import { threadsByDefault } from "../runtime/threads.ts";
import { createDecomposer, type Decomposer } from "./decomposer.ts";
import { largestSvdError, mapRank, openSvd, type SvdFile, type SvfMap, writeSvd } from "./svd-file.ts";

/** The decomposed maps by the names of their weights. */
export type Basis = ReadonlyMap<string, SvdFile>;

/** What is decomposed. Its weights are fp32. */
export type SvdSource = {
  readonly sha256: string;
  readonly weights: Readonly<Record<string, WeightSource>>;
  readonly maps: readonly SvfMap[];
};

export type SvdCacheOptions = {
  /** Holds a folder for each model. */
  readonly folder: string;
  /** Most bytes of all models' decompositions; those used longest ago are removed for new ones. */
  readonly quotaBytes?: number | undefined;
  /** Weights decomposed at a time; 0: one per core, as far as memory is meant to allow. */
  readonly threads?: number | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Told of each file that was damaged, before it is made again. */
  readonly onDamaged?: ((why: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type Decomposed = {
  readonly basis: Basis;
  /** How many were made now; the others were there. */
  readonly made: number;
  readonly bytes: number;
  /** The largest ‖W − UΣVᵀ‖ / ‖W‖. */
  readonly largestError: number;
};

export const svdLimits = {
  quotaBytes: 50e9,
  /** Memory for decomposing, all threads together: there are as many as fit it, and at least one. */
  workBytes: 2e9,
} as const;

/** U, Σ and V of a map in bytes, its header left out. */
const storedBytes = (map: SvfMap): number => 4 * mapRank(map) * (map.inputs + map.outputs + 1);

/** The weight and its longer side in fp64, the weight and that side in fp32, and four matrices as large as the Gram matrix. */
const workBytes = (map: SvfMap): number => 24 * map.inputs * map.outputs + 32 * mapRank(map) ** 2;

/**
 * The decomposition of every map. What was made stays when it is interrupted.
 * @throws E_LIMIT where they do not fit the quota; E_NAN naming a weight; E_FORMAT where a reconstruction is too far from its weight;
 * E_IO where the folder cannot be written; E_INTERRUPTED between two maps
 */
export async function openBasis(source: SvdSource, options: SvdCacheOptions): Promise<Decomposed> {
  const { folder, quotaBytes = svdLimits.quotaBytes, onProgress, onDamaged, signal } = options;
  const directory = join(folder, source.sha256);
  const basis = new Map<string, SvdFile>();
  const missing: SvfMap[] = [];
  const look = async (maps: readonly SvfMap[]) => {
    missing.length = 0;
    for (const map of maps) {
      requireRunning(signal);
      const file = await openSvd(fileOf(directory, map), source.sha256, map).catch((error: unknown) => {
        if (!(error instanceof AppError)) throw error;
        if (error.code !== "E_NOT_FOUND") onDamaged?.(error.message);
        return undefined;
      });
      if (file === undefined) missing.push(map);
      else basis.set(map.weight, file);
    }
  };
  // Said before all is read and hashed: what nobody uses another process may remove for a model of its own.
  if (await isFolder(directory)) await markUsed(directory);
  await look(source.maps);
  let made = 0;
  if (missing.length > 0) {
    await ensureFolder(folder);
    await using hold = await holdCache(folder, signal);
    if (hold.hasWaited) await look([...missing]); // the other one may have made them
    made = missing.length;
    await makeRoom(folder, source, quotaBytes);
    await ensureFolder(directory);
    const largest = Math.max(...missing.map(workBytes));
    const asked = options.threads || threadsByDefault() || availableParallelism();
    await using decomposer = createDecomposer(Math.max(1, Math.min(asked, Math.floor(svdLimits.workBytes / largest))));
    const queue = [...missing];
    let done = basis.size;
    onProgress?.(done, source.maps.length);
    const work = async () => {
      for (let map = queue.shift(); map !== undefined; map = queue.shift()) {
        requireRunning(signal, "stopped before the end; the maps that are decomposed stay");
        basis.set(map.weight, await decomposeMap(decomposer, directory, source, map));
        onProgress?.(++done, source.maps.length);
      }
    };
    await Promise.all(Array.from({ length: decomposer.threads }, work));
    await markUsed(directory); // while no other process may make room
  }
  const files = source.maps.map(({ weight }) => basis.get(weight)!);
  return {
    basis: new Map(files.map((file) => [file.weight, file])),
    made,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    largestError: Math.max(0, ...files.map(({ error }) => error)),
  };
}

const fileOf = (directory: string, { weight }: SvfMap): string => join(directory, `${weight}.safetensors`);

async function decomposeMap(
  decomposer: Decomposer,
  directory: string,
  { sha256, weights }: SvdSource,
  map: SvfMap,
): Promise<SvdFile> {
  const values = (await readWeight(weights[map.weight]!)).slice();
  const svd = await decomposer.decompose(values, map.outputs, map.inputs).catch((error: unknown) => {
    throw error instanceof AppError ? new AppError(error.code, `${map.weight}: ${error.message}`) : error;
  });
  if (!(svd.error <= largestSvdError))
    throw new AppError(
      "E_FORMAT",
      `${map.weight}: expected a decomposition within ${largestSvdError} of the weight, found ${svd.error}`,
    );
  const path = fileOf(directory, map);
  await writeSvd(path, sha256, map.weight, svd);
  return openSvd(path, sha256, map);
}

/** Removes other models' decompositions, those used longest ago first, until this model's fit. Throws E_LIMIT where they never will. */
async function makeRoom(folder: string, { sha256, maps }: SvdSource, quotaBytes: number): Promise<void> {
  const wanted = maps.reduce((sum, map) => sum + storedBytes(map), 0);
  if (wanted > quotaBytes)
    throw new AppError(
      "E_LIMIT",
      `${folder}: the decompositions of this model take ${wanted} bytes, the quota is ${quotaBytes}`,
    );
  const others = (await otherModels(folder, sha256)).sort((a, b) => a.usedMs - b.usedMs);
  let held = others.reduce((sum, { bytes }) => sum + bytes, 0);
  const used: string[] = [];
  for (const { path, bytes } of others) {
    if (held + wanted <= quotaBytes) return;
    const user = await userOf(path);
    if (user !== undefined) used.push(`process ${user} uses ${path}`);
    else {
      await rm(path, { recursive: true });
      held -= bytes;
    }
  }
  if (held + wanted > quotaBytes)
    throw new AppError(
      "E_LIMIT",
      `${folder}: the decompositions of this model take ${wanted} bytes, ${held} of the quota of ${quotaBytes} are in use: ${used.join(", ")}`,
    );
}

const lockName = "making.lock";
const waitMs = 200;

/**
 * Keeps other processes from making decompositions, and room for them, until it is given back: two that did not know of each other would take
 * the quota twice. Waits for one that is at it. Throws E_INTERRUPTED, E_IO.
 */
async function holdCache(
  folder: string,
  signal: AbortSignal | undefined,
): Promise<AsyncDisposable & { readonly hasWaited: boolean }> {
  for (let hasWaited = false; ; hasWaited = true) {
    requireRunning(signal);
    let isHeld = false;
    try {
      const release = await takeLock(join(folder, lockName), (id) => {
        isHeld = true;
        return `${folder}: process ${id} is decomposing a model`;
      });
      return { hasWaited, [Symbol.asyncDispose]: release };
    } catch (error) {
      if (!isHeld) throw error;
      await new Promise((done) => setTimeout(done, waitMs));
    }
  }
}

const usePrefix = "used-by-";

/** Says that this process reads a model's decompositions, and when; a folder that cannot be written is not tidied either. */
async function markUsed(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const id = idOfMark(name);
    if (id !== undefined && !isRunning(id)) await rm(join(directory, name), { force: true }).catch(() => undefined);
  }
  const mark = join(directory, `${usePrefix}${process.pid}`);
  await writeFileAtomic(mark, (await startOf(process.pid)) ?? "").catch(() => undefined);
  await utimes(directory, new Date(), new Date()).catch(() => undefined);
}

/** Another process that reads the decompositions in a folder, if one does; marks of processes that ended mean nothing. */
async function userOf(directory: string): Promise<number | undefined> {
  for (const name of await readdir(directory)) {
    const id = idOfMark(name);
    if (id === undefined || id === process.pid || !isRunning(id)) continue;
    const started = Buffer.from(await readFileBounded(join(directory, name), maxMarkBytes)).toString("utf8");
    if (((await startOf(id)) ?? started) === started) return id;
  }
  return undefined;
}
const maxMarkBytes = 200;

function idOfMark(name: string): number | undefined {
  const id = name.startsWith(usePrefix) ? Number(name.slice(usePrefix.length)) : 0;
  return Number.isInteger(id) && id > 0 ? id : undefined;
}

type Held = { readonly path: string; readonly bytes: number; readonly usedMs: number };

async function otherModels(folder: string, sha256: string): Promise<Held[]> {
  const names = await readdir(folder).catch(() => []);
  const held: Held[] = [];
  for (const name of names.filter((one) => /^[0-9a-f]{64}$/.test(one) && one !== sha256)) {
    const path = join(folder, name);
    const files = await Promise.all((await readdir(path)).map((file) => stat(join(path, file))));
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    held.push({ path, bytes, usedMs: (await stat(path)).mtimeMs });
  }
  return held;
}
