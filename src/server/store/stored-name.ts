/** @file What a name is in a store: every version it ever had, and which one it stands for; or what it is another name of. */
import { z } from "zod";
import { AppError } from "../../base/errors.ts";
import { Sha256 } from "../../base/sha256.ts";

export const StoredVersion = z.strictObject({
  version: z.int().positive(),
  /** The content's hash. */
  object: Sha256,
  at: z.iso.datetime(),
  /** A keyed hash of prompt, pair and options: the same question has this answer. */
  key: Sha256.optional(),
});
export const nameFormat = "lora-gen name 1";
const format = z.literal(nameFormat);
export const NameFile = z.union([
  z.strictObject({ format, name: z.string(), current: z.int().positive(), versions: z.array(StoredVersion).min(1) }),
  z.strictObject({ format, name: z.string(), aliasOf: z.string() }),
]);
export type StoredVersion = z.infer<typeof StoredVersion>;
export type StoredName = z.infer<typeof NameFile>;
/** A name that has versions of its own. */
export type OwnName = Extract<StoredName, { versions: unknown }>;

export type Resolved = StoredVersion & { readonly name: string };

/** undefined: it is another name. */
export const ownOf = (found: StoredName): OwnName | undefined => ("versions" in found ? found : undefined);

/** Throws E_NOT_FOUND. @param wanted without it the one that the name stands for */
export function versionOf(own: OwnName, wanted = own.current): Resolved {
  const found = own.versions.find(({ version }) => version === wanted);
  if (found === undefined)
    throw new AppError("E_NOT_FOUND", `model ${JSON.stringify(own.name)}: has no version ${wanted}`);
  return { ...found, name: own.name };
}

export const isSame = (a: StoredVersion, b: StoredVersion): boolean =>
  a.version === b.version && a.object === b.object && a.at === b.at && a.key === b.key;
