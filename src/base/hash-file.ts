/** @file SHA-256 of files, read in pieces: the identity of weights on a disk. */
import { createHash } from "node:crypto";
import { joinSha256 } from "./hash.ts";
import { readChunks } from "./read-file.ts";

/** Of a file's content, read in pieces. Throws E_NOT_FOUND, E_IO; E_FORMAT for what is no regular file. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of readChunks(path)) hash.update(chunk);
  return hash.digest("hex");
}

/** Of several files as one, whatever folder they lie in; all are read at the same time. Throws E_NOT_FOUND or E_IO. */
export async function sha256Files(paths: readonly string[]): Promise<string> {
  return joinSha256(await Promise.all(paths.map(sha256File)));
}
