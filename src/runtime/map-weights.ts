/** @file Weights that lie in no file a session can map: written into one for it, whose name is gone once they are mapped. */
import { open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sweepTemporary, temporaryPath } from "../base/temporary-name.ts";
import { inlineLimitBytes, sourceBytes } from "./ort-values.ts";
import { readValues } from "./read-weight.ts";
import type { FileSource, StoredSource, WeightSource, WeightValues } from "./session.ts";

/** To be given back once a session has mapped them: that takes the file's name away. */
export type MappedWeights = AsyncDisposable & { readonly sources: Readonly<Record<string, StoredSource>> };

/**
 * The sources of the weights that a session asks for; some may be missing. What a session is given in memory it copies, more than once; of a
 * mapped file it keeps only what it packs anew. Decodes and writes one weight after the other. Small ones stay in memory, and all others where
 * the disk has no room for them.
 * @throws as the weights' own `read`
 */
export async function mapWeights(
  names: Iterable<string>,
  given: Readonly<Record<string, WeightSource>>,
  folder: string = tmpdir(),
): Promise<MappedWeights> {
  const found = [...names].flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]] as const]));
  const total = found.reduce((sum, [, source]) => sum + (isWritten(source) ? sourceBytes(source) : 0), 0);
  const file = total < inlineLimitBytes ? undefined : await createFile(folder);
  const sources: Record<string, StoredSource> = {};
  try {
    for (const [name, source] of found) {
      if (source.kind === "file") sources[name] = source;
      else {
        const data = await readValues(source);
        sources[name] = (isWritten(source) ? await file?.append(data) : undefined) ?? { kind: "data", data };
      }
    }
  } catch (error) {
    await file?.remove();
    throw error;
  } finally {
    await file?.close();
  }
  return { sources, [Symbol.asyncDispose]: async () => file?.remove() };
}

/** Vectors travel inside the model. */
const smallBytes = 1 << 16;

const isWritten = (source: WeightSource): boolean => source.kind !== "file" && sourceBytes(source) >= smallBytes;

/** Between two weights, as processors like to read them. */
const alignment = 64;

/** A file of one's own; undefined where none can be made. What killed processes left goes first. */
async function createFile(folder: string) {
  const wanted = join(folder, "loragen-weights");
  await sweepTemporary(wanted);
  const path = await temporaryPath(wanted);
  const handle = await open(path, "wx", 0o600).catch(() => undefined);
  if (handle === undefined) return undefined;
  let end = 0;
  let isFull = false;
  return {
    /** Undefined where there is no room for it. */
    async append(values: WeightValues): Promise<FileSource | undefined> {
      if (isFull) return undefined;
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      const offset = Math.ceil(end / alignment) * alignment;
      try {
        for (let done = 0; done < bytes.length; )
          done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
      } catch {
        isFull = true;
        return undefined;
      }
      end = offset + bytes.length;
      return { kind: "file", path, offset, bytes: bytes.length };
    },
    close: () => handle.close(),
    // A system that does not take away the name of a mapped file keeps it until the next sweep.
    remove: () => rm(path, { force: true }).catch(() => undefined),
  };
}
