/**
 * @file The store of specialisations: a folder. Contents lie under their SHA-256, names point to them.
 *
 *     objects/SHA256.json      a specialisation, as `specialize` writes it; never changed
 *     names/TENANT/NAME.json   every version the name ever had, and which one it stands for; or what it is another name of
 *     certificates/TENANT/SHA256.json   how a content answered
 *
 * Every file appears whole or not at all, contents before the names that point to them. One process at a time writes. Readers need no lock.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../../base/atomic-file.ts";
import { AppError } from "../../base/errors.ts";
import { ensureFolder } from "../../base/folder.ts";
import { sha256 } from "../../base/hash.ts";
import { ioError } from "../../base/io-error.ts";
import { readJsonFile, writeJsonFile } from "../../base/json-file.ts";
import { takeLock } from "../../base/lock.ts";
import { readFileBounded } from "../../base/read-file.ts";
import { Sha256 } from "../../base/sha256.ts";
import { decodeUtf8 } from "../../base/utf8.ts";
import {
  encodeSpecialization,
  parseSpecialization,
  type Specialization,
  specializationLimits,
} from "../../pair/specialization.ts";
import { Certificate } from "../trust/certificate.ts";
import { parseReference, requireName } from "./names.ts";

const Version = z.strictObject({
  version: z.int().positive(),
  /** The content's hash. */
  object: Sha256,
  at: z.iso.datetime(),
  /** A keyed hash of prompt, pair and options: the same question has this answer. */
  key: Sha256.optional(),
});
const format = z.literal("lora-gen name 1");
const NameFile = z.union([
  z.strictObject({ format, name: z.string(), current: z.int().positive(), versions: z.array(Version).min(1) }),
  z.strictObject({ format, name: z.string(), aliasOf: z.string() }),
]);
export type StoredVersion = z.infer<typeof Version>;
export type StoredName = z.infer<typeof NameFile>;
/** A name that has versions of its own. */
export type OwnName = Extract<StoredName, { versions: unknown }>;

export type Resolved = StoredVersion & { readonly name: string };

export type StoreReport = {
  readonly names: number;
  readonly versions: number;
  readonly objects: number;
  /** `TENANT/NAME@VERSION` whose content is gone or damaged, and files of names that cannot be read. */
  readonly damaged: readonly string[];
  /** Contents that no name points to. */
  readonly unused: readonly string[];
};

export type Store = {
  /** Names in alphabetical order. A file that cannot be read is left out, and told of. */
  list(tenant: string, onDamaged?: (name: string) => void): Promise<StoredName[]>;
  /** Throws E_NOT_FOUND. */
  get(tenant: string, name: string): Promise<StoredName>;
  /** What NAME or NAME@VERSION stands for now, names of names followed once. Throws E_NOT_FOUND, E_USAGE. */
  resolve(tenant: string, reference: string): Promise<Resolved>;
  /** Throws E_NOT_FOUND; E_FORMAT where the content is not what its name says. */
  read(object: string): Promise<Specialization>;
  /** A new version, which the name stands for from now on. The content it already stands for makes none. */
  put(
    tenant: string,
    name: string,
    content: Specialization,
    key?: string,
  ): Promise<Resolved & { readonly isNew: boolean }>;
  findKey(tenant: string, key: string): Promise<Resolved | undefined>;
  /** The name stands for an earlier version, or for the one before. Throws E_NOT_FOUND. */
  rollback(tenant: string, name: string, version?: number): Promise<Resolved>;
  /** Another name of NAME or NAME@VERSION. Throws E_USAGE where the name has versions of its own. */
  alias(tenant: string, name: string, target: string): Promise<void>;
  /** With the certificates of contents that none of the tenant's names has any more. */
  remove(tenant: string, name: string): Promise<void>;
  /** Keeps how a content answered, in the place of what was known of it. Throws E_NOT_FOUND where the content is gone. */
  certify(tenant: string, certificate: Certificate): Promise<void>;
  uncertify(tenant: string, object: string): Promise<void>;
  /** undefined: it was never measured. Throws E_FORMAT. */
  certificate(tenant: string, object: string): Promise<Certificate | undefined>;
  /** Removes contents that no name points to, with their certificates. Returns them. */
  collect(): Promise<string[]>;
  verify(): Promise<StoreReport>;
  /** Forgets versions whose content is lost, and names of which nothing is left. Returns what was found. */
  repair(): Promise<StoreReport>;
};

export type StoreOptions = {
  /** The time, for `at`. */
  readonly now?: () => Date;
  readonly sleep?: (ms: number) => Promise<void>;
};

/** `versions`: of one name; so many always fit a name's file. Exported for tests. */
export const storeLimits = { versions: 10_000 } as const;
const limits = { nameBytes: 2 ** 22, certificateBytes: 2 ** 22, lockTries: 1000, lockWaitMs: 20 } as const;
const lockName = "store.lock";
const isBusy = "the store is being written to by another process";
const ownOf = (found: StoredName): OwnName | undefined => ("versions" in found ? found : undefined);

/** Opens a store; the folder is made if it is not there. Throws E_IO. */
export async function openStore(
  folder: string,
  {
    now = () => new Date(),
    sleep = (ms) =>
      new Promise((done) => {
        setTimeout(done, ms);
      }),
  }: StoreOptions = {},
): Promise<Store> {
  const objects = join(folder, "objects");
  const names = join(folder, "names");
  await ensureFolder(objects);
  await ensureFolder(names);
  const objectPath = (object: string) => join(objects, `${object}.json`);
  const certificatePath = (tenant: string, object: string) =>
    join(folder, "certificates", requireName(tenant), `${Sha256.parse(object)}.json`);
  const namePath = (tenant: string, name: string) => join(names, requireName(tenant), `${requireName(name)}.json`);

  let queue: Promise<unknown> = Promise.resolve();
  /** One writer at a time, in this process and beside others. */
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const result = queue.then(async () => {
      const release = await lock();
      try {
        return await work();
      } finally {
        await release();
      }
    });
    queue = result.catch(() => undefined);
    return result;
  }
  async function lock(): Promise<() => Promise<void>> {
    for (let tries = 1; ; tries++) {
      try {
        return await takeLock(join(folder, lockName), () => isBusy);
      } catch (error) {
        if (!(error instanceof AppError) || error.message !== isBusy || tries === limits.lockTries) throw error;
        await sleep(limits.lockWaitMs);
      }
    }
  }

  const readName = (path: string) => readJsonFile(path, NameFile, { maxBytes: limits.nameBytes });

  async function get(tenant: string, name: string): Promise<StoredName> {
    try {
      return await readName(namePath(tenant, name));
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "E_NOT_FOUND") throw error;
      throw new AppError("E_NOT_FOUND", `model ${JSON.stringify(name)}: not found`);
    }
  }

  const find = (tenant: string, name: string): Promise<StoredName | undefined> =>
    get(tenant, name).catch((error: unknown) => {
      if (error instanceof AppError && error.code === "E_NOT_FOUND") return undefined;
      throw error;
    });

  function versionOf(own: OwnName, wanted = own.current): Resolved {
    const found = own.versions.find(({ version }) => version === wanted);
    if (found === undefined)
      throw new AppError("E_NOT_FOUND", `model ${JSON.stringify(own.name)}: has no version ${wanted}`);
    return { ...found, name: own.name };
  }

  async function resolve(tenant: string, reference: string): Promise<Resolved> {
    const { name, version } = parseReference(reference);
    const found = await get(tenant, name);
    const own = ownOf(found);
    if (own !== undefined) return versionOf(own, version);
    const { aliasOf } = found as Exclude<StoredName, OwnName>;
    if (version !== undefined)
      throw new AppError(
        "E_NOT_FOUND",
        `model ${JSON.stringify(name)}: is another name of ${aliasOf}, without versions`,
      );
    const target = parseReference(aliasOf);
    const real = ownOf(await get(tenant, target.name));
    if (real === undefined)
      throw new AppError(
        "E_NOT_FOUND",
        `model ${JSON.stringify(name)}: is another name of ${aliasOf}, which is one too`,
      );
    return versionOf(real, target.version);
  }

  async function read(object: string): Promise<Specialization> {
    const what = `content ${Sha256.parse(object)}`; // not its path: who asks over HTTP need not know where it lies
    const bytes = await readFileBounded(objectPath(object), specializationLimits.fileBytes).catch((error: unknown) => {
      if (error instanceof AppError && error.code === "E_NOT_FOUND")
        throw new AppError("E_NOT_FOUND", `${what}: not found`);
      throw error;
    });
    if (sha256(bytes) !== object)
      throw new AppError("E_FORMAT", `${what}: expected content of this SHA-256, found ${sha256(bytes)}`);
    return parseSpecialization(decodeUtf8(bytes, what), what);
  }

  async function foldersIn(path: string): Promise<string[]> {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw ioError(error, "read", path);
    }
  }
  const jsonIn = async (path: string): Promise<string[]> =>
    (await foldersIn(path)).filter((file) => /^[^.].*\.json$/.test(file)).map((file) => file.slice(0, -".json".length));

  async function list(tenant: string, onDamaged?: (name: string) => void): Promise<StoredName[]> {
    const found = await Promise.all(
      (await jsonIn(join(names, requireName(tenant)))).map((name) =>
        find(tenant, name).catch((error: unknown) => {
          if (!(error instanceof AppError) || error.code === "E_IO") throw error;
          onDamaged?.(name);
          return undefined;
        }),
      ),
    );
    return found.filter((name) => name !== undefined);
  }

  async function writeName(tenant: string, file: StoredName): Promise<void> {
    const path = namePath(tenant, file.name);
    await ensureFolder(join(names, tenant));
    await writeJsonFile(path, file);
  }

  const formatName = "lora-gen name 1" as const;

  const put: Store["put"] = (tenant, name, content, key) =>
    alone(async () => {
      const text = encodeSpecialization(content);
      parseSpecialization(text, "specialization"); // what could not be read again is not stored
      const object = sha256(text);
      const before = await find(tenant, name);
      const own = before && ownOf(before);
      if (before !== undefined && own === undefined)
        throw new AppError("E_USAGE", `model ${JSON.stringify(name)}: is another name of a model; remove it first`);
      const current = own && versionOf(own);
      if (own !== undefined && current?.object === object && current.key === key) return { ...current, isNew: false };
      requireName(name);
      if (own !== undefined && own.versions.length >= storeLimits.versions)
        throw new AppError(
          "E_LIMIT",
          `model ${JSON.stringify(name)}: expected at most ${storeLimits.versions} versions, found ${own.versions.length}; take another name, or remove this one`,
        );
      await writeFileAtomic(objectPath(object), text);
      const version = 1 + (own?.versions.at(-1)?.version ?? 0);
      const added = { version, object, at: now().toISOString(), ...(key === undefined ? {} : { key }) };
      await writeName(tenant, {
        format: formatName,
        name,
        current: version,
        versions: [...(own?.versions ?? []), added],
      });
      return { ...added, name, isNew: true };
    });

  const rollback: Store["rollback"] = (tenant, name, wanted) =>
    alone(async () => {
      const own = ownOf(await get(tenant, name));
      if (own === undefined)
        throw new AppError("E_USAGE", `model ${JSON.stringify(name)}: is another name of a model, without versions`);
      const before = own.versions.filter(({ version }) => version < own.current).at(-1)?.version;
      const target = versionOf(own, wanted ?? before ?? 0);
      await writeName(tenant, { ...own, current: target.version });
      return target;
    });

  const alias: Store["alias"] = (tenant, name, target) =>
    alone(async () => {
      const before = await find(tenant, name);
      if (before !== undefined && ownOf(before) !== undefined)
        throw new AppError("E_USAGE", `model ${JSON.stringify(name)}: has versions of its own; remove it first`);
      const real = ownOf(await get(tenant, parseReference(target).name));
      if (real === undefined) throw new AppError("E_USAGE", `${target}: expected a model, found another name of one`);
      versionOf(real, parseReference(target).version);
      await writeName(tenant, { format: formatName, name, aliasOf: target });
    });

  const remove: Store["remove"] = (tenant, name) =>
    alone(async () => {
      const gone = ownOf(await get(tenant, name));
      await rm(namePath(tenant, name), { force: true });
      const left = new Set(
        (await list(tenant)).flatMap((file) => ownOf(file)?.versions.map(({ object }) => object) ?? []),
      );
      for (const { object } of gone?.versions ?? [])
        if (!left.has(object)) await rm(certificatePath(tenant, object), { force: true });
    });

  /** Every name there is, and what of them is damaged. */
  async function survey() {
    const all: { readonly tenant: string; readonly file: OwnName; readonly lost: readonly number[] }[] = [];
    const unreadable: { readonly tenant: string; readonly name: string }[] = [];
    let count = 0;
    for (const tenant of await foldersIn(names))
      for (const name of await jsonIn(join(names, tenant))) {
        count++;
        try {
          const own = ownOf(await readName(join(names, tenant, `${name}.json`)));
          if (own === undefined) continue;
          const lost: number[] = [];
          for (const { version, object } of own.versions)
            await read(object).catch((error: unknown) => {
              if (!(error instanceof AppError) || error.code === "E_IO") throw error;
              lost.push(version);
            });
          all.push({ tenant, file: own, lost });
        } catch (error) {
          if (!(error instanceof AppError) || error.code === "E_IO") throw error;
          unreadable.push({ tenant, name });
        }
      }
    const used = new Set(all.flatMap(({ file }) => file.versions.map(({ object }) => object)));
    const held = await jsonIn(objects);
    const report: StoreReport = {
      names: count,
      versions: all.reduce((sum, { file }) => sum + file.versions.length, 0),
      objects: held.length,
      damaged: [
        ...unreadable.map(({ tenant, name }) => `${tenant}/${name}`),
        ...all.flatMap(({ tenant, file, lost }) => lost.map((version) => `${tenant}/${file.name}@${version}`)),
      ],
      unused: held.filter((object) => !used.has(object)),
    };
    return { all, unreadable, report };
  }

  return {
    list,
    get,
    resolve,
    read,
    put,
    rollback,
    alias,
    remove,
    async findKey(tenant, key) {
      for (const file of await list(tenant)) {
        const own = ownOf(file);
        const found = own?.versions.findLast((version) => version.key === key);
        if (own !== undefined && found !== undefined) return { ...found, name: own.name };
      }
      return undefined;
    },
    certify: (tenant, certificate) =>
      alone(async () => {
        await read(certificate.object);
        await ensureFolder(join(folder, "certificates", requireName(tenant)));
        await writeJsonFile(certificatePath(tenant, certificate.object), certificate);
      }),
    uncertify: (tenant, object) => alone(() => rm(certificatePath(tenant, object), { force: true })),
    async certificate(tenant, object) {
      try {
        return await readJsonFile(certificatePath(tenant, object), Certificate, { maxBytes: limits.certificateBytes });
      } catch (error) {
        if (error instanceof AppError && error.code === "E_NOT_FOUND") return undefined;
        throw error;
      }
    },
    collect: () =>
      alone(async () => {
        const { unreadable, report } = await survey();
        if (unreadable.length > 0)
          throw new AppError(
            "E_FORMAT",
            `${folder}: names that cannot be read may point to anything: repair the store first (${report.damaged.join(", ")})`,
          );
        for (const object of report.unused) await rm(objectPath(object), { force: true });
        const held = new Set(await jsonIn(objects));
        for (const tenant of await foldersIn(join(folder, "certificates")))
          for (const object of await jsonIn(join(folder, "certificates", tenant)))
            if (!held.has(object)) await rm(certificatePath(tenant, object), { force: true });
        return [...report.unused];
      }),
    verify: async () => (await survey()).report,
    repair: () =>
      alone(async () => {
        const { all, unreadable, report } = await survey();
        for (const { tenant, name } of unreadable) await rm(join(names, tenant, `${name}.json`), { force: true });
        for (const { tenant, file, lost } of all) {
          if (lost.length === 0) continue;
          const versions = file.versions.filter(({ version }) => !lost.includes(version));
          const last = versions.at(-1);
          if (last === undefined) await rm(namePath(tenant, file.name), { force: true });
          else {
            const current = versions.some(({ version }) => version === file.current) ? file.current : last.version;
            await writeName(tenant, { ...file, current, versions });
          }
        }
        return report;
      }),
  };
}
