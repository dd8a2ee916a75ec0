/** @file Names of models on the Hugging Face hub: `owner/name`, with a revision and a GGUF file where they are given. */

export type HubId = {
  readonly owner: string;
  readonly name: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** One GGUF file of the repository. */
  readonly file: string | undefined;
};

const pattern =
  /^(?<owner>[A-Za-z0-9][\w.-]{0,95})\/(?<name>[A-Za-z0-9][\w.-]{0,95})(?:@(?<revision>[A-Za-z0-9][\w.+/-]{0,199}))?(?::(?<file>[A-Za-z0-9][\w.+/-]{0,199}\.gguf))?$/;
const commitPattern = /^[0-9a-f]{40}$/;

/** `owner/name[@revision][:file.gguf]`; undefined for anything else, such as most paths. */
export function parseHubId(text: string): HubId | undefined {
  const { owner, name, revision = "main", file } = pattern.exec(text)?.groups ?? {};
  if (owner === undefined || name === undefined) return undefined;
  if ([name, revision, file ?? ""].some((part) => !isPlainPath(part))) return undefined;
  return { owner, name, revision, file };
}

/** As it is written, without the revision that is meant anyway. */
export function formatHubId({ owner, name, revision, file }: HubId): string {
  return `${owner}/${name}${revision === "main" ? "" : `@${revision}`}${file === undefined ? "" : `:${file}`}`;
}

export const isCommit = (revision: string): boolean => commitPattern.test(revision);

/** A commit never changes: the only kind of revision that others' files may name. */
export function isPinnedHubId(text: string): boolean {
  const id = parseHubId(text);
  return id !== undefined && isCommit(id.revision);
}

/** Whether a path of a repository stays inside the folder it is put into. */
export function isPlainPath(path: string): boolean {
  return !/(^|\/)(\.{0,2})(\/|$)/.test(path) || path === "";
}
