/** @file What specialisations are called: NAME, or NAME@VERSION. */
import { AppError } from "../../base/errors.ts";

/** Small letters only: a name is a file's name too, and some file systems take A for a. */
const namePattern = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;

/** Whether something may be called so: a name, or a tenant. */
export const isName = (name: string): boolean => namePattern.test(name);

/** Who asks for a model by what no model can be called has not found it. */
export const notFoundIfNoName = (error: unknown, name: string): unknown =>
  error instanceof AppError && error.code === "E_USAGE"
    ? new AppError("E_NOT_FOUND", `model ${JSON.stringify(name.slice(0, 80))}: not found`)
    : error;

export type Reference = { readonly name: string; readonly version: number | undefined };

/** Throws E_USAGE for what is no name. */
export function requireName(name: string): string {
  if (!isName(name))
    throw new AppError(
      "E_USAGE",
      `name: expected up to 64 small letters, digits, ".", "_" and "-", found ${JSON.stringify(name.slice(0, 80))}`,
    );
  return name;
}

/** Whether a text is a reference: NAME or NAME@VERSION. */
export function isReference(text: string): boolean {
  const [name = "", version, ...rest] = text.split("@");
  return isName(name) && rest.length === 0 && (version === undefined || /^[1-9]\d{0,8}$/.test(version));
}

/** Throws E_USAGE for what is no reference. */
export function parseReference(text: string): Reference {
  const [, name, version] = /^([^@]*)(?:@([1-9]\d{0,8}))?$/.exec(text) ?? [];
  if (name === undefined)
    throw new AppError("E_USAGE", `expected NAME or NAME@VERSION, found ${JSON.stringify(text.slice(0, 80))}`);
  return { name: requireName(name), version: version === undefined ? undefined : Number(version) };
}
