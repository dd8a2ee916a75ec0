/**
 * @file The store of specialisations. Contents lie under their SHA-256, names point to them.
 *
 *     objects/SHA256.json      a specialisation, as `specialize` writes it; never changed
 *     names/TENANT/NAME.json   every version the name ever had, and which one it stands for; or what it is another name of
 *     certificates/TENANT/SHA256.json   how a content answered
 *     aside/SHA256-….json      in a bucket: a content that no name pointed to, kept for a while longer
 *     trials/….json            in a bucket: by which a machine sees that the server keeps conditions; it removes it at once
 *     secret.json              in a bucket: by which secret its machines recognise prompts
 *
 * Every file appears whole or not at all, contents before the names that point to them. In a folder one process at a time writes. In a
 * bucket several machines do: a name is changed on the condition that it is still what was read, and read again where it is not. Readers
 * need no lock.
 */
import { randomInt } from "node:crypto";
import { z } from "zod";
import { atOnce } from "../../base/at-once.ts";
import { AppError } from "../../base/errors.ts";
import { hmacSha256, sha256 } from "../../base/hash.ts";
import { checkSchema, parseJson } from "../../base/json.ts";
import { Sha256 } from "../../base/sha256.ts";
import { decodeUtf8 } from "../../base/utf8.ts";
import {
  encodeSpecialization,
  parseSpecialization,
  type Specialization,
  specializationLimits,
} from "../../pair/specialization.ts";
import { Certificate } from "../trust/certificate.ts";
import type { S3Settings } from "./bucket-client.ts";
import { contentsAsideOf } from "./contents-aside.ts";
import { isDamage, isDamaged, tellDamage } from "./damage.ts";
import { isHash, jsonFiles, objectPath } from "./files.ts";
import { parseReference, requireName } from "./names.ts";
import { openStorage } from "./open-storage.ts";
import type { Read, Storage, Writer } from "./storage.ts";
import {
  isSame,
  NameFile,
  nameFormat,
  type OwnName,
  ownOf,
  type Resolved,
  type StoredName,
  type StoredVersion,
  versionOf,
} from "./stored-name.ts";

export type { OwnName, StoredName };

export type StoreReport = {
  readonly names: number;
  readonly versions: number;
  readonly objects: number;
  /** `TENANT/NAME@VERSION` whose content is gone or damaged, and files of names that cannot be read. */
  readonly damaged: readonly string[];
  /** Contents that no name points to. */
  readonly unused: readonly string[];
};

/** Where the file of a name is damaged, whatever needs it throws E_DATA. */
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
  /** Keeps how a content answered, in the place of what was known of it. Throws E_NOT_FOUND where it is gone, or no name of the tenant has it. */
  certify(tenant: string, certificate: Certificate): Promise<void>;
  uncertify(tenant: string, object: string): Promise<void>;
  /** undefined: it was never measured. Throws E_DATA. */
  certificate(tenant: string, object: string): Promise<Certificate | undefined>;
  /** Removes contents that no name points to, with their certificates. Returns them. In a bucket none that was written within an hour. */
  collect(): Promise<string[]>;
  verify(): Promise<StoreReport>;
  /** Forgets versions whose content is lost, and names of which nothing is left. Returns what was found. */
  repair(): Promise<StoreReport>;
  /** Throws E_IO where the store cannot be reached. */
  check(): Promise<void>;
  /** In a bucket: the first secret is noted, by a hash. Throws E_MISMATCH for another one. */
  agreeOnSecret(secret: Uint8Array): Promise<void>;
};

export type StoreOptions = {
  /** The time, for `at` and for how old a file is. */
  readonly now?: () => Date;
  readonly sleep?: (ms: number) => Promise<void>;
  /** Of a bucket. */
  readonly s3?: S3Settings | undefined;
};

/** `versions`: of one name; so many always fit a name's file. Exported for tests. */
export const storeLimits = { versions: 10_000 } as const;
/** `swapTries`: of a change that other machines come before, after at most `swapWaitMs` each time; `reads`: at once. */
const limits = {
  nameBytes: 2 ** 22,
  certificateBytes: 2 ** 22,
  secretBytes: 1000,
  swapTries: 60,
  swapWaitMs: 400,
  reads: 16,
} as const;

/**
 * Opens a store. A folder is made if it is not there; a bucket has to be.
 * @param where a folder, or `s3://BUCKET/PREFIX`
 * @throws E_IO where it cannot be reached; E_USAGE, E_CONFIG for what is no bucket
 */
export async function openStore(where: string, options: StoreOptions = {}): Promise<Store> {
  const {
    now = () => new Date(),
    sleep = (ms) =>
      new Promise((done) => {
        setTimeout(done, ms);
      }),
    s3,
  } = options;
  return storeIn(await openStorage(where, { s3, sleep }), { now, sleep });
}

/** A store over what its files lie in. */
export function storeIn(storage: Storage, { now, sleep }: Required<Pick<StoreOptions, "now" | "sleep">>): Store {
  const contentsAside = contentsAsideOf(storage);
  const certificatePath = (tenant: string, object: string) =>
    `certificates/${requireName(tenant)}/${Sha256.parse(object)}.json`;
  const namePath = (tenant: string, name: string) => `names/${requireName(tenant)}/${requireName(name)}.json`;

  /** Undefined where there is none. Throws E_DATA where it is damaged, E_IO. */
  const readJson = <Schema extends z.ZodType>(from: Read, key: string, schema: Schema, maxBytes: number) =>
    tellDamage(parsedJson(from, key, schema, maxBytes));

  async function parsedJson<Schema extends z.ZodType>(
    from: Read,
    key: string,
    schema: Schema,
    maxBytes: number,
  ): Promise<{ readonly value: z.infer<Schema>; readonly tag: string } | undefined> {
    const file = await from(key, maxBytes);
    if (file === undefined) return undefined;
    const json = parseJson(decodeUtf8(file.bytes, key), { what: key, maxBytes });
    return { value: checkSchema(json, schema, { what: key }), tag: file.tag };
  }
  const encode = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

  const find = async (tenant: string, name: string): Promise<StoredName | undefined> =>
    (await readJson(storage.read, namePath(tenant, name), NameFile, limits.nameBytes))?.value;

  const notFound = (name: string) => new AppError("E_NOT_FOUND", `model ${JSON.stringify(name)}: not found`);
  async function get(tenant: string, name: string): Promise<StoredName> {
    const found = await find(tenant, name);
    if (found === undefined) throw notFound(name);
    return found;
  }

  /**
   * Changes what a name is by what it is now. Where another machine was quicker, `decide` is asked again about what that one wrote. It is
   * also asked again about what it wrote itself, where the answer was lost and the second attempt is refused.
   * @throws E_BUSY where others are quicker every time
   */
  async function changeName<T>(
    writer: Writer,
    path: string,
    decide: (found: StoredName | undefined) => Promise<{ readonly next?: StoredName | "nothing"; readonly result: T }>,
  ): Promise<T> {
    for (let tries = 1; tries <= limits.swapTries; tries++) {
      const found = await readJson(storage.readNow, path, NameFile, limits.nameBytes);
      const { next, result } = await decide(found?.value);
      if (next === undefined) return result;
      if (next !== "nothing") {
        if (await writer.swap(path, encode(next), found?.tag)) return result;
      } else if (found === undefined || (await writer.removeSame(path, found.tag))) return result;
      await sleep(randomInt(1 + Math.min(limits.swapWaitMs, 20 * tries)));
    }
    throw new AppError("E_BUSY", "this name is being changed by other machines all the time: ask again later");
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
    const what = `content ${Sha256.parse(object)}`;
    const maxBytes = specializationLimits.fileBytes;
    const file = (await storage.read(objectPath(object), maxBytes)) ?? (await contentsAside.bringBack(object));
    if (file === undefined) throw new AppError("E_NOT_FOUND", `${what}: not found`);
    if (sha256(file.bytes) !== object)
      throw new AppError("E_FORMAT", `${what}: expected content of this SHA-256, found ${sha256(file.bytes)}`);
    return parseSpecialization(decodeUtf8(file.bytes, what), what);
  }

  const jsonIn = (prefix: string) => jsonFiles(storage, prefix);

  /** Other files in their folder are none of the store's. */
  const contents = async () =>
    (await jsonIn("objects/")).filter(({ folder, name }) => folder === "objects/" && isHash(name));

  async function list(tenant: string, onDamaged?: (name: string) => void): Promise<StoredName[]> {
    const files = await jsonIn(`names/${requireName(tenant)}/`);
    const found: (StoredName | undefined)[] = [];
    await atOnce(files, limits.reads, async ({ name }, at) => {
      found[at] = await find(tenant, name).catch((error: unknown) => {
        if (!isDamage(error)) throw error;
        onDamaged?.(name);
        return undefined;
      });
    });
    return found.filter((name) => name !== undefined);
  }

  const isAnother = (name: string) => `model ${JSON.stringify(name)}: is another name of a model`;

  async function put(tenant: string, name: string, content: Specialization, key?: string) {
    const text = encodeSpecialization(content);
    parseSpecialization(text, "specialization"); // what could not be read again is not stored
    const object = sha256(text);
    const path = namePath(tenant, name);
    return storage.change((writer) => {
      let isWritten = false;
      let tried: StoredVersion | undefined;
      return changeName(writer, path, async (before) => {
        const own = before && ownOf(before);
        const made = own?.versions.find((each) => tried !== undefined && isSame(each, tried));
        if (made !== undefined) return { result: { ...made, name, isNew: true } };
        if (before !== undefined && own === undefined)
          throw new AppError("E_USAGE", `${isAnother(name)}; remove it first`);
        const current = own && versionOf(own);
        if (current?.object === object && current.key === key) return { result: { ...current, isNew: false } };
        if (own !== undefined && own.versions.length >= storeLimits.versions)
          throw new AppError(
            "E_LIMIT",
            `model ${JSON.stringify(name)}: expected at most ${storeLimits.versions} versions, found ${own.versions.length}; take another name, or remove this one`,
          );
        if (!isWritten) await writer.put(objectPath(object), text);
        isWritten = true;
        const version = 1 + (own?.versions.at(-1)?.version ?? 0);
        const added = { version, object, at: now().toISOString(), ...(key === undefined ? {} : { key }) };
        tried = added;
        const versions = [...(own?.versions ?? []), added];
        return {
          next: { format: nameFormat, name, current: version, versions },
          result: { ...added, name, isNew: true },
        };
      });
    });
  }

  const rollback: Store["rollback"] = (tenant, name, wanted) =>
    storage.change((writer) => {
      let version = wanted;
      return changeName(writer, namePath(tenant, name), async (found) => {
        if (found === undefined) throw notFound(name);
        const own = ownOf(found);
        if (own === undefined) throw new AppError("E_USAGE", `${isAnother(name)}, without versions`);
        const before = own.versions.filter(({ version }) => version < own.current).at(-1)?.version;
        version ??= before ?? 0; // once: what is one version back now is two back where this was made already
        const target = versionOf(own, version);
        return own.current === version ? { result: target } : { next: { ...own, current: version }, result: target };
      });
    });

  const alias: Store["alias"] = (tenant, name, target) =>
    storage.change((writer) => {
      let isTried = false;
      return changeName(writer, namePath(tenant, name), async (before) => {
        if (isTried && before !== undefined && "aliasOf" in before && before.aliasOf === target)
          return { result: undefined };
        if (before !== undefined && ownOf(before) !== undefined)
          throw new AppError("E_USAGE", `model ${JSON.stringify(name)}: has versions of its own; remove it first`);
        const { name: targetName, version } = parseReference(target);
        const found = await readJson(storage.readNow, namePath(tenant, targetName), NameFile, limits.nameBytes);
        if (found === undefined) throw notFound(targetName);
        const real = ownOf(found.value);
        if (real === undefined) throw new AppError("E_USAGE", `${target}: expected a model, found another name of one`);
        versionOf(real, version);
        isTried = true;
        return { next: { format: nameFormat, name, aliasOf: target }, result: undefined };
      });
    });

  const remove: Store["remove"] = (tenant, name) =>
    storage.change(async (writer) => {
      const found = await readJson(storage.readNow, namePath(tenant, name), NameFile, limits.nameBytes);
      if (found === undefined) throw notFound(name);
      await writer.remove(namePath(tenant, name));
      const left = new Set(
        (await list(tenant)).flatMap((file) => ownOf(file)?.versions.map(({ object }) => object) ?? []),
      );
      for (const { object } of ownOf(found.value)?.versions ?? [])
        if (!left.has(object)) await writer.remove(certificatePath(tenant, object));
    });

  /** Every name there is, of all tenants. */
  async function allNames() {
    const files = await jsonIn("names/");
    const all: { readonly tenant: string; readonly path: string; readonly file: OwnName }[] = [];
    const unreadable: { readonly path: string; readonly told: string }[] = [];
    await atOnce(files, limits.reads, async ({ key: path, folder, name }) => {
      const tenant = folder.slice("names/".length, -1);
      try {
        const found = await readJson(storage.readNow, path, NameFile, limits.nameBytes);
        const own = found && ownOf(found.value);
        if (own !== undefined) all.push({ tenant, path, file: own });
      } catch (error) {
        if (!isDamage(error)) throw error;
        unreadable.push({ path, told: `${tenant}/${name}` });
      }
    });
    all.sort((a, b) => (a.path < b.path ? -1 : 1));
    const used = new Set(all.flatMap(({ file }) => file.versions.map(({ object }) => object)));
    return { count: files.length, all, unreadable, used };
  }

  /** Every name, and what of them is damaged. */
  async function survey() {
    const held = await contents();
    const names = await allNames();
    const lost = new Set<string>();
    await atOnce([...names.used], limits.reads, async (object) => {
      if (await isDamaged(read(object))) lost.add(object);
    });
    const report: StoreReport = {
      names: names.count,
      versions: names.all.reduce((sum, { file }) => sum + file.versions.length, 0),
      objects: held.length,
      damaged: [
        ...names.unreadable.map(({ told }) => told),
        ...names.all.flatMap(({ tenant, file }) =>
          file.versions
            .filter(({ object }) => lost.has(object))
            .map(({ version }) => `${tenant}/${file.name}@${version}`),
        ),
      ],
      unused: held.filter(({ name }) => !names.used.has(name)).map(({ name }) => name),
    };
    return { ...names, lost, report };
  }

  const collect: Store["collect"] = () =>
    storage.change(async (writer) => {
      // In this order: a content is written before the name that points to it, and a certificate after it.
      const certificates = (await jsonIn("certificates/")).filter(({ name }) => isHash(name));
      const aside = storage.graceMs === 0 ? [] : await contentsAside.list();
      const held = await contents();
      const { unreadable, used } = await allNames();
      if (unreadable.length > 0)
        throw new AppError(
          "E_FORMAT",
          `names that cannot be read may point to anything: repair the store first (${unreadable.map(({ told }) => told).join(", ")})`,
        );
      const isLeftAlone = ({ changedMs }: { readonly changedMs?: number | undefined }) =>
        storage.graceMs > 0 && now().getTime() - (changedMs ?? 0) < storage.graceMs;
      const removed: string[] = [];
      for (const object of held) {
        if (used.has(object.name) || isLeftAlone(object)) continue;
        if (storage.graceMs > 0 && !(await contentsAside.put(writer, object.name))) continue;
        await writer.remove(object.key);
        removed.push(object.name);
      }
      for (const object of aside) {
        if (isLeftAlone(object)) continue; // whoever reads it brings it back
        if (used.has(object.name)) await contentsAside.bringBack(object.name);
        await writer.remove(object.key);
      }
      const trials = storage.graceMs === 0 ? [] : await storage.list("trials/");
      for (const trial of trials) if (!isLeftAlone(trial)) await writer.remove(trial.key);
      const known = new Set([...held, ...aside].map(({ name }) => name));
      for (const object of removed) if (storage.graceMs === 0) known.delete(object);
      for (const certificate of certificates)
        if (!known.has(certificate.name) && !isLeftAlone(certificate)) await writer.remove(certificate.key);
      return removed;
    });

  const repair: Store["repair"] = () =>
    storage.change(async (writer) => {
      const { all, unreadable, lost, report } = await survey();
      for (const { path } of unreadable)
        if (await isDamaged(readJson(storage.readNow, path, NameFile, limits.nameBytes))) await writer.remove(path);
      for (const { path, file } of all) {
        if (!file.versions.some(({ object }) => lost.has(object))) continue;
        await changeName(writer, path, async (found) => {
          const own = found && ownOf(found);
          if (own === undefined) return { result: undefined };
          const versions: StoredVersion[] = [];
          // Asked again: what was lost may have been stored anew since.
          for (const version of own.versions)
            if (!lost.has(version.object) || !(await isDamaged(read(version.object)))) versions.push(version);
          const last = versions.at(-1);
          if (last === undefined) return { next: "nothing" as const, result: undefined };
          if (versions.length === own.versions.length) return { result: undefined };
          const current = versions.some(({ version }) => version === own.current) ? own.current : last.version;
          return { next: { ...own, current, versions }, result: undefined };
        });
      }
      return report;
    });

  const agreeOnSecret: Store["agreeOnSecret"] = async (secret) => {
    if (storage.graceMs === 0) return; // a folder is one machine's, and its secret lies beside it
    const file = { format: "lora-gen secret 1" as const, check: hmacSha256(secret, "the secret of this store") };
    const found = await storage.change(async (writer) => {
      await writer.swap(secretPath, encode(file), undefined);
      return readJson(storage.readNow, secretPath, SecretFile, limits.secretBytes);
    });
    if (found !== undefined && found.value.check !== file.check)
      throw new AppError(
        "E_MISMATCH",
        "this machine recognises prompts by another secret than those that use this store already: give all of them the same LORAGEN_PROMPT_SECRET",
      );
  };

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
      storage.change(async (writer) => {
        const { object } = certificate;
        const path = certificatePath(tenant, object);
        await read(object);
        await writer.put(path, encode(certificate));
        // Looked at after the write: a name that is being removed takes its certificates with it, which may hold a prompt.
        if ((await list(tenant)).some((file) => ownOf(file)?.versions.some((version) => version.object === object)))
          return;
        await writer.remove(path);
        throw new AppError("E_NOT_FOUND", `content ${object}: no name has it any more, so it has no certificate`);
      }),
    uncertify: (tenant, object) => storage.change((writer) => writer.remove(certificatePath(tenant, object))),
    certificate: async (tenant, object) =>
      (await readJson(storage.read, certificatePath(tenant, object), Certificate, limits.certificateBytes))?.value,
    collect,
    verify: async () => (await survey()).report,
    repair,
    check: () => storage.check(),
    agreeOnSecret,
  };
}

const secretPath = "secret.json";
const SecretFile = z.strictObject({ format: z.literal("lora-gen secret 1"), check: Sha256 });
